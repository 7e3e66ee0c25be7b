/** What a text mark does to a decoder: how far its probabilities move, and how much evidence a text will hold. */
import { ModelwardError } from '../../core/errors.ts';
import { createPrfStream } from '../../core/prf.ts';
import type { Progress } from '../../core/ports.ts';
import type { Runtime, RuntimeModel } from '../../model/runtime.ts';
import type { GreenList, TextPlaces } from '../../watermark/text/index.ts';
import { type Decoder, openDecoder, toProbabilities, writeTexts } from './decoder.ts';
import type { Sequences } from './tokens.ts';

export interface TextEffect {
  /** Where the texts came from. */
  readonly texts: 'given' | 'written by the model';
  /** Places between two tokens that were looked at. */
  readonly places: number;
  /** Mean probability of a green token, without and with the mark. */
  readonly greenBefore: number;
  readonly greenAfter: number;
  /** Mean Kullback-Leibler divergence of the marked from the unmarked probabilities, nats a token. */
  readonly divergenceNats: number;
  /** Share of places whose likeliest token stayed. */
  readonly likeliestKept: number;
  /** Evidence that 1,000 different pairs of a text drawn from the marked model are expected to hold, bits. */
  readonly bitsPer1000Pairs: number;
}

export type TextEffectOutcome =
  | { readonly kind: 'measured'; readonly effect: TextEffect }
  | { readonly kind: 'unmeasured'; readonly reason: string };

const TEXTS = 16;
const TEXT_TOKENS = 32;
const GIVEN_TOKENS_MAX = 4096;

/** Cannot run is a result, not an error. */
export async function measureText(
  runtime: Runtime,
  given: {
    readonly original: RuntimeModel;
    readonly marked: RuntimeModel;
    readonly places: TextPlaces;
    readonly green: GreenList;
    /** Texts of the user; null lets the model write some. */
    readonly texts: Sequences | null;
    readonly progress: Progress;
  },
): Promise<TextEffectOutcome> {
  const opened: Decoder[] = [];
  try {
    const open = async (model: RuntimeModel): Promise<Decoder> => {
      const decoder = await openDecoder(runtime, model, given.places);
      opened.push(decoder);
      return decoder;
    };
    const [original, marked] = [await open(given.original), await open(given.marked)];
    given.progress.step('what the mark does to texts', undefined, 'items');
    const texts = given.texts === null ? await toOwnTexts(original) : toPieces(given.texts, original);
    const effect = await compare(original, marked, { texts, green: given.green });
    given.progress.done();
    const source = given.texts === null ? 'written by the model' : 'given';
    return { kind: 'measured', effect: { texts: source, ...effect } };
  } catch (error) {
    if (!(error instanceof ModelwardError) || !error.code.startsWith('RUNTIME_')) throw error;
    return { kind: 'unmeasured', reason: error.message };
  } finally {
    for (const decoder of opened) await decoder.release();
  }
}

/** The same texts for the same model, so that a measurement can be repeated. */
function toOwnTexts(decoder: Decoder): Promise<Int32Array[]> {
  const stream = createPrfStream(new Uint8Array(32), { domain: 1, index: 0 });
  const uniform = (): number => stream.u32() / 2 ** 32;
  const tokens = Math.min(TEXT_TOKENS, decoder.fixedTokens ?? TEXT_TOKENS);
  return writeTexts(decoder, { count: TEXTS, tokens, uniform });
}

/** Pieces of one length of the first tokens. */
function toPieces(texts: Sequences, decoder: Decoder): Int32Array[] {
  const length = Math.min(TEXT_TOKENS, decoder.fixedTokens ?? TEXT_TOKENS);
  const pieces: Int32Array[] = [];
  for (const text of texts) {
    const ids = Int32Array.from(text);
    for (let at = 0; at + length <= ids.length && pieces.length * length < GIVEN_TOKENS_MAX; at += length) {
      const piece = ids.subarray(at, at + length);
      if (piece.every((id) => id >= 0 && id < decoder.vocabulary)) pieces.push(piece);
    }
  }
  return pieces;
}

async function compare(
  original: Decoder,
  marked: Decoder,
  { texts, green }: { readonly texts: readonly Int32Array[]; readonly green: GreenList },
): Promise<Omit<TextEffect, 'texts'>> {
  const sums = { places: 0, before: 0, after: 0, divergence: 0, kept: 0 };
  for (const text of texts) {
    const [[plain], [biased]] = [await original.score([text]), await marked.score([text])];
    const first = text.length - plain.length;
    plain.forEach((scores, row) => {
      const [p, q] = [toProbabilities(scores), toProbabilities(biased[row])];
      const bucket = green.buckets[text[first + row]];
      sums.places++;
      sums.before += toGreenShare(p, green, bucket);
      sums.after += toGreenShare(q, green, bucket);
      q.forEach((value, token) => (sums.divergence += value > 0 ? value * Math.log(value / p[token]) : 0));
      sums.kept += Number(toLargest(p) === toLargest(q));
    });
  }
  const mean = (sum: number): number => sum / Math.max(1, sums.places);
  const greenAfter = mean(sums.after);
  return {
    places: sums.places,
    greenBefore: mean(sums.before),
    greenAfter,
    divergenceNats: mean(sums.divergence),
    likeliestKept: mean(sums.kept),
    bitsPer1000Pairs: 1000 * toBitsOfPair(greenAfter, green.params.share),
  };
}

function toGreenShare(probabilities: Float64Array, green: GreenList, bucket: number): number {
  return probabilities.reduce((sum, value, token) => sum + (green.isGreen(bucket, token) ? value : 0), 0);
}

function toLargest(values: Float64Array): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}

/** Divergence of a coin of `p` from one of `share`, bits: the exponent of the exact tail. */
function toBitsOfPair(p: number, share: number): number {
  if (p <= share) return 0;
  const part = (a: number, b: number): number => (a === 0 ? 0 : a * Math.log2(a / b));
  return part(p, share) + part(1 - p, 1 - share);
}
