/** A network from its spec: layers built, run and differentiated in order; weights in and out by tensor name. */
import { Attention } from './layers/attention.ts';
import { BatchNorm } from './layers/batch-norm.ts';
import { Conv } from './layers/conv.ts';
import { Dense } from './layers/dense.ts';
import { Dropout } from './layers/dropout.ts';
import { Embedding, Position } from './layers/embedding.ts';
import { Flatten } from './layers/flatten.ts';
import { Gelu } from './layers/gelu.ts';
import type { Layer, Mode, Parameter, Statistic } from './layers/layer.ts';
import { LayerNorm } from './layers/layer-norm.ts';
import { Mean } from './layers/mean.ts';
import { Patches } from './layers/patches.ts';
import { Pool } from './layers/pool.ts';
import { Relu } from './layers/relu.ts';
import { Residual } from './layers/residual.ts';
import { createRng, type Rng } from './rng.ts';
import type { LayerSpec, NetworkSpec, Weights } from './spec.ts';
import type { Tensor } from './tensor.ts';

export interface Network {
  readonly spec: NetworkSpec;
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  /** Logits [batch, classes] of images [batch, side, side, 1]; the buffer is overwritten by the next call. */
  forward(input: Tensor, mode: Mode): Tensor;
  /** Writes every parameter's gradient. */
  backward(gradient: Tensor): void;
}

function buildLayer(spec: LayerSpec, rng: Rng): Layer {
  switch (spec.kind) {
    case 'dense':
      return new Dense(spec, rng);
    case 'conv':
      return new Conv(spec, rng);
    case 'batchNorm':
      return new BatchNorm(spec);
    case 'pool':
      return new Pool(spec);
    case 'residual':
      return new Residual(buildLayers(spec.body, rng), buildLayers(spec.shortcut, rng));
    case 'layerNorm':
      return new LayerNorm(spec);
    case 'attention':
      return new Attention(spec, rng);
    case 'position':
      return new Position(spec, rng);
    case 'embedding':
      return new Embedding(spec, rng);
    case 'patches':
      return new Patches(spec);
    case 'globalPool':
    case 'meanTokens':
      return new Mean();
    case 'dropout':
      // A stream of its own, so that the start values do not depend on the share.
      return new Dropout(spec, createRng(`dropout/${rng.next()}`));
    case 'flatten':
      return new Flatten();
    case 'relu':
      return new Relu();
    case 'gelu':
      return new Gelu();
  }
}

function buildLayers(specs: readonly LayerSpec[], rng: Rng): Layer[] {
  return specs.map((spec) => buildLayer(spec, rng));
}

/** An untrained network whose start values `seed` fixes. */
export function buildNetwork(spec: NetworkSpec, seed: string): Network {
  const layers = buildLayers(spec.layers, createRng(`${seed}/start`));
  return {
    spec,
    parameters: layers.flatMap((layer) => layer.parameters),
    statistics: layers.flatMap((layer) => layer.statistics),
    forward: (input, mode) => layers.reduce((value, layer) => layer.forward(value, mode), input),
    backward: (gradient) => {
      layers.reduceRight((value, layer) => layer.backward(value), gradient);
    },
  };
}

/** Shapes of all tensors of a network, by name, in the order of the graph. */
export function listTensorShapes(spec: NetworkSpec): ReadonlyMap<string, readonly number[]> {
  const { parameters, statistics } = buildNetwork(spec, 'shapes');
  return new Map([...parameters, ...statistics].map((tensor) => [tensor.name, tensor.shape]));
}

/** Copies of all values, parameters first. */
export function exportWeights(network: Network): Map<string, Float32Array> {
  const tensors = [...network.parameters, ...network.statistics];
  return new Map(tensors.map((tensor) => [tensor.name, tensor.values.slice()]));
}

/**
 * Replaces all values.
 * @throws TypeError when a tensor is missing or has another length
 */
export function loadWeights(network: Network, weights: Weights): void {
  for (const tensor of [...network.parameters, ...network.statistics]) {
    const values = weights.get(tensor.name);
    if (values?.length !== tensor.values.length) {
      throw new TypeError(`weights need ${tensor.values.length} values for ${tensor.name}`);
    }
    tensor.values.set(values);
  }
}

/** A network that holds `weights`. */
export function restoreNetwork(spec: NetworkSpec, weights: Weights): Network {
  const network = buildNetwork(spec, 'restored');
  loadWeights(network, weights);
  return network;
}
