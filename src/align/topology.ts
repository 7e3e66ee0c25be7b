/** From a model to its topology: layers in graph order, and the channels that they share (docs/spec/watermark.md §5). */
import { isDecodableBlock } from '../model/blocks.ts';
import { DTYPES } from '../model/dtype.ts';
import type { Graph, Model, TensorRef } from '../model/types.ts';
import { isOutputName } from './llama-names.ts';
import { toOutputNodes } from './outputs.ts';
import type { ChannelVector, Layer, Space, Topology } from './ports.ts';
import { type ChannelMap, toChannels } from './spaces.ts';
import { findDecoderChannels } from './transformer/decoder.ts';
import { listScopes, listWeightUses, type WeightUse } from './weights.ts';

/**
 * The layers of a model. With a graph: every constant that an operator uses as a weight, in graph order, with the
 * channel sets that neurons can be permuted in. Without one: every float or quantised tensor of rank 2 or more, in file
 * order, an output layer known by its name alone. The channels of a language model follow from names, shapes and settings
 * (docs/spec/transformer-topology.md); of another model none are known, and a 2-D tensor is read as [out, in].
 */
export function toTopology(model: Model): Topology {
  return model.graph === null ? toTensorTopology(model) : toGraphTopology(model.graph);
}

/** Without operators, an unsigned byte may be two nibbles or a mask; only signed small integers are taken as codes. */
function isPlainWeight({ dtype, shape }: TensorRef): boolean {
  const isCodes = dtype === 'i8' || dtype === 'i4' || isDecodableBlock(dtype);
  return shape.length >= 2 && (DTYPES[dtype].kind === 'float' || isCodes);
}

function toTensorTopology(model: Model): Topology {
  const weights = model.tensors.filter(isPlainWeight);
  const channels = findDecoderChannels(model);
  const layers = weights.map(
    (tensor): Layer => ({
      name: tensor.name,
      dtype: tensor.dtype,
      storedShape: [...tensor.shape],
      shape: [...tensor.shape],
      groups: 1,
      isOutput: isOutputName(tensor.name) || tensor.name === channels?.tiedTable,
      ...(channels?.layers.get(tensor.name) ?? PLAIN),
    }),
  );
  return { v: 1, layers, vectors: [...(channels?.vectors ?? [])], spaces: [...(channels?.spaces ?? [])] };
}

const PLAIN = { kind: 'plain', outAxis: 0, inAxis: 1, out: null, in: null } as const;

function toGraphTopology(graph: Graph): Topology {
  const scopes = listScopes(graph);
  const uses = scopes.flatMap((scope) => scope.graph.nodes.flatMap((node) => listWeightUses(scope, node)));
  const channels = toChannels(scopes[0], uses);
  const outputs = toOutputNodes(graph, uses);
  // A weight that is used twice makes an output if either use does: a token table that makes the logits, too.
  const outputNames = new Set(uses.filter(({ node }) => outputs.has(node)).map(({ weight }) => weight.tensor.name));
  const seen = new Set<string>();
  const layers: Layer[] = [];
  for (const use of uses) {
    if (seen.has(use.weight.tensor.name)) continue;
    seen.add(use.weight.tensor.name);
    layers.push(toLayer(use, channels, outputNames));
  }
  const vectors: ChannelVector[] = channels.vectors.filter((vector) => !seen.has(vector.name));
  const spaces: Space[] = channels.spaces.map((space) => ({ ...space }));
  return { v: 1, layers, vectors, spaces };
}

function toLayer(use: WeightUse, channels: ChannelMap, outputNames: ReadonlySet<string>): Layer {
  const { tensor, shape } = use.weight;
  const axes = channels.layers.get(tensor.name);
  return {
    name: tensor.name,
    kind: use.kind,
    dtype: tensor.dtype,
    storedShape: [...tensor.shape],
    shape: [...shape],
    outAxis: use.outAxis,
    inAxis: use.inAxis,
    groups: use.groups,
    isOutput: outputNames.has(tensor.name),
    out: axes?.out ?? null,
    in: axes?.in ?? null,
  };
}
