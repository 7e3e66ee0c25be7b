/** The `pkcs11:` provider: a key that stays on a token. */
export { openProvider } from './open.ts';
