/** Key providers: the one door; each provider's folder is loaded when its scheme is named. */
export type { OpenedProvider, OpenProvider, OpenProviderOptions, ProviderPorts } from './provider.ts';
export { openProviderFiles, type ProviderFiles } from './provider-files.ts';
export { openKeyProvider } from './registry.ts';
export { openKeySigner } from './signers.ts';
export { assertKeyApart, toSecretPaths } from './separation.ts';
