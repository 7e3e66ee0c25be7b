/** The `vault:` provider: the transit engine of HashiCorp Vault and OpenBao. */
export { openProvider } from './open.ts';
