/** The `pkcs11:` provider and signer: keys that stay on a token. */
export { openProvider, openSigner } from './open.ts';
