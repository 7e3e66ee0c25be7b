/** The samples of a trigger set: drawn from a data set, each under a keyed pattern of its own (docs/spec/triggers.md §8). */
import { createHash } from 'node:crypto';
import { u32be, u64be, utf8 } from '../../core/bytes.ts';
import { createPermutation } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';
import { makePattern, toPatternPlane } from './patterns.ts';

/** A data set as it is read: equal shapes, numbers row by row. */
export interface SetSource {
  readonly count: number;
  readonly shape: readonly number[];
  readonly labels: Int32Array;
  read(index: number): Float64Array;
}

export interface SetFacts {
  /** SHA-256 over label, count, shape, and of every sample its values (f64 little-endian) and its label (i32). */
  readonly digest: Uint8Array;
  readonly low: number;
  readonly high: number;
  /** Different labels. */
  readonly classes: number;
}

/** One pass over a whole data set. */
export function toSetFacts(source: SetSource, onSample: () => void = () => undefined): SetFacts {
  const hash = createHash('sha256').update(utf8('wm/v1/data\0')).update(u64be(source.count));
  hash.update(u32be(source.shape.length));
  for (const dim of source.shape) hash.update(u64be(dim));
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const label = Buffer.alloc(4);
  for (let index = 0; index < source.count; index++) {
    const values = source.read(index);
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    label.writeInt32LE(source.labels[index]);
    hash.update(label);
    onSample();
  }
  return { digest: new Uint8Array(hash.digest()), low, high, classes: new Set(source.labels).size };
}

export interface SampleOptions {
  /** K_inputs, 32 bytes. */
  readonly inputsKey: Uint8Array;
  readonly source: SetSource;
  readonly low: number;
  readonly high: number;
  /** Share of the pattern in the mixture, (0, 1]. */
  readonly strength: number;
}

/** Sample `index` of the set: a keyed choice from the data, none twice, mixed with pattern `index`. */
export function makeSetSample({ inputsKey, source, low, high, strength }: SampleOptions, index: number): Float64Array {
  const chosen = createPermutation(inputsKey, STREAM_DOMAIN.triggerSample, source.count).forward(index);
  const pattern = makePattern(inputsKey, index, toPatternPlane(source.shape));
  return source.read(chosen).map((value, at) => (1 - strength) * value + strength * (low + pattern[at] * (high - low)));
}
