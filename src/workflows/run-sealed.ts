/** Runs a sealed ONNX model without plaintext on disk: the key goes over a pipe to a child process that ends on release. */
import { WorkflowError } from '../core/errors.ts';
import { readNpyValue } from '../fidelity/index.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
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
  session: Session,
  options: SealedKeyOptions,
): Promise<SealedSession> {
  return withSealedKey(services, session, options, async ({ header, dek }) => {
    const loaded = await services.openSealedRunner().load({ sealedPath: options.path, dek });
    await recordOpening(session, header, 'to run in a child process');
    return loaded;
  });
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
