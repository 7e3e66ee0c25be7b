/** Keys of services that sign models; a folder is loaded when its scheme is named. */
import { SealError } from '../../core/errors.ts';
import type { ModelSigner } from '../../model-signing/ports.ts';
import type { KeyUri } from '../../seal/ports.ts';
import type { ProviderPorts } from './provider.ts';

/**
 * @throws SealError KEY_SERVICE_UNFIT for a scheme whose keys do not sign; of the provider, KEY_* codes
 */
export async function openKeySigner(options: {
  readonly uri: KeyUri;
  readonly ports: ProviderPorts;
}): Promise<{ readonly signer: ModelSigner; close(): void }> {
  const { uri, ports } = options;
  if (uri.scheme !== 'pkcs11') {
    const message = 'Keys of this scheme sign no models: give a key file, or a key of a token (pkcs11:).';
    throw new SealError('KEY_SERVICE_UNFIT', { message, fields: { scheme: uri.scheme } });
  }
  return (await import('./pkcs11/index.ts')).openSigner({ uri, ports });
}
