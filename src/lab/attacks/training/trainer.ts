/** Attacks that train: on the network that a graph was read back into, written into the same file again. */
import { LabError } from '../../../core/errors.ts';
import type { Model } from '../../../model/types.ts';
import type { RewritePlan } from '../../../source/rewrite.ts';
import type { Samples } from '../../data.ts';
import type { ImportedNetwork } from '../../import/index.ts';
import {
  buildNetwork,
  exportWeights,
  listTensorShapes,
  loadWeights,
  type Network,
  restoreNetwork,
} from '../../network.ts';
import { toProbabilities } from '../../loss.ts';
import type { LayerSpec, Weights } from '../../spec.ts';
import { classify, inferLogits, train, type TrainOptions } from '../../train.ts';
import { replaceTensors } from '../files/tensors.ts';

export interface TrainerOptions {
  readonly model: Model;
  readonly network: ImportedNetwork;
  /** What the thief trains with. */
  readonly samples: Samples;
  /** Samples of another task with as many classes or fewer; null when none were given. */
  readonly transfer: Samples | null;
  /** Rate of every step; it does not fall. */
  readonly learningRate: number;
  readonly batch: number;
  readonly seed: string;
}

export interface TuneOptions {
  readonly epochs: number;
  /** last: everything else stays as it is. */
  readonly layers: 'all' | 'last';
  /** The last layer begins with random weights. */
  readonly isRestarted?: boolean;
  readonly weightDecay?: number;
  /** Weights to begin with instead of the marked ones. */
  readonly from?: Weights;
}

export interface Trainer {
  /** The marked weights. */
  readonly marked: Weights;
  /** How many rows each matrix has along its first axis, by name. */
  readonly rows: ReadonlyMap<string, number>;
  tune(options: TuneOptions): Weights;
  /** Trains on the other task, with a fresh last layer. @throws LabError LAB_ATTACK_UNFIT without its data */
  transfer(epochs: number): Weights;
  /** A fresh network that learns the softened answers. */
  distill(options: { readonly epochs: number; readonly temperature: number }): Weights;
  /** A fresh network that learns which class is answered. */
  extract(epochs: number): Weights;
  toPlan(weights: Weights): RewritePlan;
}

/** Tokens are trained with Adam, everything else with SGD and momentum, as the battery's own models are. */
export function createTrainer(options: TrainerOptions): Trainer {
  const { network, samples, seed } = options;
  const { spec, weights: marked } = network;
  const last = findLast(spec.layers);
  const base: Omit<TrainOptions, 'epochs'> = {
    ...{ optimizer: hasTokens(spec.layers) ? 'adam' : 'sgd', schedule: 'constant', weightDecay: 0, seed },
    ...{ learningRate: options.learningRate, batch: Math.min(options.batch, samples.count) },
  };
  const run = (net: Network, data: Samples, more: Partial<TrainOptions> & { readonly epochs: number }): Weights => {
    train(net, data, { ...base, ...more });
    return assertFinite(exportWeights(net));
  };
  const student = (): Network => hold(buildNetwork(spec, `${seed}/student`), network, null);
  const restart = (net: Network): Network => {
    const fresh = exportWeights(buildNetwork(spec, `${seed}/restart`));
    loadWeights(
      net,
      new Map([...exportWeights(net)].map(([name, values]) => [name, isOf(name, last) ? fresh.get(name)! : values])),
    );
    return net;
  };
  const tune = ({ epochs, layers, isRestarted = false, weightDecay = 0, from = marked }: TuneOptions): Weights => {
    const whole = restoreNetwork(spec, from);
    if (isRestarted) restart(whole);
    return run(hold(whole, network, layers === 'last' ? last : null), samples, { epochs, weightDecay });
  };
  return {
    marked,
    rows: new Map([...listTensorShapes(spec)].map(([name, [rows = 1]]) => [name, rows])),
    tune,
    transfer: (epochs) => {
      if (options.transfer === null) {
        throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'pass data of another task with --transfer' } });
      }
      return run(hold(restart(restoreNetwork(spec, marked)), network, null), options.transfer, { epochs });
    },
    distill: ({ epochs, temperature }) => {
      const logits = inferLogits(restoreNetwork(spec, marked), samples);
      const probabilities = toProbabilities({ data: logits, shape: [samples.count, spec.classes] }, temperature);
      return run(student(), samples, { epochs, soft: { probabilities, temperature } });
    },
    extract: (epochs) => {
      const labels = classify(restoreNetwork(spec, marked), samples);
      return run(student(), { ...samples, labels }, { epochs });
    },
    toPlan: (weights) => toWeightsPlan(options.model, network, weights),
  };
}

function findLast(layers: readonly LayerSpec[]): string {
  const last = layers.at(-1);
  if (last?.kind !== 'dense') throw new TypeError('internal error: networks that are read end in a dense layer');
  return last.name;
}

function hasTokens(layers: readonly LayerSpec[]): boolean {
  return layers.some((layer) => layer.kind === 'attention' || (layer.kind === 'residual' && hasTokens(layer.body)));
}

const isOf = (tensor: string, layer: string): boolean => tensor.startsWith(`${layer}.`);

/** A network of which only some tensors learn: those of one layer, and none that the file has not. */
function hold(net: Network, { placements }: ImportedNetwork, only: string | null): Network {
  const isFree = (name: string): boolean =>
    placements.get(name)?.tensor !== null && (only === null || isOf(name, only));
  return { ...net, parameters: net.parameters.filter(({ name }) => isFree(name)) };
}

/** A rate that is too high ends in numbers that are none; the attack failed then, not the mark. */
function assertFinite(weights: Weights): Weights {
  for (const values of weights.values()) {
    if (values.every(Number.isFinite)) continue;
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'training diverged: pass a smaller --rate' } });
  }
  return weights;
}

/** The trained values in the places that they were read from. */
function toWeightsPlan(model: Model, { placements }: ImportedNetwork, weights: Weights): RewritePlan {
  const changed = new Map<string, Float32Array>();
  for (const [name, values] of weights) {
    const placement = placements.get(name);
    if (placement === undefined || placement.tensor === null) continue;
    const { tensor, offset } = placement;
    changed.set(tensor, offset === 0 ? values : values.map((value) => value + offset));
  }
  return model.plan(replaceTensors(model, changed));
}
