/** A tensor whose elements do not lie in row-major order: a transposed, sliced or broadcast view of a storage. */
import { DTYPES, type DType } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import { assertInTensor } from '../span-tensor.ts';

export interface StridedLayout {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];
  readonly elementCount: number;
  /** Absolute offset of the first element. */
  readonly start: number;
  /** Behind the last byte that any element has. */
  readonly end: number;
}

/** Elements gathered at a time: a multiplier that keeps place and rank of one element in one double. */
const BATCH = 2 ** 16;
/** Elements that a view may span, so that place times BATCH stays exact: half a TiB of float32. */
export const STRIDED_SPAN_MAX = 2 ** 37;
/** Wanted elements that are this close are read together: a page costs as much as an element. */
const GAP_BYTES = 4096;
const RUN_BYTES = 256 * 1024;

export class StridedTensor implements TensorRef {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  /** Its bytes are not its logical bytes, whatever their order. */
  readonly storage = 'typed';
  readonly fileIndex = 0;
  readonly start: number;
  readonly end: number;
  readonly #source: ByteSource;
  readonly #strides: readonly number[];
  readonly #elementBytes: number;

  constructor(layout: StridedLayout, source: ByteSource) {
    this.name = layout.name;
    this.dtype = layout.dtype;
    this.shape = layout.shape;
    this.elementCount = layout.elementCount;
    this.#elementBytes = DTYPES[layout.dtype].bits / 8;
    this.byteLength = layout.elementCount * this.#elementBytes;
    this.start = layout.start;
    this.end = layout.end;
    this.#strides = layout.strides;
    this.#source = source;
  }

  read(byteOffset: number, into: Uint8Array): void {
    assertInTensor(this, byteOffset, into.length);
    const size = this.#elementBytes;
    for (let done = 0; done < into.length; ) {
      const first = Math.floor((byteOffset + done) / size);
      const skipped = byteOffset + done - first * size;
      const count = Math.min(BATCH, Math.ceil((skipped + into.length - done) / size));
      const length = Math.min(into.length - done, count * size - skipped);
      const target = into.subarray(done, done + length);
      if (skipped === 0 && length === count * size) this.#gather(first, count, target);
      else {
        const whole = new Uint8Array(count * size);
        this.#gather(first, count, whole);
        target.set(whole.subarray(skipped, skipped + length));
      }
      done += length;
    }
  }

  /** Elements [first, first + count) in logical order; the storage is read in its own order, close ones together. */
  #gather(first: number, count: number, into: Uint8Array): void {
    const size = this.#elementBytes;
    const order = this.#toPlaces(first, count).sort();
    const buffer = new Uint8Array(RUN_BYTES);
    for (let i = 0; i < count; ) {
      const runStart = Math.floor(order[i] / BATCH) * size;
      let runEnd = runStart + size;
      let j = i + 1;
      for (; j < count; j++) {
        const end = Math.floor(order[j] / BATCH) * size + size;
        if (end - runEnd > GAP_BYTES || end - runStart > RUN_BYTES) break;
        runEnd = end;
      }
      this.#source.read(this.start + runStart, buffer.subarray(0, runEnd - runStart));
      for (; i < j; i++) {
        const from = Math.floor(order[i] / BATCH) * size - runStart;
        const to = (order[i] % BATCH) * size;
        for (let k = 0; k < size; k++) into[to + k] = buffer[from + k];
      }
    }
  }

  /** Place in the storage times BATCH, plus rank in the request: sorting by it sorts by place and keeps the rank. */
  #toPlaces(first: number, count: number): Float64Array {
    const rank = this.shape.length;
    const index = new Array<number>(rank).fill(0);
    let place = 0;
    for (let axis = rank - 1, rest = first; axis >= 0; axis--) {
      index[axis] = rest % this.shape[axis];
      rest = Math.floor(rest / this.shape[axis]);
      place += index[axis] * this.#strides[axis];
    }
    const places = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      places[i] = place * BATCH + i;
      for (let axis = rank - 1; axis >= 0; axis--) {
        place += this.#strides[axis];
        if (++index[axis] < this.shape[axis]) break;
        place -= this.#strides[axis] * this.shape[axis];
        index[axis] = 0;
      }
    }
    return places;
  }
}

/** Whether row-major order is storage order. Strides of dimensions of one element do not matter. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 0) return true;
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}
