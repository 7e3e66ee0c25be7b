/** The `passphrase:` provider: a key file that a passphrase opens. */
export { openProvider } from './open.ts';
