/** Models from nothing, and edited ones as models again, both in memory. */
import { openModel, toEmptyOnnx } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import type { SourceFolder } from '../source/ports.ts';
import { SourceError } from '../core/errors.ts';
import type { GraphEdit } from './edit.ts';
import { toRuntimeModel } from './run/memory.ts';

export interface CreateOptions {
  /** Version of the default operator set. */
  readonly opset?: number;
  /** Further operator sets: version by domain. */
  readonly opsets?: Readonly<Record<string, number>>;
  readonly irVersion?: number;
  /** Name of the graph. */
  readonly name?: string;
}

/**
 * An ONNX model in memory whose graph is empty: `editGraph` fills it. Operator set 18 and IR 8 when nothing is said, which
 * runtimes from 2023 on read and which has model-local functions.
 * @throws TypeError for versions that are not whole numbers above 0
 */
export function createModel(options: CreateOptions = {}): Model {
  const { opset = 18, opsets = {}, irVersion = 8, name: graphName = 'graph' } = options;
  const imports = { '': opset, ...opsets };
  for (const version of [irVersion, ...Object.values(imports)]) {
    if (!Number.isSafeInteger(version) || version < 1) throw new TypeError(`${version} is not a version`);
  }
  const bytes = toEmptyOnnx({ irVersion, graphName, opsets: imports });
  const name = 'model.onnx';
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

/**
 * The edited model, opened from memory with its external data: to edit it again, or to run it. The model that was edited
 * can be closed afterwards.
 * @throws RuntimeError RUNTIME_MODEL_TOO_LARGE from 2 GiB on: such a model goes through a file; SourceError
 */
export function openEdited(edit: GraphEdit): Model {
  const plan = edit.toRewrite();
  const { main, external } = toRuntimeModel(plan);
  const { name } = plan.files[0];
  const files = new Map(external.map(({ path, data }) => [path, data]));
  const folder: SourceFolder = {
    label: 'memory',
    open(path) {
      const bytes = files.get(path);
      if (bytes === undefined) throw new SourceError('SOURCE_NOT_FOUND', { fields: { file: path } });
      return openBufferSource(path, bytes);
    },
  };
  return openModel({ source: openBufferSource(name, main), name, folder });
}

/** Bytes of the main file of the edited model. External data, when there is any, is not in it. @throws as {@link openEdited} */
export function toModelBytes(edit: GraphEdit): Uint8Array {
  return toRuntimeModel(edit.toRewrite()).main;
}
