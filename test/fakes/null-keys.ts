/** P-values of many keys on one suspect that none of them marked: the null distribution of the detector. */
import { toTopology } from '../../src/align/index.ts';
import { hkdfSha256 } from '../../src/core/hash.ts';
import { toLog2BinomialTail } from '../../src/core/stats.ts';
import type { Model } from '../../src/model/types.ts';
import { createElementReader } from '../../src/watermark/elements.ts';
import { deriveMarkKeys, deriveSeeds, toMessageBits } from '../../src/watermark/seeds.ts';
import { toReadingEvidence } from '../../src/watermark/spread/evidence.ts';
import { listMarkableLayers, toLayout } from '../../src/watermark/spread/layout.ts';
import { toLayerSums, toScales } from '../../src/watermark/spread/measure.ts';
import { createSlots } from '../../src/watermark/spread/slots.ts';

export interface NullSample {
  /** Errors of the hard statistic over all layers, out of `bits`. */
  readonly bitErrors: number;
  readonly bits: number;
  /** Evidence of the soft statistic over all layers, before trials. */
  readonly softBits: number;
  /** The detector's final evidence: the best of all statistics and subsets, after trials. */
  readonly evidenceBits: number;
}

/** One sample per key; key i comes from `seed` and i. */
export function sampleNullKeys(suspect: Model, count: number, seed: Uint8Array): NullSample[] {
  const layers = listMarkableLayers(toTopology(suspect));
  const tensors = new Map(suspect.tensors.map((tensor) => [tensor.name, tensor]));
  const views = layers.map((layer) => {
    const tensor = tensors.get(layer.name)!;
    const values = new Float64Array(tensor.elementCount);
    createElementReader(tensor)(0, values);
    return {
      read: (first: number, into: Float64Array) => {
        into.set(values.subarray(first, first + into.length));
      },
    };
  });
  return Array.from({ length: count }, (_, i) => {
    const own = deriveSeeds(hkdfSha256(seed, new Uint8Array(0), `null key ${i}`, 32)).own;
    const keys = deriveMarkKeys(own, 'own', new Uint8Array(32));
    const layout = toLayout(layers, keys.positions);
    const sums = toLayerSums(
      layout,
      createSlots(keys.positions, layout.bits, layout.tiles),
      views,
      toScales(layout, views),
    );
    const message = toMessageBits(keys.bits, 'owner', layout.bits);
    const all = toReadingEvidence(message, [combine(layout.bits, sums)]);
    const best = toReadingEvidence(message, sums);
    const rawBits = Math.max(best.hard.rawBits, best.soft.rawBits);
    return {
      bitErrors: all.hard.bitErrors,
      bits: all.hard.bits,
      softBits: all.soft.rawBits,
      evidenceBits: Math.max(0, rawBits - Math.log2(2 * best.subsets)),
    };
  });
}

function combine(bits: number, sums: ReturnType<typeof toLayerSums>) {
  const all = { sums: new Float64Array(bits), counts: new Uint32Array(bits), squares: 0 };
  for (const layer of sums) {
    layer.sums.forEach((sum, i) => (all.sums[i] += sum));
    layer.counts.forEach((found, i) => (all.counts[i] += found));
    all.squares += layer.squares;
  }
  return all;
}

/** Smallest and largest count of Bin(n, p) outside which less than 0.05 % lies on each side. */
export function toBinomialBounds(n: number, p: number): { readonly low: number; readonly high: number } {
  const log2Side = Math.log2(0.0005);
  let high = Math.ceil(n * p);
  while (toLog2BinomialTail(n, high + 1, p) > log2Side) high++;
  let low = Math.floor(n * p);
  while (low > 0 && toLog2BinomialTail(n, n - low + 1, 1 - p) > log2Side) low--;
  return { low, high };
}

/** The errors at or below which the hard p-value is at most `alpha`, and the exact size of that test. */
export function toHardRegion(bits: number, alpha: number): { readonly errorsMax: number; readonly size: number } {
  let errorsMax = -1;
  while (2 ** toLog2BinomialTail(bits, bits - (errorsMax + 1), 0.5) <= alpha) errorsMax++;
  return { errorsMax, size: 2 ** toLog2BinomialTail(bits, bits - errorsMax, 0.5) };
}
