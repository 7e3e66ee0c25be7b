/** Which channels belong together: one walk over the graph, rule by rule (docs/spec/watermark.md §5.3). */
import type { GraphNode } from '../model/types.ts';
import { findInt } from './attributes.ts';
import type { ChannelAxis, ChannelSegment, ChannelVector, Space } from './ports.ts';
import { applyOpRule } from './space-rules.ts';
import { createSpaceSet, FIXED, toChannelCount, type ValueChannels } from './space-set.ts';
import { addVector, findRank, toChannelAxis, type Walk } from './walk.ts';
import { isChannelsLast } from './weight-rows.ts';
import type { Scope, WeightUse } from './weights.ts';

/** Channel sets of a graph, and how tensors are indexed by them. */
export interface ChannelMap {
  readonly spaces: readonly Space[];
  readonly vectors: readonly ChannelVector[];
  readonly layers: ReadonlyMap<string, { readonly in: ChannelAxis | null; readonly out: ChannelAxis | null }>;
}

/**
 * Follows channels from producer to consumer. An operator without a rule freezes what it reads, so an unknown graph
 * costs permutations to undo, never soundness.
 */
export function toChannels(scope: Scope, uses: readonly WeightUse[]): ChannelMap {
  const walk: Walk = { scope, set: createSpaceSet(), values: new Map(), vectors: [], layers: new Map() };
  const byNode = new Map<GraphNode, WeightUse[]>();
  for (const use of uses) byNode.set(use.node, [...(byNode.get(use.node) ?? []), use]);
  for (const node of scope.graph.nodes) {
    freezeCaptured(walk, node);
    const own = byNode.get(node);
    if (own === undefined) applyOpRule(walk, node);
    else applyWeights(walk, node, own);
  }
  for (const output of scope.graph.outputs) walk.set.freeze(walk.values.get(output.name));
  const vectors = dedupe(walk.vectors);
  const axes = [...walk.layers.values()].flatMap((layer) => [layer.in, layer.out].filter((axis) => axis !== null));
  const { spaces, toFinal } = walk.set.finish([...axes, ...vectors.map(({ channels }) => channels)]);
  return {
    spaces,
    vectors: vectors.map((vector) => ({ ...vector, channels: toFinal(vector.channels) })),
    layers: new Map(
      [...walk.layers].map(([name, layer]) => [
        name,
        { in: layer.in && toFinal(layer.in), out: layer.out && toFinal(layer.out) },
      ]),
    ),
  };
}

function dedupe(vectors: readonly ChannelVector[]): ChannelVector[] {
  return [...new Map(vectors.map((vector) => [vector.name, vector])).values()];
}

/** What a subgraph reads from outside is beyond this walk. */
function freezeCaptured(walk: Walk, node: GraphNode): void {
  for (const attribute of node.attributes.values()) {
    const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.kind === 'graphs' ? attribute.graphs : [];
    for (const graph of graphs) {
      for (const inner of graph.nodes) {
        freezeCaptured(walk, inner);
        for (const input of inner.inputs) walk.set.freeze(walk.values.get(input));
      }
    }
  }
}

function applyWeights(walk: Walk, node: GraphNode, uses: readonly WeightUse[]): void {
  const use = uses[0];
  const isAgain = walk.layers.has(use.weight.tensor.name);
  if (isAgain && applyTied(walk, use)) return;
  const isPlain = use.outAxis !== null && use.inAxis !== null && use.kind !== 'recurrent' && !isAgain;
  if (!isPlain || findInt(node, 'transA', 0) === 1 || node.op === 'Attention') {
    for (const input of node.inputs) walk.set.freeze(walk.values.get(input));
    freezeLayer(walk, use.weight.tensor.name);
    return;
  }
  const shape = use.weight.shape;
  const data = walk.values.get(use.data);
  if (use.kind === 'embedding') applyEmbedding(walk, use);
  else if (use.kind === 'conv') applyConv(walk, use, data);
  else applyDense(walk, use, data, shape[use.inAxis], shape[use.outAxis]);
}

/**
 * A token table that makes the logits, too: what it is multiplied with has the channels that its rows have. False for any
 * other weight that is used twice.
 */
function applyTied(walk: Walk, use: WeightUse): boolean {
  const table = walk.layers.get(use.weight.tensor.name);
  const data = walk.values.get(use.data);
  if (use.kind !== 'dense' || data?.fromRight !== 1 || !table?.out || !table.in) return false;
  const isTurned = table.out.axis === use.inAxis && table.in.axis === use.outAxis;
  if (!isTurned || table.in.segments.some(({ space }) => space !== FIXED)) return false;
  walk.set.unite(data, { segments: table.out.segments, inner: table.out.inner, fromRight: 1, rank: data.rank });
  walk.values.set(use.node.outputs[0], { ...data, segments: table.in.segments, inner: 1 });
  return true;
}

