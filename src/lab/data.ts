/** Labelled images in memory, and batches of them. */
import type { Tensor } from './tensor.ts';

export interface Samples {
  readonly count: number;
  readonly side: number;
  readonly classes: number;
  /** Grey levels 0..255, [count, side, side]; models take them divided by 255. */
  readonly pixels: Uint8Array;
  /** Class indices, [count]. */
  readonly labels: Uint8Array;
}

/** The images at `indices` as a model takes them: float32 in [0, 1], [batch, side, side, 1]. */
export function toBatch({ side, pixels }: Samples, indices: Uint32Array): Tensor {
  const size = side * side;
  const data = new Float32Array(indices.length * size);
  for (const [item, index] of indices.entries()) {
    for (let at = 0; at < size; at += 1) data[item * size + at] = pixels[index * size + at] / 255;
  }
  return { data, shape: [indices.length, side, side, 1] };
}

/** Indices from, …, to - 1. */
export function range(from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to - from }, (_, index) => from + index);
}
