/** Orders of a decoder with rotary positions and grouped heads: as a graph, as a checkpoint, as a GGUF file. */
import { describe, expect, test } from 'vitest';
import { toDecoderFiles, toDecoderGraph } from '../../../test/fakes/decoder-models.ts';
import { toLlamaGguf } from '../../../test/formats/llama.ts';
import { alignSuspect, toTopology } from '../../align/index.ts';
import {
  applyTensorEdits,
  buildDecoder,
  DECODER_SPEC,
  exportDecoder,
  generateText,
  restoreDecoder,
  type Weights,
} from '../../lab/index.ts';
import type { Model } from '../../model/types.ts';
import { createOrderEdits } from './move-edit.ts';
import { toPlaces, toRecipientOrderKey } from './places.ts';
import { planOrder } from './plan-order.ts';
import { readOrder, toSuspectOrder } from './read-order.ts';

const KEY = new Uint8Array(32).fill(4);
const toLlama = (weights: Weights): Model =>
  toLlamaGguf(toDecoderFiles(weights), { dtype: 'q8_0', counts: DECODER_SPEC });

const original = exportDecoder(buildDecoder(DECODER_SPEC, 'order'));

describe.each([
  // In the graph the token table is read as logits, too: two operators, so the residual stream stays.
  ['graph', toDecoderGraph, [2, 2, 192, 192], ['model.embed_tokens.weight: more than one operator reads it']],
  ['checkpoint', toDecoderFiles, [2, 2, 64, 192, 192], []],
] as const)('a decoder as a %s', (_, toModel, widths, held) => {
  const model = toModel(original);
  const topology = toTopology(model);
  const plan = planOrder(model, topology);
  const key = toRecipientOrderKey(KEY, 3);
  const places = new Map(plan.coded.map((space) => [space.space, toPlaces(key, space)]));
  const copy = applyTensorEdits(original, createOrderEdits(plan.parts, places));

  test('writes the same text with its channels in another order', () => {
    expect(plan.held.map(({ reason }) => reason)).toEqual(held);
    expect(plan.coded.map(({ channels }) => channels).sort((a, b) => a - b)).toEqual(widths);
    const ids = generateText({ stream: 'order', count: 64 });
    const before = restoreDecoder(DECODER_SPEC, original).forward(ids, 32);
    const after = restoreDecoder(DECODER_SPEC, copy).forward(ids, 32);
    const largest = Math.max(...before.map(Math.abs));
    expect(Math.max(...before.map((value, at) => Math.abs(value - after[at]))) / largest).toBeLessThan(1e-5);
  });

  test.each([
    ['the same format', toModel],
    ['GGUF of 8 bits', toLlama],
  ] as const)('is read in %s: its recipient is named out of a thousand', (_format, toSuspect) => {
    const { channelMaps } = alignSuspect({ topology, original: model, suspect: toSuspect(copy) });
    const all = Array.from({ length: 1000 }, (_unused, i) => i + 1);
    const found = readOrder(toSuspectOrder(plan.coded, channelMaps), KEY, all)!;
    expect(found).toMatchObject({ number: 3, agreements: widths.reduce((sum, width) => sum + width, 0) });
    expect(found.evidenceBits).toBeGreaterThan(128);
  });
});

test('blocks of a GGUF file hold the neurons that they pack together', () => {
  const model = toLlama(original);
  const plan = planOrder(model, toTopology(model));
  expect(plan.held.length).toBeGreaterThan(0);
  expect(plan.held.every(({ reason }) => reason.includes('packs neighbours of a moving axis'))).toBe(true);
});
