/** Opens a sealed model into plain files, recorded: the key is asked for once, and nothing half-opened gets a name. */
import { join } from 'node:path';
import { zeroize } from '../core/bytes.ts';
import { WorkflowError } from '../core/errors.ts';
import { isSeal, openSealTo, readSealHeader, type SealHeader } from '../seal/index.ts';
import { openFileSource, stageFolder } from '../source/index.ts';
import type { ByteSource } from '../source/ports.ts';
import { type HashingSink, toHashingSink } from './digests.ts';
import { unwrapForSeal } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface OpenSealedOptions {
  /** Absolute path of the sealed file. */
  readonly path: string;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly envelopePath?: string | undefined;
  readonly keyUri: string | null;
  readonly force: boolean;
}

export interface OpenSealedResult {
  readonly sealId: string;
  readonly files: readonly { readonly path: string; readonly sha256: string; readonly sizeBytes: number }[];
  readonly leafIndex: number;
}

/**
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND
 * @throws SealError for the key, the envelope or a damaged sealed file
 * @throws SourceError WRITE_EXISTS
 */
export async function openSealed(
  services: Services,
  session: Session,
  options: OpenSealedOptions,
): Promise<OpenSealedResult> {
  const source = openFileSource(options.path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
    const seal = readSealHeader(source);
    const { envelopePath, keyUri } = options;
    const ask = { keyUri, ...(envelopePath === undefined ? {} : { envelopePath }) };
    const dek = await unwrapForSeal(services, () => session.recorder, seal, ask);
    try {
      const files = writeOpened(services, options, source, dek);
      const leafIndex = await recordOpening(session, seal.header);
      return { sealId: seal.header.sealId, files, leafIndex };
    } finally {
      zeroize(dek);
    }
  } finally {
    source.close();
  }
}

function writeOpened(
  services: Services,
  options: OpenSealedOptions,
  source: ByteSource,
  dek: Uint8Array,
): OpenSealedResult['files'] {
  const { storage, progress } = services;
  const staged = stageFolder({ storage, target: options.out, mode: 0o700, replace: options.force });
  const written: { name: string; sink: HashingSink; close: () => void }[] = [];
  try {
    openSealTo({
      source,
      dek,
      progress,
      sinkFor: (name) => {
        written.at(-1)?.close();
        const file = staged.file(name, 0o600);
        const sink = toHashingSink(file);
        written.push({ name, sink, close: file.close.bind(file) });
        return sink;
      },
    });
    written.at(-1)?.close();
    staged.commit();
  } catch (error) {
    staged.abort();
    throw error;
  }
  return written.map(({ name, sink }) => ({
    path: join(options.out, name),
    sha256: sink.sha256(),
    sizeBytes: sink.sizeBytes(),
  }));
}

async function recordOpening(session: Session, header: SealHeader): Promise<number> {
  const recorder = session.recorder;
  const { sealId, model } = header;
  const receipt = await recorder.record([
    { type: 'open', actor: recorder.actor, subject: model.name, digests: {}, detail: { sealId, purpose: 'to files' } },
  ]);
  return receipt.firstIndex;
}
