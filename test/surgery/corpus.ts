/** The runnable models of the ONNX backend suite, with their inputs. */
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import { openBytes } from '../formats/models.ts';
import * as P from '../formats/proto.ts';
import { readTarGz } from '../tar.ts';

export interface CorpusCase {
  /** Folder in the archive. */
  readonly name: string;
  readonly model: Uint8Array;
  /** Serialized inputs of the first data set, by position. */
  readonly inputs: readonly Uint8Array[];
}

/** Cases with a data set, in the order of the archive. */
export function readCorpus(path: string): CorpusCase[] {
  const folders = new Map<string, { model?: Uint8Array; inputs: Uint8Array[] }>();
  for (const { path: file, bytes } of readTarGz(path)) {
    const match = /^(.*?)\/(?:([^/]+)\.onnx|test_data_set_0\/input_(\d+)\.pb)$/.exec(file);
    if (match === null) continue;
    const folder = folders.get(match[1]) ?? { inputs: [] };
    folders.set(match[1], folder);
    if (file.endsWith('.onnx')) folder.model = bytes;
    else folder.inputs[Number(match[3])] = bytes;
  }
  return [...folders].flatMap(([name, { model, inputs }]) =>
    model === undefined || name === 'light' ? [] : [{ name, model, inputs }],
  );
}

/** Whether a model has more than one node in its main graph. */
export function hasManyNodes({ model }: CorpusCase): boolean {
  try {
    return (openBytes(model, 'model.onnx').graph?.nodes.length ?? 0) > 1;
  } catch {
    return false;
  }
}

/** The value of a serialized TensorProto. @throws FormatError for sequences and other kinds */
export function decodeInput(bytes: Uint8Array): RuntimeTensor {
  const [tensor] = openBytes(P.model(P.initializer(P.join(bytes, P.str(8, 'input')))), 'input.onnx').tensors;
  const data = new Uint8Array(tensor.byteLength);
  tensor.read(0, data);
  return { dtype: tensor.dtype, shape: tensor.shape, data };
}
