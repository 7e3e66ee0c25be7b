/** Which tensors an attack on weights changes: the trained matrices and kernels, never biases or statistics. */
import { listTensorShapes } from '../network.ts';
import type { NetworkSpec, Weights } from '../spec.ts';

export interface Matrix {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Copies all tensors and replaces those of rank 2 or more by what `change` returns. */
export function changeMatrices(
  spec: NetworkSpec,
  weights: Weights,
  change: (matrix: Matrix) => Float32Array,
): Map<string, Float32Array> {
  const shapes = listTensorShapes(spec);
  const changed = [...weights].map(([name, values]): [string, Float32Array] => {
    const shape = shapes.get(name);
    if (shape === undefined) throw new TypeError(`the network has no tensor ${name}`);
    return [name, shape.length >= 2 ? change({ name, shape, values }) : values.slice()];
  });
  return new Map(changed);
}
