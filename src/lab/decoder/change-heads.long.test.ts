import { describe, expect, test } from 'vitest';
import { toDecoderFiles, toDecoderGraph } from '../../../test/fakes/decoder-models.ts';
import { markAsAlice } from '../../../test/fakes/marked-model.ts';
import { memoryModel, memoryTensor } from '../../../test/fakes/memory-model.ts';
import { toLlamaGguf } from '../../../test/formats/llama.ts';
import { alignSuspect, toTopology } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import { detectMark } from '../../watermark/index.ts';
import { applyTensorEdits, readWeights } from '../model.ts';
import type { Weights } from '../spec.ts';
import { changeHeads, type HeadChangeOptions } from './change-heads.ts';
import { generateText } from './language.ts';
import { buildDecoder, exportDecoder, restoreDecoder } from './network.ts';
import { permuteDecoder } from './permute.ts';
import { DECODER_SPEC } from './spec.ts';

const original = exportDecoder(buildDecoder(DECODER_SPEC, 'heads'));
const model = toDecoderFiles(original);
const { mark, claim, ownSeed } = markAsAlice({
  original: model,
  seed: new Uint8Array(32).fill(8),
  reopen: () => model,
});
const marked = applyTensorEdits(original, mark.edits);
const ALL = { seed: 'h', values: 'general', pairs: true, queries: true, norms: true, signs: true } as const;
const move = (weights: Weights): Weights => permuteDecoder(DECODER_SPEC, weights, { seed: 'p', logScaleMax: 1 });
const everything = (weights: Weights): Weights => move(changeHeads(DECODER_SPEC, weights, ALL));
const read = (suspect: ReturnType<typeof toDecoderFiles>) =>
  detectMark({ suspect, claim, ownSeed, original: model, readings: 'all' });
const toErrors = (result: ReturnType<typeof read>): number =>
  result.schemes.find(({ name, aligned }) => aligned && name.endsWith('/hard'))!.bitErrors;

describe('a decoder whose heads are changed inside', () => {
  test.each<[string, Omit<HeadChangeOptions, 'seed'>, RegExp]>([
    ['entries of values: places, signs, scales', { values: 'signed' }, /[vo]_proj/],
    ['entries of values: any matrix', { values: 'general' }, /[vo]_proj/],
    ['turned rotary pairs', { pairs: true }, /[qk]_proj/],
    ['query heads of one key head', { queries: true }, /[qo]_proj/],
    ['signs of channels and hidden units', { signs: true }, /proj|embed/],
    ['all of it', ALL, /[qkvo]_proj/],
  ])('%s: writes the same text, and no bit is wrong', (_, change, touched) => {
    const changed = changeHeads(DECODER_SPEC, marked, { seed: 'h', ...change });
    const ids = generateText({ stream: 'heads', count: 64 });
    const before = restoreDecoder(DECODER_SPEC, marked).forward(ids, 32);
    const after = restoreDecoder(DECODER_SPEC, changed).forward(ids, 32);
    expect(Math.max(...before.map((value, at) => Math.abs(value - after[at])))).toBeLessThan(1e-4);
    for (const [name, values] of marked) if (touched.test(name)) expect(changed.get(name)).not.toEqual(values);
    expect(toErrors(read(toDecoderFiles(changed)))).toBe(0);
    expect(toLeastCosine(toDecoderFiles(changed))).toBeGreaterThan(0.95);
  });

  test.each([
    ['a checkpoint', toDecoderFiles],
    ['a graph', toDecoderGraph],
    ['Q8_0 in GGUF', (weights: Weights) => toLlama(weights, 'q8_0')],
    ['Q4_0 in GGUF', (weights: Weights) => toLlama(weights, 'q4_0')],
  ] as const)('%s in which everything moved: no bit is wrong, and every layer looks like the original', (_, open) => {
    const suspect = open(everything(marked));
    expect(toErrors(read(suspect))).toBe(0);
    expect(toLeastCosine(suspect)).toBeGreaterThan(0.9);
  });

  test('the order of stream, hidden units and key heads is read as it was before', () => {
    const align = (suspect: Weights) =>
      alignSuspect({ topology: toTopology(model), original: model, suspect: toDecoderFiles(suspect) });
    const [before, after] = [move(marked), everything(marked)].map((weights) => align(weights).channelMaps);
    expect(after).toEqual(before);
    expect(align(changeHeads(DECODER_SPEC, marked, ALL)).movedChannels).toBe(0);
  });

  test('an independent decoder is not fitted to the original, at the price of as many readings', () => {
    const stranger = toDecoderFiles(everything(exportDecoder(buildDecoder(DECODER_SPEC, 'stranger'))));
    const result = read(stranger);
    expect(result.verdict).toBe('none');
    expect(result.evidenceBits).toBeLessThan(20);
    expect(result.trials).toBe(read(toDecoderFiles(marked)).trials);
  });
});

