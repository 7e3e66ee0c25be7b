/** The `azure-kv:` provider: Azure Key Vault and Managed HSM. */
export { openProvider } from './open.ts';
