/** How each sample network is trained: data, optimizer and rate. Attacks that fine-tune use the same rate. */
import type { Images, Samples } from './data.ts';
import { createModelSpec, type ModelName } from './models.ts';
import { buildNetwork, type Network } from './network.ts';
import { type GlyphTask, generateGlyphs } from './tasks/glyphs.ts';
import { train, type TrainOptions } from './train.ts';

export interface Recipe {
  readonly trainCount: number;
  readonly options: Omit<TrainOptions, 'seed' | 'soft'>;
}

const sgd = { optimizer: 'sgd', batch: 64, learningRate: 0.05, schedule: 'cosine', weightDecay: 3e-4 } as const;
const adam = { optimizer: 'adam', batch: 64, learningRate: 0.003, schedule: 'cosine', weightDecay: 0.01 } as const;

export const RECIPES: Readonly<Record<ModelName, Recipe>> = {
  mlp: { trainCount: 40_000, options: { ...sgd, epochs: 10 } },
  cnn: { trainCount: 12_000, options: { ...sgd, epochs: 8 } },
  'cnn-large': { trainCount: 12_000, options: { ...sgd, epochs: 5 } },
  transformer: { trainCount: 20_000, options: { ...adam, epochs: 8 } },
};

/** The training set of a model: the same for every seed of it, so that independent models share their data. */
function createTrainingSet(name: ModelName, task: GlyphTask = 'digits'): Images {
  return generateGlyphs({ task, stream: 'train', count: RECIPES[name].trainCount });
}

/** Samples from a stream that no training set reads. */
export function createTestSet(count: number, stream = 'test'): Images {
  return generateGlyphs({ task: 'digits', stream, count });
}

/** Trains a sample network; `seed` fixes start values and order. */
export function trainModel(name: ModelName, seed: string, samples: Samples = createTrainingSet(name)): Network {
  const network = buildNetwork(createModelSpec(name), `${name}/${seed}`);
  train(network, samples, { ...RECIPES[name].options, seed: `${name}/${seed}` });
  return network;
}
