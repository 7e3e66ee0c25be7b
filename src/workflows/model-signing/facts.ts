/** What the reader of a file format knows of a model, in words for a bill of materials. */
import { ModelwardError } from '../../core/errors.ts';
import { openModelPath } from '../../formats/registry.ts';
import type { ModelFacts } from '../../model-signing/index.ts';
import type { ValueInfo } from '../../model/types.ts';

/** Null for a file that no reader knows or that does not read: it can be signed all the same. */
export function findFacts(path: string): ModelFacts | null {
  try {
    const model = openModelPath(path);
    try {
      return {
        format: model.format,
        tensors: model.tensors.length,
        parameters: model.tensors.reduce((sum, tensor) => sum + tensor.elementCount, 0),
        inputs: (model.graph?.inputs ?? []).map(toText),
        outputs: (model.graph?.outputs ?? []).map(toText),
      };
    } finally {
      model.close();
    }
  } catch (error) {
    if (error instanceof ModelwardError) return null;
    throw error;
  }
}

function toText({ name, dtype, shape }: ValueInfo): string {
  const dims = shape === null ? '[...]' : `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
  return `${name}: ${dtype ?? 'unknown'} ${dims}`;
}
