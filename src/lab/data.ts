/** Labelled images in memory, and batches of them. */
import { countElements, type Tensor } from './tensor.ts';

export interface Samples {
  readonly count: number;
  readonly side: number;
  readonly classes: number;
  /** Grey levels 0..255, [count, side, side], that models take divided by 255; or the numbers that they take. */
  readonly pixels: Uint8Array | Float32Array;
  /** Shape of one sample as layers take it; [side, side, 1] when left out. */
  readonly shape?: readonly number[];
  /** Class indices, [count]. */
  readonly labels: Uint8Array;
}

/** Samples of grey levels. */
export interface Images extends Samples {
  readonly pixels: Uint8Array;
}

/** The samples at `indices` as a model takes them: float32, [batch, side, side, 1] for images. */
export function toBatch({ side, pixels, shape = [side, side, 1] }: Samples, indices: Uint32Array): Tensor {
  const size = countElements(shape);
  const scale = pixels instanceof Uint8Array ? 255 : 1;
  const data = new Float32Array(indices.length * size);
  for (const [item, index] of indices.entries()) {
    for (let at = 0; at < size; at += 1) data[item * size + at] = pixels[index * size + at] / scale;
  }
  return { data, shape: [indices.length, ...shape] };
}

/** Indices from, …, to - 1. */
export function range(from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to - from }, (_, index) => from + index);
}
