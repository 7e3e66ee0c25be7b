/** Tensors of strings: logical bytes are, for each element, its length as little-endian u32 and then its bytes. */
import type { TensorRef } from '../../model/types.ts';
import { assertInTensor } from '../span-tensor.ts';
import { toFloorIndex } from './floor-index.ts';
import type { WireReader } from './wire.ts';

const LENGTH_BYTES = 4;

export class StringTensor implements TensorRef {
  readonly dtype = 'string';
  readonly storage = 'typed';
  readonly fileIndex = 0;
  readonly name: string;
  readonly shape: readonly number[];
  readonly elementCount: number;
  readonly byteLength: number;
  readonly start: number;
  readonly end: number;
  readonly #reader: WireReader;
  /** Spans of the strings in the file, start and end in turn. */
  readonly #spans: readonly number[];
  /** Logical offset of each element. */
  readonly #offsets: readonly number[];

  constructor(reader: WireReader, name: string, shape: readonly number[], spans: readonly number[]) {
    this.name = name;
    this.shape = shape;
    this.elementCount = spans.length / 2;
    this.#reader = reader;
    this.#spans = spans;
    const offsets: number[] = [];
    let at = 0;
    for (let i = 0; i < spans.length; i += 2) {
      offsets.push(at);
      at += LENGTH_BYTES + spans[i + 1] - spans[i];
    }
    this.#offsets = offsets;
    this.byteLength = at;
    this.start = spans.at(0) ?? 0;
    this.end = spans.at(-1) ?? 0;
  }

  read(byteOffset: number, into: Uint8Array): void {
    assertInTensor(this, byteOffset, into.length);
    if (into.length === 0) return;
    let index = toFloorIndex(this.#offsets.length, (i) => this.#offsets[i], byteOffset);
    for (let done = 0; done < into.length; index++) {
      const [start, end] = [this.#spans[2 * index], this.#spans[2 * index + 1]];
      const element = new Uint8Array(LENGTH_BYTES + end - start);
      new DataView(element.buffer).setUint32(0, end - start, true);
      this.#reader.copy(start, element.subarray(LENGTH_BYTES));
      const from = Math.max(0, byteOffset - this.#offsets[index]);
      const part = element.subarray(from, from + into.length - done);
      into.set(part, done);
      done += part.length;
    }
  }
}
