/** Keys for a broker: data keys of the home's envelopes, through the provider whose every use is recorded. */
import { SealError, WorkflowError } from '../../core/errors.ts';
import type { KeyStore } from '../../broker/index.ts';
import { parseEnvelope, unwrapDek } from '../../seal/index.ts';
import { toEnvelopePath } from '../open-model.ts';
import type { Recorder } from '../recorder.ts';
import type { Services } from '../services.ts';

export interface OpenedKeyStore extends KeyStore {
  close(): Promise<void>;
}

/**
 * The provider is opened once, so that a passphrase is asked for at the start; the envelope is read for each release, so
 * that a rotation is followed at once.
 * @param keyUri null for the home's own key
 * @throws SealError for the URI or the key store
 */
export async function openEnvelopeKeyStore(
  services: Services,
  { writer, actor }: Pick<Recorder, 'writer' | 'actor'>,
  keyUri: string | null,
): Promise<OpenedKeyStore> {
  const ask = { uri: keyUri, create: false, apartFrom: null, ledger: writer, actor };
  const { provider } = await services.openKeys(ask);
  return {
    takeKey: async (sealId) => {
      const path = toEnvelopePath(services, sealId);
      if (!services.storage.exists(path)) throw new WorkflowError('ENVELOPE_NOT_FOUND', { fields: { sealId } });
      const envelope = parseEnvelope(services.storage.read(path));
      // The file's name is no proof of what is in it.
      if (envelope.sealId !== sealId) throw new SealError('ENVELOPE_MISMATCH', { fields: { sealId } });
      const { dek } = await unwrapDek({ envelope, unwrappers: [provider], clock: services.clock });
      return dek;
    },
    close: async () => {
      await provider.close?.();
    },
  };
}
