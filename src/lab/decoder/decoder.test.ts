import { describe, expect, test } from 'vitest';
import { createRng } from '../rng.ts';
import { generateText, toText, toTokens, WORDS } from './language.ts';
import { createRotaryTable, rotate } from './layers/rotary.ts';
import { buildDecoder, type Decoder, exportDecoder, restoreDecoder } from './network.ts';
import { DECODER_SPEC, type DecoderSpec, listDecoderShapes } from './spec.ts';
import { fineTuneDecoder, measureText } from './train.ts';

const SMALL: DecoderSpec = {
  ...{ name: 'small', vocabulary: 7, width: 6, heads: 4, keyHeads: 2, headWidth: 4, inner: 5, blocks: 2, tokensMax: 5 },
};
const rng = createRng('decoder test');
const ids = Uint8Array.of(0, 3, 1, 6, 2, 5, 5, 4, 0, 1);

function score(decoder: Decoder, factors: Float32Array): number {
  return decoder.forward(ids, 5).reduce((sum, value, at) => sum + value * factors[at], 0);
}

describe('decoder', () => {
  test('its gradients agree with differences, along a direction of each parameter', () => {
    const decoder = buildDecoder(SMALL, 'gradient');
    const factors = Float32Array.from({ length: ids.length * SMALL.vocabulary }, () => rng.gaussian());
    decoder.forward(ids, 5);
    decoder.backward(factors);
    const exact = decoder.parameters.map(({ gradient }) => gradient.slice());
    for (const [index, { name, values }] of decoder.parameters.entries()) {
      const direction = values.map(() => rng.gaussian());
      const step = 1e-3;
      const move = (by: number): void => {
        for (let at = 0; at < values.length; at += 1) values[at] += by * direction[at];
      };
      move(step);
      const up = score(decoder, factors);
      move(-2 * step);
      const slope = (up - score(decoder, factors)) / (2 * step);
      move(step);
      const expected = exact[index].reduce((sum, value, at) => sum + value * direction[at], 0);
      const length = Math.hypot(...exact[index]);
      expect(length, name).toBeGreaterThan(0.01);
      expect(Math.abs(slope - expected) / length, name).toBeLessThan(0.02);
    }
  });

  test('no word sees a later one, and a copy with the same weights says the same', () => {
    const decoder = buildDecoder(SMALL, 'causal');
    const logits = decoder.forward(ids, 5).slice();
    const changed = ids.with(4, 3).with(9, 3);
    const other = restoreDecoder(SMALL, exportDecoder(decoder)).forward(changed, 5);
    const width = SMALL.vocabulary;
    for (const item of [0, 1]) {
      const start = item * 5 * width;
      expect(other.subarray(start, start + 4 * width)).toEqual(logits.subarray(start, start + 4 * width));
      expect(other.subarray(start + 4 * width, start + 5 * width)).not.toEqual(
        logits.subarray(start + 4 * width, start + 5 * width),
      );
    }
  });

  test('scores of rotated heads depend on the distance of two words alone, and turning back undoes it', () => {
    const table = createRotaryTable(9, 4);
    const row = (): number[] => Array.from({ length: 4 }, () => rng.gaussian());
    const [query, key] = [row(), row()];
    const turn = (values: number[]): Float32Array => {
      const all = Float32Array.from({ length: 36 }, (_, at) => values[at % 4]);
      rotate(all, table, { tokens: 9, heads: 1 }, 1);
      return all;
    };
    const [q, k] = [turn(query), turn(key)];
    const dot = (i: number, j: number): number =>
      [0, 1, 2, 3].reduce((sum, at) => sum + q[4 * i + at] * k[4 * j + at], 0);
    expect(dot(7, 4)).toBeCloseTo(dot(3, 0), 5);
    expect(Math.abs(dot(7, 4) - dot(7, 5))).toBeGreaterThan(1e-3);
    rotate(q, table, { tokens: 9, heads: 1 }, -1);
    for (const [at, value] of q.entries()) expect(value).toBeCloseTo(query[at % 4], 5);
  });

  test('weights of another size are refused by name', () => {
    const weights = exportDecoder(buildDecoder(SMALL, 'x'));
    expect([...weights.keys()]).toEqual([...listDecoderShapes(SMALL).keys()]);
    weights.set('model.norm.weight', new Float32Array(5));
    expect(() => restoreDecoder(SMALL, weights)).toThrow('weights need 6 values for model.norm.weight');
    expect(() => buildDecoder(SMALL, 'x').forward(Uint8Array.of(7), 1)).toThrow(TypeError);
  });

  test('a few steps on text lower its perplexity, to the same bits each time', () => {
    const text = generateText({ stream: 'test', count: 2049 });
    const start = exportDecoder(buildDecoder(DECODER_SPEC, 'few'));
    const options = { steps: 6, batch: 4, learningRate: 0.01, weightDecay: 0.01, schedule: 'constant' } as const;
    const [tuned, again] = [1, 2].map(() => fineTuneDecoder(start, { ...options, stream: 'train', seed: 'few' }));
    expect(exportDecoder(tuned)).toEqual(exportDecoder(again));
    const before = measureText(restoreDecoder(DECODER_SPEC, start), text);
    const after = measureText(tuned, text);
    expect(before.words).toBe(2048);
    expect(after.perplexity).toBeLessThan(0.7 * before.perplexity);
    expect(after.accuracy).toBeGreaterThan(before.accuracy);
  });
});

describe('language', () => {
  test('words and ids are one to one, and text is read back', () => {
    expect(WORDS).toHaveLength(DECODER_SPEC.vocabulary);
    expect(new Set(WORDS).size).toBe(WORDS.length);
    const ids = generateText({ stream: 'a', count: 500 });
    expect(toTokens(toText(ids))).toEqual(ids);
    expect(generateText({ stream: 'a', count: 500 })).toEqual(ids);
    expect(generateText({ stream: 'b', count: 500 })).not.toEqual(ids);
    expect(() => toTokens('the zeppelin')).toThrow('no word zeppelin');
  });

  test('all words occur, and none is certain: the words alone carry over 5 bits each', () => {
    const ids = generateText({ stream: 'entropy', count: 50_000 });
    const counts = new Float64Array(WORDS.length);
    for (const id of ids) counts[id] += 1;
    expect(Math.min(...counts)).toBeGreaterThan(0);
    const bits = counts.reduce((sum, count) => sum - (count / ids.length) * Math.log2(count / ids.length), 0);
    expect(bits).toBeGreaterThan(5);
  });
});
