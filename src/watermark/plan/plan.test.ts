import { describe, expect, test, vi } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import {
  buildNetwork,
  createModelSpec,
  createTestSet,
  exportWeights,
  measureAccuracy,
  type Network,
  openNetwork,
  permute,
  train,
  type TrainOptions,
} from '../../lab/index.ts';
import { createClaim } from '../claim.ts';
import { detectMark } from '../detect.ts';
import { toOriginalDigest } from '../digest.ts';
import * as seeds from '../seeds.ts';
import { planMark } from './plan.ts';
import { toRecipe } from './recipe.ts';
import { addMarkGradient } from './train.ts';

const spec = createModelSpec('mlp');
const start = exportWeights(buildNetwork(spec, 'plan/start'));
const startModel = openNetwork(spec, start);
const secret = new Uint8Array(32).fill(4);
const ownSeed = seeds.deriveSeeds(secret).own;
const originalDigest = toOriginalDigest(startModel);
const plan = planMark({ model: startModel, ownSeed, ownerId: 'acme', originalDigest });
const claim = createClaim({
  ...{ seed: secret, seedBox: { sealSeed: () => 'box', openSeed: () => secret }, ownerKey: 'key', ownerId: 'acme' },
  ...{ originalDigest, markedDigest: originalDigest, mark: plan.mark },
});

function withMark(network: Network, strength: number): Network {
  return {
    ...network,
    backward: (gradient) => {
      network.backward(gradient);
      addMarkGradient(plan, network.parameters, strength);
    },
  };
}

describe('a plan', () => {
  test('every weight of the marked layers serves one bit, the bits evenly, with both signs', () => {
    expect(plan.layers.map(({ name }) => name)).toEqual(['fc1.weight', 'fc2.weight']);
    const total = plan.layers.reduce((sum, { block }) => sum + block.length, 0);
    expect(total).toBe(144 * 256 + 256 * 192);
    expect(plan.counts.reduce((a, b) => a + b)).toBe(total);
    expect(Math.max(...plan.counts) - Math.min(...plan.counts)).toBeLessThan(2);
    const plus = plan.layers.flatMap(({ chip }) => [...chip]).filter((sign) => sign === 1).length;
    expect(Math.abs(plus / total - 0.5)).toBeLessThan(0.01);
  });

  test('another start, another plan: the salt is the digest of the start', () => {
    const other = planMark({ model: startModel, ownSeed, ownerId: 'acme', originalDigest: new Uint8Array(32) });
    expect([...other.layers[0].block]).not.toEqual([...plan.layers[0].block]);
  });

  test('a model without enough weights is refused', () => {
    const code = codeOf(() => planMark({ model: startModel, ownSeed, ownerId: 'acme', originalDigest, bits: 1024 }));
    expect(code).toBe('no error');
    const small = {
      ...startModel,
      tensors: startModel.tensors.filter(({ name }) => name === 'fc3.weight'),
      graph: null,
    };
    expect(codeOf(() => planMark({ model: small, ownSeed, ownerId: 'acme', originalDigest }))).toBe(
      'WATERMARK_TOO_SMALL',
    );
  });

  test('the gradient agrees with differences of the term', () => {
    const values = plan.layers.map(({ block }) => Float32Array.from({ length: block.length }, (_, j) => Math.sin(j)));
    const arrays = (): { name: string; values: Float32Array; gradient: Float32Array }[] =>
      plan.layers.map(({ name }, i) => ({ name, values: values[i], gradient: new Float32Array(values[i].length) }));
    const first = arrays();
    const before = addMarkGradient(plan, first, 2);
    expect(before).toBeGreaterThan(0);
    // Along one block, mean and deviation stay nearly as they were; other directions feel them, and are left out on purpose.
    const step = 0.001;
    let slope = 0;
    for (const [i, { block, chip }] of plan.layers.entries()) {
      for (let j = 0; j < block.length; j++) {
        if (block[j] !== 5) continue;
        slope += chip[j] * first[i].gradient[j];
        values[i][j] += step * chip[j];
      }
    }
    const change = (addMarkGradient(plan, arrays(), 2) - before) / step;
    expect(Math.abs(change / slope - 1)).toBeLessThan(0.1);
  });

  test('a trainer without the weight is told so', () => {
    expect(() => addMarkGradient(plan, [], 1)).toThrow(TypeError);
  });
});

describe('trained in', () => {
  const samples = createTestSet(3000, 'plan/train');
  const options: TrainOptions = {
    ...{ optimizer: 'sgd', epochs: 4, batch: 32, learningRate: 0.05, schedule: 'cosine', weightDecay: 3e-4 },
    seed: 'plan',
  };
  const marked = buildNetwork(spec, 'plan/start');
  train(withMark(marked, 3), samples, options);
  const plain = buildNetwork(spec, 'plan/start');
  train(plain, samples, options);
  const detect = (network: Network, weights = exportWeights(network), original = startModel) =>
    detectMark({ suspect: openNetwork(spec, weights), claim, ownSeed, original, readings: 'all' });

  test('the detector claims it without a bit error, as the file lies', () => {
    const { verdict, schemes } = detect(marked);
    expect(verdict).toBe('claim');
    expect(schemes[0].bitErrors).toBe(0);
  });

  test('the twin from the same start and data, without the term, has no mark', () => {
    expect(detect(plain).evidenceBits).toBeLessThan(20);
  });

  test('a permuted and rescaled copy is read after alignment to the start, which is unmarked', () => {
    const moved = permute(spec, exportWeights(marked), { seed: 'plan/permute', logScaleMax: 1 });
    const result = detect(marked, moved);
    expect(result.verdict).toBe('claim');
    const aligned = result.schemes.filter(({ aligned }) => aligned).map(({ bitErrors }) => bitErrors);
    expect(Math.min(...aligned)).toBeLessThan(8);
  });

  test('accuracy stays that of the twin', () => {
    const test = createTestSet(2000);
    expect(Math.abs(measureAccuracy(marked, test) - measureAccuracy(plain, test))).toBeLessThan(0.02);
  });
});

test('the recipe finds the plan beside itself and names the margin, in eighteen lines', () => {
  const recipe = toRecipe({ planFile: 'a "b".safetensors', tau: 0.1 });
  expect(recipe).toContain('load_file(pathlib.Path(__file__).with_name("a \\"b\\".safetensors"))');
  expect(recipe).toContain('tau=0.1');
  for (const planFile of ['p', null])
    expect(toRecipe({ planFile, tau: 1 }).trimEnd().split('\n').length).toBeLessThan(19);
});

test('the keys of the mark are wiped, also where a model is too small for one', () => {
  const derived = vi.spyOn(seeds, 'deriveMarkKeys');
  const given = { ownSeed, ownerId: 'acme', originalDigest };
  planMark({ ...given, model: startModel });
  const tensors = startModel.tensors.filter(({ name }) => name === 'fc3.weight');
  const small = { ...startModel, tensors, graph: null };
  expect(codeOf(() => planMark({ ...given, model: small }))).toBe('WATERMARK_TOO_SMALL');
  const keys = derived.mock.results.flatMap(({ value }) => {
    const { positions, bits } = value as seeds.MarkKeys;
    return [positions, bits];
  });
  derived.mockRestore();
  expect(keys).toHaveLength(4);
  for (const key of keys) expect(key).toEqual(new Uint8Array(32));
});
