import { describe, expect, test } from 'vitest';
import { toDecoderFiles, toDecoderGraph } from '../../../test/fakes/decoder-models.ts';
import { markAsAlice } from '../../../test/fakes/marked-model.ts';
import { toLlamaGguf } from '../../../test/formats/llama.ts';
import { toTopology } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import { detectMark } from '../../watermark/index.ts';
import { applyTensorEdits } from '../model.ts';
import type { Weights } from '../spec.ts';
import { generateText } from './language.ts';
import { buildDecoder, exportDecoder, restoreDecoder } from './network.ts';
import { permuteDecoder } from './permute.ts';
import { DECODER_SPEC } from './spec.ts';

const original = exportDecoder(buildDecoder(DECODER_SPEC, 'permute'));
const move = (weights: Weights): Weights => permuteDecoder(DECODER_SPEC, weights, { seed: 'p', logScaleMax: 1 });

describe('a decoder whose neurons and heads change places', () => {
  test('writes the same text', () => {
    const ids = generateText({ stream: 'permute', count: 64 });
    const before = restoreDecoder(DECODER_SPEC, original).forward(ids, 32);
    const moved = move(original);
    const after = restoreDecoder(DECODER_SPEC, moved).forward(ids, 32);
    expect(Math.max(...before.map((value, at) => Math.abs(value - after[at])))).toBeLessThan(1e-4);
    for (const [name, values] of original) if (!name.includes('norm')) expect(moved.get(name)).not.toEqual(values);
  });

  test('graph and checkpoint have the same spaces', () => {
    const describeSpaces = (model: Model): string[] =>
      toTopology(model)
        .spaces.map(({ channels, isPermutable }) => `${channels} ${isPermutable}`)
        .sort();
    expect(describeSpaces(toDecoderGraph(original))).toEqual(describeSpaces(toDecoderFiles(original)));
    expect(describeSpaces(toDecoderGraph(original))).toEqual(['192 true', '192 true', '2 true', '2 true', '64 true']);
  });

  test.each([
    ['a checkpoint, from its checkpoint', toDecoderFiles, toDecoderFiles],
    ['a graph, from its graph', toDecoderGraph, toDecoderGraph],
    ['a checkpoint, from the graph', toDecoderGraph, toDecoderFiles],
    ['a graph, from the checkpoint', toDecoderFiles, toDecoderGraph],
    ['Q8_0 in GGUF, from the checkpoint', toDecoderFiles, (weights: Weights) => toLlama(weights, 'q8_0')],
    ['Q4_0 in GGUF, from the checkpoint', toDecoderFiles, (weights: Weights) => toLlama(weights, 'q4_0')],
  ] as const)('%s: no bit error after alignment, far too many before', (_, own, suspect) => {
    const model = own(original);
    const { mark, claim, ownSeed } = markAsAlice({
      original: model,
      seed: new Uint8Array(32).fill(8),
      reopen: () => model,
    });
    const marked = applyTensorEdits(original, mark.edits);
    const read = (weights: Weights) =>
      detectMark({ suspect: suspect(weights), claim, ownSeed, original: model, readings: 'all' });
    const result = read(move(marked));
    expect(result.verdict).toBe('claim');
    const hard = result.schemes.filter(({ name }) => name.endsWith('/hard'));
    expect(hard.filter(({ aligned }) => aligned).map(({ bitErrors }) => bitErrors)).toEqual([0]);
    expect(Math.min(...hard.filter(({ aligned }) => !aligned).map(({ bitErrors }) => bitErrors))).toBeGreaterThan(60);
    expect(read(move(original)).verdict).toBe('none');
  });
});

function toLlama(weights: Weights, dtype: 'q8_0' | 'q4_0'): Model {
  return toLlamaGguf(toDecoderFiles(weights), { dtype, counts: DECODER_SPEC });
}
