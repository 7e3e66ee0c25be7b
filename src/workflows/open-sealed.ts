/** Opens a sealed model into plain files, recorded: the key is asked for once, and nothing half-opened gets a name. */
import { join } from 'node:path';
import { openSealTo } from '../seal/index.ts';
import { stageFolder } from '../source/index.ts';
import type { ByteSource } from '../source/ports.ts';
import { type HashingSink, toHashingSink } from './digests.ts';
import { assertNoInputLocation } from './locations.ts';
import { recordOpening, type SealedKeyOptions, withSealedKey } from './sealed-key.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface OpenSealedOptions extends SealedKeyOptions {
  /** Absolute path of the folder to make. */
  readonly out: string;
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
  assertNoInputLocation(options.out, [options.path, options.envelopePath]);
  return withSealedKey(services, session, options, async ({ source, header, dek }) => {
    const files = writeOpened(services, options, source, dek);
    const leafIndex = await recordOpening(session, header, 'to files');
    return { sealId: header.sealId, files, leafIndex };
  });
}

/** Streams the files of a seal into a folder that appears whole or not at all. */
export function writeOpened(
  services: Pick<Services, 'storage' | 'progress'>,
  options: Pick<OpenSealedOptions, 'out' | 'force'>,
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
