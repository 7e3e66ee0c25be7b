/** Runs a sealed ONNX model without plaintext on disk: the key goes over a pipe to a child process that ends on release. */
import { zeroize } from '../core/bytes.ts';
import { WorkflowError } from '../core/errors.ts';
import { readNpyValue } from '../fidelity/index.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import { isSeal, readSealHeader } from '../seal/index.ts';
import type { SealedSession } from '../seal/ports.ts';
import { openFileSource } from '../source/index.ts';
import { unwrapForSeal } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface LoadSealedOptions {
  /** Absolute path of the sealed model. */
  readonly path: string;
  readonly envelopePath?: string | undefined;
  readonly keyUri: string | null;
}

/**
 * Loads a sealed model for running. The key use is recorded before the key is handed out; the caller releases the
 * session, and with it the process that holds the plaintext.
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND; SealError; RuntimeError RUNTIME_LOAD_FAILED
 */
export async function loadSealed(
  services: Services,
  session: Session,
  options: LoadSealedOptions,
): Promise<SealedSession> {
  const source = openFileSource(options.path);
  try {
    if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
    const seal = readSealHeader(source);
    const { envelopePath, keyUri } = options;
    const ask = { keyUri, ...(envelopePath === undefined ? {} : { envelopePath }) };
    const dek = await unwrapForSeal(services, () => session.recorder, seal, ask);
    try {
      const runner = services.openSealedRunner();
      const loaded = await runner.load({ sealedPath: options.path, dek });
      await recordRunning(session, seal.header);
      return loaded;
    } finally {
      zeroize(dek);
    }
  } finally {
    source.close();
  }
}

async function recordRunning(
  { recorder }: Session,
  { sealId, model }: { sealId: string; model: { name: string } },
): Promise<void> {
  const detail = { sealId, purpose: 'to run in a child process' };
  await recorder.record([{ type: 'open', actor: recorder.actor, subject: model.name, digests: {}, detail }]);
}

/**
 * Feeds from npy files, in the order of the model's inputs.
 * @param paths absolute paths, one per input
 * @throws WorkflowError RUN_INPUTS_MISSING; RuntimeError DATA_MALFORMED
 */
export function readFeeds(session: SealedSession, paths: readonly string[]): ReadonlyMap<string, RuntimeTensor> {
  const names = session.inputs.map(({ name }) => name);
  if (paths.length !== names.length) {
    throw new WorkflowError('RUN_INPUTS_MISSING', { fields: { inputs: names, given: paths.length } });
  }
  return new Map(
    session.inputs.map(({ name, dtype }, index) => [name, readNpyValue(openFileSource(paths[index]), dtype ?? 'f32')]),
  );
}
