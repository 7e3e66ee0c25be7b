/** A decoder in a runtime: token ids in, scores of the next token out; and texts that it writes. */
import { RuntimeError } from '../../core/errors.ts';
import { DTYPES } from '../../model/dtype.ts';
import { decodeFloats, isFloatDType } from '../../model/floats.ts';
import type { Runtime, RuntimeModel, RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { ValueInfo } from '../../model/types.ts';
import type { TextPlaces } from '../../watermark/text/index.ts';

export interface Decoder {
  readonly vocabulary: number;
  /** Tokens that the graph takes exactly; null when any number fits. */
  readonly fixedTokens: number | null;
  /**
   * Scores after each token of sequences of one length.
   * @returns [sequences][tokens] rows of `vocabulary` scores; the last row alone where the model gives no more
   * @throws RuntimeError RUNTIME_RUN_FAILED
   */
  score(sequences: readonly Int32Array[]): Promise<Float64Array[][]>;
  release(): Promise<void>;
}

/**
 * @throws RuntimeError RUNTIME_LOAD_FAILED; RUNTIME_INPUTS_UNKNOWN when the graph takes more than tokens, a mask of ones and
 *   positions
 */
export async function openDecoder(runtime: Runtime, model: RuntimeModel, places: TextPlaces): Promise<Decoder> {
  const session = await loadDecoder(runtime, model, places);
  const declared = session.inputs.find(({ name }) => name === places.tokens)?.shape?.[1];
  const fixedTokens = typeof declared === 'number' ? declared : null;
  return {
    vocabulary: places.vocabulary,
    fixedTokens,
    score: (sequences) => runScores(session, places, sequences, fixedTokens),
    release: () => session.release(),
  };
}

/** A session that takes tokens, and what follows from them. @throws as `openDecoder` */
export async function loadDecoder(
  runtime: Runtime,
  model: RuntimeModel,
  { tokens }: Pick<TextPlaces, 'tokens'>,
): Promise<RuntimeSession> {
  const session = await runtime.load(model);
  const unknown = session.inputs.find(({ name }) => name !== tokens && !(name in FILLERS));
  if (unknown === undefined) return session;
  await session.release();
  throw new RuntimeError('RUNTIME_INPUTS_UNKNOWN', { fields: { input: unknown.name } });
}

/** What the usual further inputs hold at position `at`. */
const FILLERS: Readonly<Record<string, (at: number) => number>> = { attention_mask: () => 1, position_ids: (at) => at };

async function runScores(
  session: RuntimeSession,
  places: TextPlaces,
  sequences: readonly Int32Array[],
  fixedTokens: number | null,
): Promise<Float64Array[][]> {
  const output = (await session.run(toTokenFeeds(session, places, sequences, fixedTokens))).get(places.logits);
  if (output === undefined) throw new RuntimeError('RUNTIME_RUN_FAILED', { fields: { output: places.logits } });
  return splitScores(output, sequences.length, sequences[0].length);
}

/** Sequences of one length as inputs; zeros behind them where the graph takes more. */
export function toTokenFeeds(
  session: RuntimeSession,
  places: Pick<TextPlaces, 'tokens'>,
  sequences: readonly Int32Array[],
  fixedTokens: number | null,
): ReadonlyMap<string, RuntimeTensor> {
  const tokens = fixedTokens ?? sequences[0].length;
  const feeds = session.inputs.map((input): [string, RuntimeTensor] => {
    const filler = FILLERS[input.name] as ((at: number) => number) | undefined;
    const at = (row: number, column: number): number =>
      input.name === places.tokens || filler === undefined ? (sequences[row][column] ?? 0) : filler(column);
    return [input.name, toIntegers(input, sequences.length, tokens, at)];
  });
  return new Map(feeds);
}

function toIntegers(
  { dtype }: ValueInfo,
  rows: number,
  columns: number,
  at: (row: number, column: number) => number,
): RuntimeTensor {
  const values = Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns));
  const isLong = dtype !== 'i32';
  const data = isLong ? BigInt64Array.from(values, BigInt) : Int32Array.from(values);
  return { dtype: isLong ? 'i64' : 'i32', shape: [rows, columns], data: new Uint8Array(data.buffer) };
}

/** [sequences][tokens or 1] rows of the last axis of a value. @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED */
export function splitScores({ dtype, shape, data }: RuntimeTensor, sequences: number, given: number): Float64Array[][] {
  if (!isFloatDType(dtype)) throw new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { dtype } });
  const values = new Float64Array((data.length * 8) / DTYPES[dtype].bits);
  decodeFloats(dtype, data, values);
  const vocabulary = shape.at(-1) ?? 1;
  const rows = values.length / vocabulary / sequences;
  // A graph of fixed length is fed zeros behind the text; what it says after them is not wanted.
  const wanted = Math.min(rows, given);
  return Array.from({ length: sequences }, (_, sequence) =>
    Array.from({ length: wanted }, (_row, row) => {
      const from = (sequence * rows + row) * vocabulary;
      return values.subarray(from, from + vocabulary);
    }),
  );
}

/** softmax(scores). */
export function toProbabilities(scores: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(scores);
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = values.map((score) => Math.exp(score - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Texts that a decoder writes by itself, each token drawn from its probabilities.
 * @param uniform numbers in [0, 1)
 * @returns `count` sequences of `tokens` tokens, the first of each drawn evenly
 */
export async function writeTexts(
  decoder: Decoder,
  { count, tokens, uniform }: { readonly count: number; readonly tokens: number; readonly uniform: () => number },
): Promise<Int32Array[]> {
  const texts = Array.from({ length: count }, () => Int32Array.of(Math.floor(uniform() * decoder.vocabulary)));
  for (let length = 1; length < tokens; length++) {
    const rows = await decoder.score(texts);
    texts.forEach((text, i) => {
      const next = draw(toProbabilities(rows[i].at(-1) ?? []), uniform());
      texts[i] = Int32Array.of(...text, next);
    });
  }
  return texts;
}

function draw(probabilities: Float64Array, uniform: number): number {
  let left = uniform;
  for (let token = 0; token < probabilities.length; token++) {
    left -= probabilities[token];
    if (left < 0) return token;
  }
  return probabilities.length - 1;
}
