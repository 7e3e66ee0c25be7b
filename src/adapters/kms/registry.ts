/** Which folder serves which scheme; a folder is loaded when its scheme is named, so that nobody loads them all. */
import type { KeyScheme, KeyUri } from '../../seal/ports.ts';
import type { OpenedProvider, OpenProvider, ProviderPorts } from './provider.ts';

type Loaders = { readonly [S in KeyScheme]: () => Promise<{ readonly openProvider: OpenProvider<S> }> };

const PROVIDERS: Loaders = Object.freeze({
  local: () => import('./local/index.ts'),
  'aws-kms': () => import('./aws-kms/index.ts'),
  'gcp-kms': () => import('./gcp-kms/index.ts'),
  vault: () => import('./vault/index.ts'),
  'azure-kv': () => import('./azure-kv/index.ts'),
  pkcs11: () => import('./pkcs11/index.ts'),
  tpm2: () => import('./tpm2/index.ts'),
  passphrase: () => import('./passphrase/index.ts'),
  age: () => import('./age/index.ts'),
});

/**
 * Opens the provider that `uri` names.
 * @throws SealError of the provider, KEY_* codes
 */
export async function openKeyProvider(options: {
  readonly uri: KeyUri;
  readonly ports: ProviderPorts;
  readonly create: boolean;
}): Promise<OpenedProvider> {
  const load = PROVIDERS[options.uri.scheme] as () => Promise<{ readonly openProvider: OpenProvider<KeyScheme> }>;
  return (await load()).openProvider(options);
}
