import { describe, expect, test } from 'vitest';
import { markAsAlice } from '../../../test/fakes/marked-model.ts';
import { alignSuspect, toTopology } from '../../align/index.ts';
import { detectMark } from '../../watermark/index.ts';
import { applyTensorEdits, openNetwork } from '../model.ts';
import { createModelSpec } from '../models.ts';
import { buildNetwork, exportWeights } from '../network.ts';
import type { Weights } from '../spec.ts';
import { changeAttention, permute } from './index.ts';

const spec = createModelSpec('transformer');
const original = exportWeights(buildNetwork(spec, 'attention'));
const model = openNetwork(spec, original);
const { mark, claim, ownSeed } = markAsAlice({
  original: model,
  seed: new Uint8Array(32).fill(8),
  reopen: () => model,
});
const marked = applyTensorEdits(original, mark.edits);
const attack = (weights: Weights): Weights =>
  permute(spec, changeAttention(spec, weights, 'a'), { seed: 'p', logScaleMax: 1 });
const read = (weights: Weights) =>
  detectMark({ suspect: openNetwork(spec, weights), claim, ownSeed, original: model, readings: 'all' });

/** Cosine of each aligned matrix inside attention with the original's. */
function listCosines(weights: Weights): number[] {
  const { layers } = alignSuspect({
    topology: toTopology(model),
    original: model,
    suspect: openNetwork(spec, weights),
  });
  return [...original].flatMap(([name, values]) => {
    if (!/(query|key|value|out)\.weight$/.test(name)) return [];
    const aligned = new Float64Array(values.length);
    layers.get(name)!.read(0, aligned);
    const sum = (of: (at: number) => number): number => values.reduce((total, _, at) => total + of(at), 0);
    return (
      sum((at) => values[at] * aligned[at]) / Math.sqrt(sum((at) => values[at] ** 2) * sum((at) => aligned[at] ** 2))
    );
  });
}

describe('attention without rotary positions, mixed inside its heads, moved and rescaled', () => {
  test('looks like the original again, and no bit of the mark is wrong', () => {
    expect(Math.min(...listCosines(attack(marked)))).toBeGreaterThan(0.95);
    const result = read(attack(marked));
    expect(result.schemes.find(({ name, aligned }) => aligned && name.endsWith('/hard'))!.bitErrors).toBe(0);
    expect(result.verdict).toBe('claim');
  });

  test('an independent network is not fitted to the original, at the price of as many readings', () => {
    const stranger = exportWeights(buildNetwork(spec, 'stranger'));
    expect(Math.max(...listCosines(attack(stranger)))).toBeLessThan(0.5);
    const result = read(attack(stranger));
    expect(result.verdict).toBe('none');
    expect(result.evidenceBits).toBeLessThan(20);
    expect(result.trials).toBe(read(marked).trials);
  });
});
