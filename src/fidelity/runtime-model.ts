/** A model's files, as they are or as a plan rewrites them, in memory for a runtime. */
import { RuntimeError } from '../core/errors.ts';
import { FIDELITY_LIMITS } from '../core/limits/fidelity.ts';
import type { RuntimeModel } from '../model/runtime.ts';
import type { Model } from '../model/types.ts';
import { type FileRewrite, readRewrite, type RewritePlan, toRewriteSize } from '../source/rewrite.ts';

/**
 * Reads a whole model: the main file and every external file under the name that the main file uses.
 * @param plan what to write instead of the files; the model's own files when left out
 * @throws RuntimeError RUNTIME_NO_GRAPH for formats without a graph; RUNTIME_FORMAT for graphs that are not ONNX;
 *   RUNTIME_MODEL_TOO_LARGE above 2 GiB; SourceError
 */
export function readRuntimeModel(model: Model, plan?: RewritePlan): RuntimeModel {
  if (model.graph === null) throw new RuntimeError('RUNTIME_NO_GRAPH', { fields: { format: model.format } });
  if (model.format !== 'onnx') throw new RuntimeError('RUNTIME_FORMAT', { fields: { format: model.format } });
  const files = plan?.files ?? toPlainFiles(model);
  const totalBytes = files.reduce((sum, file) => sum + toRewriteSize(file.ops), 0);
  if (totalBytes > FIDELITY_LIMITS.modelBytesMax) {
    throw new RuntimeError('RUNTIME_MODEL_TOO_LARGE', {
      fields: { bytes: totalBytes, limit: FIDELITY_LIMITS.modelBytesMax },
    });
  }
  const [main, ...rest] = files;
  return {
    main: readRewrite(main),
    external: rest.map((file) => ({ path: file.name, data: readRewrite(file) })),
  };
}

function toPlainFiles(model: Model): readonly FileRewrite[] {
  return model.files.map(({ name, source }) => ({
    name,
    ops: [{ kind: 'keep', source, start: 0, end: source.size }],
  }));
}
