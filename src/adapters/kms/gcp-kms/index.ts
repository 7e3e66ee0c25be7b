/** The `gcp-kms:` provider: Google Cloud Key Management Service. */
export { openProvider } from './open.ts';
