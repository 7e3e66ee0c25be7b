/** API keys in SQL databases. */
export { type ApiKeyStoreOptions, openApiKeyStore } from './store.ts';
export { API_KEY_AREA, type ApiKeyTables } from './tables.ts';
