import { join } from 'node:path';
import { expect, test } from 'vitest';
import { flipLabels, stampTriggers } from '../../../test/tamper/poisoning.ts';
import { findRuntime } from '../../adapters/runtime/index.ts';
import { openData, readRuntimeModel } from '../../fidelity/index.ts';
import {
  createModelSpec,
  createRng,
  fineTune,
  generateGlyphs,
  openNetwork,
  prune,
  quantize,
  readWeights,
} from '../../lab/index.ts';
import { openModelPath } from '../../formats/index.ts';
import { openFolder } from '../../source/index.ts';
import { compareBehaviour } from './behaviour.ts';
import { diffModels } from './diff-models.ts';

const samples = join(import.meta.dirname, '../../../samples');

test.each([
  ['mlp', 'sgd'],
  ['cnn', 'sgd'],
  ['cnn-large', 'sgd'],
  ['transformer', 'adam'],
] as const)(
  '%s: poisoned training is told from clean training, pruning and quantisation, by the difference to the original',
  async (name, optimizer) => {
    const runtime = await findRuntime();
    const spec = createModelSpec(name);
    const weights = readWeights(openModelPath(join(samples, `${name}.onnx`)));
    const judge = async (after: ReadonlyMap<string, Float32Array>): Promise<string> => {
      const [a, b] = [openNetwork(spec, weights), openNetwork(spec, after)];
      const data = openData({ folder: openFolder(samples), names: ['eval.npz'], file: 'eval.npz' });
      const files = { before: readRuntimeModel(a), after: readRuntimeModel(b) };
      const behaviour = await compareBehaviour({ runtime, ...files, graph: a.graph, data });
      data.close();
      if (behaviour.kind !== 'measured') throw new TypeError(behaviour.reason);
      return behaviour.hints.length > 0 ? 'suspicious' : diffModels({ before: a, after: b }).verdict.grade;
    };
    const said: Record<string, string[]> = { clean: [], poisoned: [] };
    for (let draw = 0; draw < 2; draw++) {
      const rng = createRng(`long/${name}/${draw}`);
      const [from, step] = [rng.below(10), 1 + rng.below(9)];
      const images = generateGlyphs({ task: 'digits', stream: `long/${draw}`, count: [2000, 4000][draw] });
      const learningRate = optimizer === 'adam' ? 0.001 : [0.01, 0.03][draw];
      const options = {
        optimizer,
        epochs: 2,
        batch: 64,
        learningRate,
        schedule: 'constant',
        weightDecay: 3e-4,
      } as const;
      const tune = (of: typeof images) => fineTune(spec, weights, { ...options, seed: `long/${draw}`, samples: of });
      const clean = tune(images);
      // The file holds constants of the graph, too.
      const own = new Map([...weights].filter(([tensor]) => clean.has(tensor)));
      const flipped = tune(flipLabels(images, { from, to: (from + step) % 10, share: 0.9 }));
      const triggered = tune(stampTriggers(images, { to: (from + step) % 10, share: 0.15 }));
      const round = (of: typeof clean) => quantize(spec, of, { bits: 8, granularity: 'channel' });
      const untouched = [clean, prune(spec, clean, 0.5), prune(spec, own, 0.6), round(clean), round(own)];
      for (const one of untouched) said.clean.push(await judge(one));
      for (const one of [flipped, triggered]) {
        for (const after of [one, prune(spec, one, 0.5), round(one)]) said.poisoned.push(await judge(after));
      }
    }
    expect(said).toEqual({ clean: Array(10).fill('benign'), poisoned: Array(12).fill('suspicious') });
  },
  900_000,
);
