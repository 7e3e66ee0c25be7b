/** Follows channels through a network, and lists which tensors lie between which spaces. */
import { toProjections } from '../../layers/attention.ts';
import type { BatchNormSpec, ConvSpec, DenseSpec, LayerNormSpec, LayerSpec, NetworkSpec } from '../../spec.ts';
import { createSpace, freezeOrder, freezeScale, type Space, tie, tieGroupOrder, withNewScale } from './spaces.ts';

/** A layer with tensors, and the spaces of its input and output channels. */
export interface Placed {
  readonly layer:
    | DenseSpec
    | ConvSpec
    | BatchNormSpec
    | LayerNormSpec
    | { readonly kind: 'table'; readonly name: string };
  readonly input: Space;
  readonly output: Space;
}

function walkConv(layer: ConvSpec, input: Space): Space {
  const output = createSpace(layer.outputs);
  if (layer.groups > 1) tieGroupOrder(input, output, layer.groups);
  return output;
}

/** Heads stay where they are: only the channels that enter and leave the layer move. */
function walkAttention(layer: Extract<LayerSpec, { kind: 'attention' }>, input: Space, found: Placed[]): Space {
  const [query, key, value, out] = toProjections(layer);
  const inner = createSpace(layer.width, true);
  for (const projection of [query, key, value]) found.push({ layer: projection, input, output: inner });
  const output = createSpace(layer.width);
  found.push({ layer: out, input: inner, output });
  return output;
}

function walkLayer(layer: LayerSpec, input: Space, found: Placed[]): Space {
  const place = (placed: Placed['layer'], output: Space): Space => {
    found.push({ layer: placed, input, output });
    return output;
  };
  switch (layer.kind) {
    case 'dense':
      return place(layer, createSpace(layer.outputs));
    case 'conv':
      return place(layer, walkConv(layer, input));
    case 'batchNorm':
      return place(layer, withNewScale(input));
    case 'layerNorm':
      freezeScale(input);
      return place(layer, input);
    case 'position':
      return place({ kind: 'table', name: layer.name }, input);
    case 'embedding':
      return place({ kind: 'table', name: layer.name }, createSpace(layer.width));
    case 'attention':
      return walkAttention(layer, input, found);
    case 'residual':
      return tie(walkLayers(layer.body, input, found), walkLayers(layer.shortcut, input, found));
    case 'gelu':
      freezeScale(input);
      return input;
    case 'patches':
      return createSpace(layer.size * layer.size, true);
    case 'flatten':
      // What follows counts pixels, not channels.
      freezeOrder(input);
      freezeScale(input);
      return createSpace(0, true);
    case 'relu':
    case 'dropout':
    case 'pool':
    case 'globalPool':
    case 'meanTokens':
      return input;
  }
}

function walkLayers(layers: readonly LayerSpec[], input: Space, found: Placed[]): Space {
  return layers.reduce((space, layer) => walkLayer(layer, space, found), input);
}

/** All layers with tensors. Images in and logits out keep their order and scale. */
export function placeLayers(spec: NetworkSpec): Placed[] {
  const found: Placed[] = [];
  const logits = walkLayers(spec.layers, createSpace(1, true), found);
  freezeOrder(logits);
  freezeScale(logits);
  return found;
}
