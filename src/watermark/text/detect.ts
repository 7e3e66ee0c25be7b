/** Reads the green list in a text: how many of its different pairs of neighbours are green (docs/spec/text-mark.md §4). */
import { toLog2BinomialTail } from '../../core/stats.ts';
import type { GreenList } from './green.ts';

export interface TextReading {
  readonly tokens: number;
  /** Different pairs of (bucket of a token, token after it): each counts once, however often it comes. */
  readonly pairs: number;
  readonly green: number;
  /** Share that chance gives. */
  readonly share: number;
  /** Standard deviations above chance; a description, not the evidence. */
  readonly z: number;
  /** -log2 P[Bin(pairs, share) ≥ green], less log2(trials), at least 0. */
  readonly evidenceBits: number;
  readonly trials: number;
}

/**
 * Exact test of a text against the key.
 *
 * Null hypothesis: the text is independent of the key. Which pairs are tested follows from the text and the buckets alone;
 * each is green with probability `share`, independently, because the bits of the table are outputs of a PRF whose key was
 * committed before. A pair counts once: its repetitions are the same coin. False-alarm rate at b bits: at most 2^-b, the trials
 * counted.
 * @param sequences token ids; a sequence begins without a context. Ids outside the vocabulary break a sequence
 * @param trials keys, texts and readings that were tried, at least 1
 * @see J. Kirchenbauer et al., "A Watermark for Large Language Models", ICML 2023; P. Fernandez et al., "Three Bricks to
 *   Consolidate Watermarks for Large Language Models", WIFS 2023 (scoring each pair once)
 */
export function readText(sequences: Iterable<ArrayLike<number>>, green: GreenList, trials: number): TextReading {
  const { vocabulary, share } = green.params;
  const seen = new Set<number>();
  let [tokens, hits] = [0, 0];
  for (const sequence of sequences) {
    tokens += sequence.length;
    for (let at = 1; at < sequence.length; at++) {
      const [context, token] = [sequence[at - 1], sequence[at]];
      if (!isToken(context, vocabulary) || !isToken(token, vocabulary)) continue;
      const bucket = green.buckets[context];
      const pair = bucket * vocabulary + token;
      if (seen.has(pair)) continue;
      seen.add(pair);
      if (green.isGreen(bucket, token)) hits++;
    }
  }
  const pairs = seen.size;
  const deviation = Math.sqrt(pairs * share * (1 - share));
  const rawBits = -toLog2BinomialTail(pairs, hits, share);
  return {
    ...{ tokens, pairs, green: hits, share, trials },
    z: deviation === 0 ? 0 : (hits - pairs * share) / deviation,
    evidenceBits: Math.max(0, rawBits - Math.log2(trials)),
  };
}

function isToken(id: number, vocabulary: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < vocabulary;
}