describe('other forms of attention', () => {
  const changes = { ...ALL, norms: false, signs: false };

  test('one key head for all: its query heads are found, and keep their places', () => {
    const spec = { ...DECODER_SPEC, keyHeads: 1 };
    const weights = exportDecoder(buildDecoder(spec, 'shared'));
    const open = (held: Weights): Model => openWith(held, { model_type: 'gemma', num_key_value_heads: 1 });
    const own = open(weights);
    const suspect = open(changeHeads(spec, weights, changes));
    expect(toLeastCosine(suspect, own)).toBeGreaterThan(0.99);
    const { channelMaps } = alignSuspect({ topology: toTopology(own), original: own, suspect });
    const heads = channelMaps.filter((map) => map?.length === spec.heads).map((map) => [...map!]);
    expect(heads).toHaveLength(spec.blocks);
    expect(heads.some((order) => order.some((head, at) => head !== at))).toBe(true);
  });

  test('queries, keys and values in one tensor', () => {
    const spec = { ...DECODER_SPEC, keyHeads: DECODER_SPEC.heads };
    const weights = exportDecoder(buildDecoder(spec, 'fused'));
    const open = (held: Weights): Model => openWith(fuse(held), { model_type: 'phi3' });
    expect(toLeastCosine(open(changeHeads(spec, weights, changes)), open(weights))).toBeGreaterThan(0.99);
  });
});

/** Of the aligned matrices with the original's. */
function toLeastCosine(suspect: Model, own: Model = model): number {
  const { layers } = alignSuspect({ topology: toTopology(own), original: own, suspect });
  const cosines = [...readWeights(own)].flatMap(([name, values]) => {
    if (values.length <= DECODER_SPEC.width) return [];
    const aligned = new Float64Array(values.length);
    layers.get(name)!.read(0, aligned);
    return toCosine(values, aligned);
  });
  return Math.min(...cosines);
}

/** A checkpoint in memory with its settings beside it. */
function openWith(weights: Weights, settings: object): Model {
  const tensors = [...weights].map(([name, values]) => {
    const isVector = values.length === DECODER_SPEC.width;
    const columns = name.includes('down_proj') ? DECODER_SPEC.inner : DECODER_SPEC.width;
    return memoryTensor(name, isVector ? [columns] : [values.length / columns, columns], values);
  });
  const text = JSON.stringify({ num_attention_heads: DECODER_SPEC.heads, ...settings });
  return { ...memoryModel(tensors), readSettings: () => text };
}

/** Rows of queries, keys and values one after the other, as Phi 3 has them. */
function fuse(weights: Weights): Weights {
  return new Map(
    [...weights].flatMap(([name, values]): [string, Float32Array][] => {
      const part = /([qkv])_proj/.exec(name)?.[1];
      if (part === undefined) return [[name, values]];
      if (part !== 'q') return [];
      const all = ['q', 'k', 'v'].flatMap((own) => [...weights.get(name.replace('q_proj', `${own}_proj`))!]);
      return [[name.replace('q_proj', 'qkv_proj'), Float32Array.from(all)]];
    }),
  );
}

function toCosine(a: Float32Array, b: Float64Array): number {
  const product = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
    Array.from({ length: x.length }, (_, at) => x[at] * y[at]).reduce((sum, value) => sum + value, 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

function toLlama(weights: Weights, dtype: 'q8_0' | 'q4_0') {
  return toLlamaGguf(toDecoderFiles(weights), { dtype, counts: DECODER_SPEC });
}
