/** From block sums to evidence in bits, over a fixed family of layer subsets (docs/spec/watermark.md §6). */
import { toHardEvidenceBits, toSoftEvidenceBits } from '../../core/stats.ts';
import { combineSums, type LayerSums } from './measure.ts';

/** One statistic of one reading. */
export interface Evidence {
  readonly statistic: 'hard' | 'soft';
  /** Message bits that had any data. */
  readonly bits: number;
  readonly bitErrors: number;
  /** -log2 p of this statistic alone, before any trial is counted. */
  readonly rawBits: number;
  /** Which layers were read, by index. */
  readonly layers: 'all' | { readonly without: readonly number[] };
}

/** The best hard and soft evidence of one reading, and how many subsets were looked at for each. */
export interface ReadingEvidence {
  readonly hard: Evidence;
  readonly soft: Evidence;
  readonly subsets: number;
}

/**
 * Looks at all layers, at all but the last k (transfer learning replaces the end of a network), and at all but each one
 * (a re-initialised layer). The family depends on the claim alone, so its size is the number of trials.
 *
 * Null hypothesis: the suspect is independent of the key. See {@link toHardEvidenceBits}, {@link toSoftEvidenceBits}.
 * @param message +1 or -1 per bit
 */
export function toReadingEvidence(message: Int8Array, layers: readonly LayerSums[]): ReadingEvidence {
  const all = combineSums(message.length, layers);
  let best = judge(message, all, 'all');
  let subsets = 1;
  const look = (sums: LayerSums, without: readonly number[]): void => {
    const found = judge(message, sums, { without });
    subsets++;
    best = {
      hard: found.hard.rawBits > best.hard.rawBits ? found.hard : best.hard,
      soft: found.soft.rawBits > best.soft.rawBits ? found.soft : best.soft,
    };
  };
  const head = combineSums(message.length, [all]);
  for (let last = layers.length - 1; last > 0; last--) {
    subtract(head, layers[last]);
    look(
      head,
      Array.from({ length: layers.length - last }, (_, i) => last + i),
    );
    if (layers.length <= 2) continue;
    const others = combineSums(message.length, [all]);
    subtract(others, layers[last - 1]);
    look(others, [last - 1]);
  }
  return { ...best, subsets };
}

function subtract(from: LayerSums, layer: LayerSums): void {
  for (let i = 0; i < from.sums.length; i++) {
    from.sums[i] -= layer.sums[i];
    from.counts[i] -= layer.counts[i];
  }
  from.squares = Math.max(0, from.squares - layer.squares);
}

function judge(message: Int8Array, { sums, counts, squares }: LayerSums, layers: Evidence['layers']) {
  let bits = 0;
  let bitErrors = 0;
  let sum = 0;
  for (let i = 0; i < message.length; i++) {
    if (counts[i] === 0) continue;
    bits++;
    const agreement = message[i] * sums[i];
    sum += agreement;
    // A tie is an error: the count of errors never falls below its binomial law.
    if (!(agreement > 0)) bitErrors++;
  }
  const hard: Evidence = {
    statistic: 'hard',
    bits,
    bitErrors,
    rawBits: bits === 0 ? 0 : toHardEvidenceBits(bits, bitErrors),
    layers,
  };
  const soft: Evidence = { statistic: 'soft', bits, bitErrors, rawBits: toSoftEvidenceBits(sum, squares), layers };
  return { hard, soft };
}
