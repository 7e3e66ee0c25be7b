/**
 * Where the channels between layers of an ONNX graph may be moved, scaled, added or taken out: from the layer that makes
 * them, through everything that treats each channel alone, to the layers that sum over them.
 */
import type { GraphNode, Model, TensorRef } from '../../../../model/types.ts';
import { findConstant, type GraphFacts, isPlainGemm, type Part, type Passes, toFacts, toInteger } from './facts.ts';
import { NODE_RULES } from './rules.ts';

export interface Region {
  /** Name of the node that makes the channels. */
  readonly producer: string;
  readonly channels: number;
  readonly parts: readonly Part[];
  readonly passes: Passes;
  /** Epsilon of the batch normalisation right behind the producer, which absorbs any scale; null without one. */
  readonly epsilon: number | null;
  /** Outputs of nodes whose attribute `group` counts the channels. */
  readonly grouped: readonly string[];
  /** Values that have the channels as a dimension. */
  readonly values: readonly string[];
}

/** Every region of the main graph; layers whose channels are tied to others (residual sums, concatenations) have none. */
export function findRegions(model: Model): Region[] {
  if (model.graph === null) return [];
  const facts = toFacts(model.graph);
  return model.graph.nodes.flatMap((node) => walkRegion(node, facts) ?? []);
}

interface Place {
  readonly value: string;
  /** Axis of the channels, counted from the last: 1 for [.., channels], 3 for [n, channels, h, w]. */
  readonly fromEnd: number;
  /** Neighbouring entries of that axis that belong to one channel; 0 when not known yet. */
  readonly block: number;
}

interface Walk {
  readonly facts: GraphFacts;
  readonly producer: GraphNode;
  readonly channels: number;
  readonly parts: Part[];
  readonly values: Set<string>;
  readonly inner: Set<GraphNode>;
  readonly grouped: string[];
  readonly passes: Set<Passes>;
  columns: number;
  epsilon: number | null;
}

function walkRegion(producer: GraphNode, facts: GraphFacts): Region | undefined {
  const made = toProducer(producer, facts);
  if (made === undefined) return undefined;
  const walk: Walk = {
    ...{ facts, producer, channels: made.channels, parts: [...made.parts], values: new Set(), inner: new Set() },
    ...{ grouped: [], passes: new Set(), columns: 0, epsilon: null },
  };
  const queue: Place[] = [{ value: producer.outputs[0], fromEnd: made.fromEnd, block: 1 }];
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    if (walk.values.has(place.value)) continue;
    if (facts.outputs.has(place.value)) return undefined;
    walk.values.add(place.value);
    for (const node of facts.consumers.get(place.value) ?? []) {
      const out = enterNode(walk, node, place);
      if (out === undefined) return undefined;
      if (out !== 'end') queue.push(out);
    }
  }
  if (walk.columns === 0 || !isClosed(walk)) return undefined;
  const { parts, channels, grouped, values, epsilon } = walk;
  const passes = toPasses(walk.passes);
  return { producer: producer.name, channels, parts, grouped, values: [...values], passes, epsilon };
}

/** @returns where the channels go on; 'end' where they are summed up; undefined where they are mixed otherwise */
function enterNode(walk: Walk, node: GraphNode, place: Place): Place | 'end' | undefined {
  const rule = node.domain === '' ? NODE_RULES[node.op] : undefined;
  const use = rule?.use({ node, ...place, channels: walk.channels, facts: walk.facts });
  if (rule === undefined || use === undefined) return undefined;
  const next = { value: node.outputs[0], fromEnd: use.fromEnd, block: use.block };
  if (walk.inner.has(node)) return next;
  walk.parts.push(...use.parts);
  if (use.isEnd === true) {
    walk.columns += 1;
    return 'end';
  }
  walk.inner.add(node);
  if (use.isGrouped === true) walk.grouped.push(node.outputs[0]);
  if (use.epsilon === undefined) walk.passes.add(use.passes ?? rule.passes);
  else if (isBehindProducer(walk, place)) walk.epsilon = use.epsilon;
  else walk.passes.add('order only');
  return next;
}

function isBehindProducer({ producer, facts }: Walk, { value }: Place): boolean {
  return value === producer.outputs[0] && facts.consumers.get(value)?.length === 1;
}

/** True when nothing from outside is mixed in: every input of a node inside is inside, or a constant. */
function isClosed({ inner, values, facts }: Walk): boolean {
  return [...inner].every((node) =>
    node.inputs.every((input) => input === '' || values.has(input) || facts.graph.tensors.has(input)),
  );
}

function toPasses(found: ReadonlySet<Passes>): Passes {
  if (found.has('order only') || (found.has('signs') && found.has('positive scales'))) return 'order only';
  if (found.has('signs')) return 'signs';
  return found.has('positive scales') ? 'positive scales' : 'any scale';
}

interface Producer {
  readonly channels: number;
  readonly parts: readonly Part[];
  readonly fromEnd: number;
}

/** Conv without groups, Gemm, or MatMul with a constant matrix. */
function toProducer(node: GraphNode, facts: GraphFacts): Producer | undefined {
  const weight = findConstant(facts, node.inputs[1]);
  if (weight === undefined || node.domain !== '' || weight.shape.length < 2) return undefined;
  const axis = toRowAxis(node, weight);
  if (axis === undefined) return undefined;
  const channels = weight.shape[axis];
  const fromEnd = node.op === 'Conv' ? weight.shape.length - 1 : 1;
  const row: Part = { tensor: weight.name, axis, block: 1, role: 'row' };
  const biasName = node.inputs.at(2) ?? '';
  if (biasName === '') return { channels, parts: [row], fromEnd };
  const bias = findConstant(facts, biasName);
  if (bias?.shape.length !== 1 || bias.shape[0] !== channels) return undefined;
  return { channels, parts: [row, { tensor: bias.name, axis: 0, block: 1, role: 'bias' }], fromEnd };
}

function toRowAxis(node: GraphNode, weight: TensorRef): number | undefined {
  if (node.op === 'Conv') return toInteger(node, 'group', 1) === 1 ? 0 : undefined;
  if (node.op === 'Gemm') return isPlainGemm(node) ? 1 - toInteger(node, 'transB', 0) : undefined;
  return node.op === 'MatMul' && weight.shape.length === 2 ? 1 : undefined;
}
