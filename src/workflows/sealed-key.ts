/** Opens a sealed file with its data key, for the length of one piece of work; the key is wiped afterwards. */
import { zeroize } from '../core/bytes.ts';
import { WorkflowError } from '../core/errors.ts';
import { isSeal, readSealHeader, type SealHeader } from '../seal/index.ts';
import type { ByteSource } from '../source/ports.ts';
import { openLocation } from './locations.ts';
import { countDamage, unwrapForSeal } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface SealedKeyOptions {
  /** Absolute path, or address, of the sealed file. */
  readonly path: string;
  /** Absolute path of the key envelope; the home is searched without it. */
  readonly envelopePath?: string | undefined;
  /** Null for the home's own key. */
  readonly keyUri: string | null;
}

export interface SealedKey {
  readonly source: ByteSource;
  readonly header: SealHeader;
  /** 32 bytes; gone when the work is done. */
  readonly dek: Uint8Array;
}

/**
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND; SealError for the key or the envelope; what `work` throws
 */
export async function withSealedKey<T>(
  services: Services,
  session: { readonly recorder: Pick<Session['recorder'], 'writer' | 'actor'> },
  options: SealedKeyOptions,
  work: (key: SealedKey) => Promise<T>,
): Promise<T> {
  const toRecorder = (): typeof session.recorder => session.recorder;
  const source = await openLocation(services, options.path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
    return await countDamage(toRecorder, source.label, async () => {
      const seal = readSealHeader(source);
      const dek = await unwrapForSeal(services, toRecorder, seal, options);
      try {
        return await work({ source, header: seal.header, dek });
      } finally {
        zeroize(dek);
      }
    });
  } finally {
    source.close();
  }
}

/** Records that the plaintext of a seal was handed out, and what for. Returns the index of the entry. */
export async function recordOpening(
  { recorder }: { readonly recorder: Pick<Session['recorder'], 'record' | 'actor'> },
  { sealId, model }: SealHeader,
  purpose: string,
): Promise<number> {
  const receipt = await recorder.record([
    { type: 'open', actor: recorder.actor, subject: model.name, digests: {}, detail: { sealId, purpose } },
  ]);
  return receipt.firstIndex;
}