function freezeLayer(walk: Walk, name: string): void {
  const axes = walk.layers.get(name);
  for (const axis of [axes?.in, axes?.out]) {
    if (axis) walk.set.freeze({ segments: axis.segments, inner: null, fromRight: 1, rank: null });
  }
}

const fixed = (channels: number): ChannelSegment[] => [{ space: FIXED, channels }];

function applyEmbedding(walk: Walk, use: WeightUse): void {
  const [tokens, width] = use.weight.shape;
  const segments = [{ space: walk.set.add(width), channels: width }];
  walk.layers.set(use.weight.tensor.name, {
    in: { axis: 0, segments: fixed(tokens), inner: 1 },
    out: { axis: 1, segments, inner: 1 },
  });
  const indices = findRank(walk, use.data);
  const rank = indices === null ? null : indices + 1;
  walk.values.set(use.node.outputs[0], { segments, inner: 1, fromRight: 1, rank });
}

/** The input's channels on an axis of `length`, or fixed ones when they do not add up (then the input is frozen). */
function toInAxis(walk: Walk, data: ValueChannels | undefined, axis: number, length: number): ChannelAxis {
  const count = data === undefined ? 0 : toChannelCount(data.segments);
  const inner = data?.inner ?? (count > 0 ? length / count : 0);
  if (data !== undefined && Number.isInteger(inner) && count * inner === length) {
    return toChannelAxis(axis, data, inner);
  }
  walk.set.freeze(data);
  return { axis, segments: fixed(length), inner: 1 };
}

/** Gemm takes and FULLY_CONNECTED makes rows, unless it is told to keep the dimensions. */
function makesRows(node: GraphNode): boolean {
  return node.op === 'Gemm' || (node.op === 'FULLY_CONNECTED' && findInt(node, 'keep_num_dims', 0) === 0);
}

/** FULLY_CONNECTED flattens what it reads: [N, height, width, C] becomes rows in which the channels are interleaved. */
function flattenInto({ node }: WeightUse, data: ValueChannels | undefined): ValueChannels | undefined {
  const isFlattened = node.op === 'FULLY_CONNECTED' && makesRows(node) && (data?.rank ?? 2) > 2;
  return data !== undefined && isFlattened && data.inner === 1 ? { ...data, inner: null, isInterleaved: true } : data;
}

function applyDense(walk: Walk, use: WeightUse, data: ValueChannels | undefined, inLength: number, outLength: number) {
  const isLast = data === undefined || data.fromRight === 1;
  if (!isLast) walk.set.freeze(data);
  const inAxis = toInAxis(walk, isLast ? flattenInto(use, data) : undefined, use.inAxis!, inLength);
  const segments = [{ space: walk.set.add(outLength), channels: outLength }];
  walk.layers.set(use.weight.tensor.name, { in: inAxis, out: { axis: use.outAxis!, segments, inner: 1 } });
  const rank = makesRows(use.node) ? 2 : findRank(walk, use.data);
  walk.values.set(use.node.outputs[0], { segments, inner: 1, fromRight: 1, rank });
  addVector(walk, use.bias, 'bias', { segments, inner: 1, fromRight: 1, rank });
}

function applyConv(walk: Walk, use: WeightUse, data: ValueChannels | undefined): void {
  const { shape, tensor } = use.weight;
  const rank = shape.length;
  const fromRight = isChannelsLast(use.node) ? 1 : rank - 1;
  const isTransposed = use.node.op === 'ConvTranspose';
  const [outAxis, inAxis] = [use.outAxis!, use.inAxis!];
  const inLength = isTransposed ? shape[inAxis] : shape[inAxis] * use.groups;
  const outLength = isTransposed ? shape[outAxis] * use.groups : shape[outAxis];
  const isUsable = data === undefined || data.fromRight === fromRight;
  if (!isUsable || (isTransposed && use.groups > 1)) walk.set.freeze(data);
  const known = isUsable ? data : undefined;
  const output = (value: ValueChannels): void => {
    walk.values.set(use.node.outputs[0], value);
    addVector(walk, use.bias, 'bias', { ...value, fromRight: 1 });
  };
  if (use.groups > 1 && use.groups === inLength && !isTransposed) {
    const segments = known === undefined ? fixed(inLength) : [...known.segments];
    const inner = (known?.inner ?? 1) * (outLength / inLength);
    walk.layers.set(tensor.name, { in: null, out: { axis: outAxis, segments, inner } });
    output({ segments, inner, fromRight, rank });
    return;
  }
  const inChannels = toInAxis(walk, known, inAxis, inLength);
  const segments = [{ space: walk.set.add(outLength), channels: outLength }];
  if (isTransposed && use.groups > 1) walk.set.freeze({ segments, inner: 1, fromRight: 1, rank });
  walk.layers.set(tensor.name, { in: inChannels, out: { axis: outAxis, segments, inner: 1 } });
  output({ segments, inner: 1, fromRight, rank });
}
