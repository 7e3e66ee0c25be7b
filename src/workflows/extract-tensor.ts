/** Writes one tensor of a model, plain or sealed, as an npy file; memory stays flat whatever its size. */
import { WorkflowError } from '../core/errors.ts';
import { findNpyTensor } from '../fidelity/index.ts';
import type { Model } from '../model/types.ts';
import { stageFile } from '../source/index.ts';
import { toHashingSink } from './digests.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { assertNoInput, makeParent } from './write-bytes.ts';

export interface ExtractTensorOptions extends OpenAnyOptions {
  /** Name of the tensor in the model. */
  readonly tensor: string;
  /** Absolute path of the npy file. */
  readonly out: string;
  readonly force: boolean;
}

export interface ExtractTensorResult {
  readonly path: string;
  readonly sha256: string;
  readonly tensor: string;
  /** Element type in the model. */
  readonly dtype: string;
  /** Element type in the file. */
  readonly npyDtype: string;
  readonly shape: readonly number[];
  /** What became of the elements, where they are not as stored. */
  readonly note: string | null;
}

/**
 * The file appears whole or not at all. For a sealed model the key is asked for, and its use recorded.
 * @param openSession called for a sealed model only; the caller closes it
 * @throws WorkflowError INSPECT_TENSOR_MISSING | INSPECT_TENSOR_UNSUPPORTED; SourceError | FormatError | SealError
 */
export async function extractTensor(
  services: Services,
  openSession: () => Session,
  options: ExtractTensorOptions,
): Promise<ExtractTensorResult> {
  assertNoInput([options.out], [options.path]);
  const { model } = await openAnyModel(services, () => openSession().recorder, options);
  try {
    return writeTensor(services, model, options);
  } finally {
    model.close();
  }
}

function writeTensor(
  { storage, progress }: Services,
  model: Model,
  options: ExtractTensorOptions,
): ExtractTensorResult {
  const { out, force } = options;
  const tensor = model.tensors.find(({ name }) => name === options.tensor);
  if (tensor === undefined) throw new WorkflowError('INSPECT_TENSOR_MISSING', { fields: { tensor: options.tensor } });
  const { name, dtype, shape } = tensor;
  const npy = findNpyTensor(tensor);
  if (npy === undefined) throw new WorkflowError('INSPECT_TENSOR_UNSUPPORTED', { fields: { tensor: name, dtype } });
  makeParent(storage, out);
  const staged = stageFile({ storage, path: out, mode: 0o644, replace: force });
  try {
    progress.step('write', npy.totalBytes, 'bytes');
    const sink = toHashingSink(staged);
    for (const piece of npy.pieces()) {
      sink.write(piece);
      progress.advance(piece.length);
    }
    staged.commit();
    progress.done();
    return { path: out, sha256: sink.sha256(), tensor: name, dtype, npyDtype: npy.dtype, shape, note: npy.note };
  } catch (error) {
    staged.abort();
    throw error;
  }
}
