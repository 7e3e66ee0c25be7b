/** A decoder that knows pairs of tokens and nothing else: exact to reason about, and quick to write texts with. */
import { findRuntime } from '../src/adapters/runtime/index.ts';
import { readRuntimeModel } from '../src/fidelity/index.ts';
import type { Model } from '../src/model/types.ts';
import type { GraphEdit } from '../src/surgery/index.ts';
import { createGreenList, findTextPlaces, type GreenList } from '../src/watermark/text/index.ts';
import { type Decoder, openDecoder, writeTexts } from '../src/workflows/text/decoder.ts';
import { openBytes, runPlan } from './formats/models.ts';
import { noise } from './output-marks.ts';
import { build, f32, i64, node } from './surgery/build.ts';

export const VOCABULARY = 256;

/** Scores of a token after a token: a few likely ones, as in a language. */
export const PAIR_SCORES = Float32Array.from({ length: VOCABULARY ** 2 }, (_, i) => Math.fround(4 * noise(i)));

/**
 * Which rows of scores the graph gives: one after each token, or after the last alone, as rank 3 or rank 2; of as many tokens as
 * one likes, or of 8.
 */
export type Shape = 'all' | 'last' | 'flat' | 'fixed';

export function createBigrams(shape: Shape = 'all', tokensName = 'input_ids'): Model {
  const tokens = shape === 'fixed' ? 8 : 'tokens';
  const rows = { all: ['batch', 'tokens'], fixed: ['batch', 8], last: ['batch', 1], flat: ['batch'] }[shape];
  const isAll = shape === 'all' || shape === 'fixed';
  const cut = shape === 'flat' ? { dtype: 'i64' as const, shape: [], values: [-1] } : i64(-1);
  return build({
    inputs: [{ name: tokensName, dtype: 'i64', shape: ['batch', tokens] }],
    initializers: { scores: f32([VOCABULARY, VOCABULARY], ...PAIR_SCORES), ...(isAll ? {} : { cut }) },
    nodes: [
      ...(isAll ? [] : [node('Gather', [tokensName, 'cut'], ['end'], { axis: { int: '1' } })]),
      node('Gather', ['scores', isAll ? tokensName : 'end'], ['logits'], { axis: { int: '0' } }),
    ],
    outputs: [{ name: 'logits', dtype: 'f32', shape: [...rows, VOCABULARY] }],
  });
}

/** @param number names the key */
export function createGreen(number: number, change: object = {}): GreenList {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, number);
  const params = { scheme: 'green-list/1', tokens: 'input_ids', logits: 'logits', vocabulary: VOCABULARY } as const;
  const strength = { buckets: 256, share: 0.25, bias: 2, wordsDigest: null } as const;
  return createGreenList(key, { ...params, ...strength, ...change });
}

export const reopen = (edit: GraphEdit): Model => openBytes(runPlan(edit.toRewrite()), 'm.onnx');

export async function withDecoder<T>(model: Model, work: (decoder: Decoder) => Promise<T>): Promise<T> {
  const decoder = await openDecoder(await findRuntime(), readRuntimeModel(model), findTextPlaces(model));
  try {
    return await work(decoder);
  } finally {
    await decoder.release();
  }
}

/** Texts that the model writes; equal seeds draw equal numbers. */
export function writeWith(model: Model, count: number, seed = 1): Promise<Int32Array[]> {
  let at = 1_000 * seed;
  return withDecoder(model, (decoder) => writeTexts(decoder, { count, tokens: 64, uniform: () => noise(at++) }));
}
