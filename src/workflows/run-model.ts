/**
 * Runs an ONNX model on npy files. A sealed one leaves no plaintext on disk: the key goes over a pipe to a child process that
 * ends on release.
 */
import { WorkflowError } from '../core/errors.ts';
import { readNpyValue, readRuntimeModel } from '../fidelity/index.ts';
import { openModelPath } from '../formats/index.ts';
import type { RuntimeSession, RuntimeTensor } from '../model/runtime.ts';
import type { SealedSession } from '../seal/ports.ts';
import { openFileSource } from '../source/index.ts';
import { recordOpening, type SealedKeyOptions, withSealedKey } from './sealed-key.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

/**
 * Loads a sealed model for running. The key use is recorded before the key is handed out; the caller releases the
 * session, and with it the process that holds the plaintext.
 * @throws WorkflowError NOT_SEALED | ENVELOPE_NOT_FOUND; SealError; RuntimeError RUNTIME_LOAD_FAILED
 */
export async function loadSealed(
  services: Services,
  session: { readonly recorder: Pick<Session['recorder'], 'record' | 'writer' | 'actor'> },
  options: SealedKeyOptions,
): Promise<SealedSession> {
  return withSealedKey(services, session, options, async ({ header, dek }) => {
    const loaded = await services.openSealedRunner().load({ sealedPath: options.path, dek });
    await recordOpening(session, header, 'to run in a child process');
    return loaded;
  });
}

/**
 * Loads a plain model for running, in this process; the caller releases the session.
 * @param path absolute path of the model
 * @throws RuntimeError RUNTIME_UNAVAILABLE | RUNTIME_FORMAT | RUNTIME_NO_GRAPH | RUNTIME_LOAD_FAILED; FormatError | SourceError
 */
export async function loadPlain(
  services: Pick<Services, 'openRuntime'>,
  { path, dataRoot }: { readonly path: string; readonly dataRoot?: string | undefined },
): Promise<SealedSession> {
  const model = openModelPath(path, { dataRoot });
  try {
    const runtime = await services.openRuntime();
    const session = await runtime.load(readRuntimeModel(model));
    const { inputs, outputs } = session;
    return {
      runtime: { id: runtime.id, version: runtime.version },
      ...{ inputs, outputs, run: (feeds) => session.run(feeds), release: () => session.release() },
    };
  } finally {
    model.close();
  }
}

/**
 * Feeds from npy files, in the order of the model's inputs.
 * @param paths absolute paths, one per input
 * @throws WorkflowError RUN_INPUTS_MISSING; RuntimeError DATA_MALFORMED
 */
export function readFeeds(
  session: Pick<RuntimeSession, 'inputs'>,
  paths: readonly string[],
): ReadonlyMap<string, RuntimeTensor> {
  const names = session.inputs.map(({ name }) => name);
  if (paths.length !== names.length) {
    throw new WorkflowError('RUN_INPUTS_MISSING', { fields: { inputs: names, given: paths.length } });
  }
  return new Map(
    session.inputs.map(({ name, dtype }, index) => [name, readNpyValue(openFileSource(paths[index]), dtype ?? 'f32')]),
  );
}
