/** `keys reseal`: a sealed model under a data key that nobody had before; the plaintext passes through memory, segment by segment. */
import { openSeal } from '../../seal/index.ts';
import { assertNoInputLocation, toBarePlace } from '../locations.ts';
import { sealToPlace, toSealEntry } from '../seal-model.ts';
import { recordOpening, type SealedKeyOptions, withSealedKey } from '../sealed-key.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';

export interface ResealOptions extends SealedKeyOptions {
  /** Absolute path, or address, of the new sealed file. */
  readonly out: string;
  /** Key that wraps the new data key; null for the home's own. */
  readonly toUri: string | null;
  readonly force: boolean;
}

export interface ResealResult {
  readonly from: { readonly sealId: string };
  readonly sealed: { readonly path: string; readonly sha256: string; readonly sizeBytes: number };
  readonly envelope: { readonly path: string; readonly sha256: string };
  readonly sealId: string;
  readonly key: { readonly scheme: string; readonly note: string | null };
  readonly leafIndex: number;
}

/**
 * For a data key that leaked, which no rotation mends: the same files, name and format, with a new id, a new data key and an
 * envelope of their own. The old sealed file and its envelope stay where they are: whoever has the leaked key opens that file.
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND; SealError for either key or a damaged sealed file; SourceError WRITE_EXISTS
 */
export async function resealModel(services: Services, session: Session, options: ResealOptions): Promise<ResealResult> {
  const { out, force, toUri } = options;
  assertNoInputLocation(out, [options.path, options.envelopePath]);
  const { recorder } = session;
  const { writer: ledger, actor } = recorder;
  const keys = await services.openKeys({ uri: toUri, create: false, apartFrom: toBarePlace(out), ledger, actor });
  return withSealedKey(services, session, options, async ({ source, header, dek }) => {
    const opened = openSeal({ source, dek });
    try {
      await recordOpening(session, header, 'reseal');
      const files = header.files.map(({ name }) => ({ name, source: opened.folder.open(name) }));
      const { model, format } = header;
      const record = await sealToPlace(services, { out, force, modelName: model.name }, keys, { files, format });
      const receipt = await recorder.record([toSealEntry(actor, record)]);
      return { ...toResult(options, keys, record), from: { sealId: header.sealId }, leafIndex: receipt.firstIndex };
    } finally {
      opened.close();
    }
  });
}

function toResult(
  { out }: ResealOptions,
  { scheme, note }: OpenedKeys,
  record: Awaited<ReturnType<typeof sealToPlace>>,
): Omit<ResealResult, 'from' | 'leafIndex'> {
  return {
    sealed: { path: out, sha256: record.sha256, sizeBytes: record.sizeBytes },
    envelope: { path: record.envelopePath, sha256: record.envelopeSha256 },
    sealId: record.seal.header.sealId,
    key: { scheme, note },
  };
}
