/** `broker open`: a sealed model opened inside an attested machine, with a key that the broker released to it. */
import { zeroize } from '../../core/bytes.ts';
import { WorkflowError } from '../../core/errors.ts';
import type { Progress } from '../../core/ports.ts';
import { isSeal, readSealHeader } from '../../seal/index.ts';
import type { SealedRunner, SealedSession } from '../../seal/ports.ts';
import { openFileSource } from '../../source/index.ts';
import type { Storage } from '../../source/ports.ts';
import { writeOpened } from '../open-sealed.ts';
import { assertNoInput } from '../write-bytes.ts';
import { fetchSealKey, type FetchSealKeyOptions } from './fetch-key.ts';

export interface OpenReleasedOptions extends FetchSealKeyOptions {
  /** Absolute path of the sealed file. */
  readonly path: string;
  /** Absolute path of the folder to make; inside a confidential VM one in memory. */
  readonly out: string;
  readonly force: boolean;
}

export interface OpenReleasedResult {
  readonly sealId: string;
  readonly files: ReturnType<typeof writeOpened>;
}

/**
 * Opens a sealed model into plain files. The release is in the broker's ledger; nothing is recorded here.
 * @throws BrokerError | AttestError as `fetchSealKey`; WorkflowError NOT_SEALED; SealError when the key is that of another
 *   seal, or the file is damaged; SourceError WRITE_EXISTS
 */
export async function openReleased(
  services: { readonly storage: Storage; readonly progress: Progress },
  options: OpenReleasedOptions,
): Promise<OpenReleasedResult> {
  assertNoInput([options.out], [options.path]);
  const source = openFileSource(options.path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
    const { header } = readSealHeader(source);
    const dek = await fetchSealKey(options);
    try {
      return { sealId: header.sealId, files: writeOpened(services, options, source, dek) };
    } finally {
      zeroize(dek);
    }
  } finally {
    source.close();
  }
}

/**
 * Loads a sealed model for running, in memory alone. The caller releases the session.
 * @throws as `openReleased`; RuntimeError RUNTIME_LOAD_FAILED
 * @example
 * const link = openBrokerLink({ url: 'https://broker.example:8443', caPem });
 * const session = await loadReleased(runner, { link, source, tee: 'snp', resource: 'models/key/resnet', path });
 */
export async function loadReleased(
  runner: SealedRunner,
  options: FetchSealKeyOptions & { readonly path: string },
): Promise<SealedSession> {
  assertSealed(options.path);
  const dek = await fetchSealKey(options);
  try {
    return await runner.load({ sealedPath: options.path, dek });
  } finally {
    zeroize(dek);
  }
}

/** Before anybody is asked for a key. */
function assertSealed(path: string): void {
  const source = openFileSource(path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
  } finally {
    source.close();
  }
}
