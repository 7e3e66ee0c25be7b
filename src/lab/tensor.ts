/** Dense float32 values, and the one copy rule of the trainer: a layer owns and reuses what it returns. */

/** Row-major values. Images are [batch, height, width, channels], token sequences [batch, tokens, width]. */
export interface Tensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `previous` when it has exactly `length` elements, else new zeros: batches repeat their sizes. */
export function reuse(previous: Float32Array, length: number): Float32Array {
  return previous.length === length ? previous : new Float32Array(length);
}

/** What a layer holds before its first call. */
export const nothing: Float32Array = new Float32Array(0);
