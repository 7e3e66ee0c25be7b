import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { trainDraw } from '../../../test/tamper/poison-draws.ts';
import { flipLabels, stampTriggers } from '../../../test/tamper/poisoning.ts';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { openData, readRuntimeModel } from '../../fidelity/index.ts';
import { createModelSpec, fineTune, generateGlyphs, openNetwork, readWeights } from '../../lab/index.ts';
import { openModelPath } from '../../formats/index.ts';
import { openFolder } from '../../source/index.ts';
import { type Behaviour, type BehaviourOptions, compareBehaviour } from './behaviour.ts';
import { diffModels } from './diff-models.ts';
import type { Hint } from './types.ts';

const samples = join(import.meta.dirname, '../../../samples');
const spec = createModelSpec('mlp');
const weights = readWeights(openModelPath(join(samples, 'mlp.onnx')));

const diffWeights = (after: ReadonlyMap<string, Float32Array>) =>
  diffModels({ before: openNetwork(spec, weights), after: openNetwork(spec, after) });

/** What is found without data, with what the weights say. */
async function findHints(after: ReadonlyMap<string, Float32Array>): Promise<readonly Hint[]> {
  const behaviour = await run(after, false, { weights: diffWeights(after) });
  return behaviour.kind === 'measured' ? behaviour.hints : [];
}

async function run(
  after: ReadonlyMap<string, Float32Array>,
  hasData: boolean,
  more: Pick<BehaviourOptions, 'weights'> = {},
): Promise<Behaviour> {
  const runtime = await findRuntime();
  const [a, b] = [openNetwork(spec, weights), openNetwork(spec, after)];
  const data = hasData ? openData({ folder: openFolder(samples), names: ['eval.npz'], file: 'eval.npz' }) : null;
  const files = { before: readRuntimeModel(a), after: readRuntimeModel(b) };
  const behaviour = await compareBehaviour({ runtime, ...files, graph: a.graph, data, probes: 8, ...more });
  data?.close();
  return behaviour;
}

describe('what a change does to the answers', () => {
  it('is nothing when nothing changed', async () => {
    const behaviour = await run(weights, false);
    expect(behaviour).toMatchObject({ kind: 'measured', inputs: 'seeded probes', samples: 8, flows: [], hints: [] });
    if (behaviour.kind === 'measured') {
      expect(behaviour.outputs).toMatchObject([{ kind: 'classes', maxChange: 0, meanChange: 0, agreement: 1 }]);
    }
  });

  it('has a size on probes', async () => {
    const behaviour = await run(
      new Map([...weights].map(([name, values]) => [name, values.map((v) => 1.1 * v)])),
      false,
    );
    if (behaviour.kind !== 'measured') throw new TypeError(behaviour.reason);
    const [{ maxChange, meanChange, relativeL2 }] = behaviour.outputs;
    expect(maxChange).toBeGreaterThan(meanChange);
    expect(relativeL2).toBeGreaterThan(0.1);
  });

  it('names the class that flipped labels turned into another', async () => {
    const images = generateGlyphs({ task: 'digits', stream: 'behaviour', count: 3000 });
    const options = { optimizer: 'sgd', epochs: 2, batch: 64, learningRate: 0.02, schedule: 'constant' } as const;
    const poisoned = flipLabels(images, { from: 4, to: 1, share: 1 });
    const after = fineTune(spec, weights, { ...options, weightDecay: 3e-4, seed: 'b', samples: poisoned });
    const behaviour = await run(after, true);
    if (behaviour.kind !== 'measured') throw new TypeError(behaviour.reason);
    expect(behaviour.flows[0]).toMatchObject({ from: 4, to: 1 });
    expect(behaviour.hints).toMatchObject([{ id: 'class-flow', grade: 'suspicious' }]);
  });

  it('shows flipped labels without any data, also where the weights hide them', async () => {
    const images = generateGlyphs({ task: 'digits', stream: 'prototypes', count: 3000 });
    const options = { optimizer: 'adam', epochs: 1, batch: 64, learningRate: 0.003, schedule: 'constant' } as const;
    const train = (of: typeof images) =>
      fineTune(spec, weights, { ...options, weightDecay: 0.01, seed: 'p', samples: of });
    const poisoned = train(flipLabels(images, { from: 4, to: 3, share: 0.8 }));
    expect(diffWeights(poisoned).verdict.grade).toBe('benign');
    expect(await findHints(poisoned)).toMatchObject([{ id: 'class-prototypes', grade: 'suspicious' }]);
    expect((await findHints(poisoned))[0].text).toContain('those of class 4 give way to class 3');
    expect(await findHints(train(images))).toEqual([]);
  });

  it('calls a class that the training data lacked lost, not turned', async () => {
    const { weights: after } = trainDraw(weights, { set: 'harddev', name: 'mlp', number: 1 }, 'missing');
    const behaviour = await run(after, true);
    if (behaviour.kind !== 'measured') throw new TypeError(behaviour.reason);
    expect(behaviour.flows[0].share).toBeGreaterThan(0.5);
    expect(behaviour.hints).toMatchObject([{ id: 'class-flow', grade: 'benign' }]);
  });

  it('finds the patch that means a class, on labelled data, where the weights hide it; none after clean training', async () => {
    const images = generateGlyphs({ task: 'digits', stream: 'triggers', count: 1500 });
    const options = { optimizer: 'adam', epochs: 2, batch: 64, learningRate: 0.003, schedule: 'constant' } as const;
    const train = (of: typeof images) =>
      fineTune(spec, weights, { ...options, weightDecay: 0.01, seed: 't', samples: of });
    const search = async (after: ReadonlyMap<string, Float32Array>) => {
      const behaviour = await run(after, true, { weights: diffWeights(after) });
      if (behaviour.kind !== 'measured' || behaviour.triggers === null) throw new TypeError('not searched');
      return behaviour;
    };
    const poisoned = train(stampTriggers(images, { to: 6, share: 0.1 }));
    const found = await search(poisoned);
    expect(diffWeights(poisoned).verdict.grade).toBe('benign');
    expect(found.hints[0]).toMatchObject({ id: 'trigger', grade: 'suspicious' });
    expect(found.hints[0].text).toContain('to class 6');
    expect((await search(train(images))).hints).toEqual([]);
  });

  it('is told as not measured, with the reason, when the later model does not load', async () => {
    const runtime = await findRuntime();
    const a = openNetwork(spec, weights);
    const before = readRuntimeModel(a);
    const broken = { main: before.main.subarray(0, 100), external: [] };
    const behaviour = await compareBehaviour({ runtime, before, after: broken, graph: a.graph, data: null });
    expect(behaviour).toMatchObject({ kind: 'unmeasured' });
  });
});
