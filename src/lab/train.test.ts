import { describe, expect, test } from 'vitest';
import { createModelSpec } from './models.ts';
import { buildNetwork, exportWeights, loadWeights, restoreNetwork } from './network.ts';
import { generateGlyphs } from './tasks/glyphs.ts';
import { measureAccuracy, train, type TrainOptions } from './train.ts';

const samples = generateGlyphs({ task: 'digits', stream: 'train', count: 3000 });
const fresh = generateGlyphs({ task: 'digits', stream: 'train test', count: 1000 });
const sgd: TrainOptions = {
  ...{ optimizer: 'sgd', epochs: 6, batch: 32, learningRate: 0.05, schedule: 'cosine', weightDecay: 1e-4, seed: '1' },
};

describe('train', () => {
  test.each([
    ['SGD', sgd],
    ['Adam', { ...sgd, optimizer: 'adam', learningRate: 0.002 }],
  ] as const)('%s learns the task from 3,000 images far beyond chance', (_name, options) => {
    const network = buildNetwork(createModelSpec('mlp'), '1');
    const losses = train(network, samples, options);
    expect(losses.at(-1)).toBeLessThan(losses[0] / 2);
    expect(measureAccuracy(network, fresh)).toBeGreaterThan(0.7);
  });

  test('equal seeds give equal weights to the bit, other seeds do not', () => {
    const few = { ...samples, count: 320 };
    const run = (seed: string) => {
      const network = buildNetwork(createModelSpec('cnn'), seed);
      train(network, few, { ...sgd, epochs: 1, seed });
      return exportWeights(network);
    };
    expect(run('1')).toEqual(run('1'));
    expect(run('1').get('fc.weight')).not.toEqual(run('2').get('fc.weight'));
  });

  test('weight decay shrinks weights and leaves biases alone', () => {
    const network = buildNetwork(createModelSpec('mlp'), '1');
    const before = exportWeights(network).get('fc2.weight')!;
    train(network, { ...samples, count: 320 }, { ...sgd, epochs: 1, weightDecay: 1, learningRate: 0.01 });
    const norm = (values: Float32Array): number => Math.hypot(...values);
    expect(norm(exportWeights(network).get('fc2.weight')!)).toBeLessThan(0.9 * norm(before));
  });

  test('weights go out and in by name, and a missing tensor is refused', () => {
    const network = buildNetwork(createModelSpec('transformer'), '1');
    const weights = exportWeights(network);
    expect(exportWeights(restoreNetwork(network.spec, weights))).toEqual(weights);
    weights.delete('layer1.ffn.up.weight');
    expect(() => {
      loadWeights(network, weights);
    }).toThrow('layer1.ffn.up.weight');
  });
});
