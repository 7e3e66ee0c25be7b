/** Finds the last dense layer of a classifier: the one that a trigger edits (docs/spec/triggers.md §4). */
import { listLayerUses, type WeightUse } from '../../align/index.ts';
import { WatermarkError } from '../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../core/limits/triggers.ts';
import { isFloatDType } from '../../model/floats.ts';
import type { Graph, GraphNode, TensorRef } from '../../model/types.ts';

export interface Head {
  /** Value that enters the layer: [batch, features]. */
  readonly data: string;
  /** Graph output with the class scores. */
  readonly output: string;
  readonly weight: TensorRef;
  /** True when the stored weight is [features, classes]. */
  readonly isTransposed: boolean;
  /** Null when no constant is added to the scores. */
  readonly bias: TensorRef | null;
  readonly classes: number;
  readonly features: number;
}

/** What may stand between the layer and the output without changing which score is the largest. */
const MONOTONE: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax', 'Sigmoid', 'Identity', 'Cast', 'Flatten']);
const STEPS_MAX = 8;

/**
 * @param outputName the output with the class scores; null takes the first that a dense layer makes
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT with the reason; WATERMARK_TRIGGER_TOO_NARROW
 */
export function findHead(graph: Graph, outputName: string | null = null): Head {
  const uses = listLayerUses(graph);
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const outputs = outputName === null ? graph.outputs.map(({ name }) => name) : [outputName];
  for (const output of outputs) {
    const found = walkBack(graph, producers, uses, output);
    if (found !== null) return checkHead(toHead(graph, uses, output, found), uses);
  }
  throw unfit('no output comes straight from a dense layer');
}

interface Found {
  readonly use: WeightUse;
  /** Constant that was added behind the layer, by name. */
  readonly added: string | null;
}

function walkBack(
  graph: Graph,
  producers: ReadonlyMap<string, GraphNode>,
  uses: readonly WeightUse[],
  output: string,
): Found | null {
  let value = output;
  let added: string | null = null;
  for (let step = 0; step < STEPS_MAX; step++) {
    const node = producers.get(value);
    if (node?.domain !== '') return null;
    const use = uses.find((one) => one.node === node);
    if (use !== undefined) return use.kind === 'dense' ? { use, added } : null;
    const constant = node.inputs.find((name) => graph.tensors.has(name));
    if (node.op === 'Add' && constant !== undefined && added === null) {
      added = constant;
      value = node.inputs.find((name) => name !== constant) ?? '';
    } else if (MONOTONE.has(node.op)) value = node.inputs[0] ?? '';
    else return null;
  }
  return null;
}

function toHead(graph: Graph, uses: readonly WeightUse[], output: string, { use, added }: Found): Head {
  const { weight, outAxis, inAxis, node } = use;
  if (weight.shape.length !== 2 || outAxis === null || inAxis === null) throw unfit('its last weight is no matrix');
  if (uses.filter((other) => other.weight.tensor.name === weight.tensor.name).length > 1) {
    throw unfit('its last weight is used in another place, too');
  }
  for (const name of ['alpha', 'beta', 'transA']) {
    const attribute = node.attributes.get(name);
    const value =
      attribute?.kind === 'float' ? attribute.value : attribute?.kind === 'int' ? Number(attribute.value) : null;
    if (value !== null && value !== (name === 'transA' ? 0 : 1)) throw unfit(`its last layer has ${name} = ${value}`);
  }
  const [classes, features] = [weight.shape[outAxis], weight.shape[inAxis]];
  const bias = graph.tensors.get(use.bias ?? added ?? '') ?? null;
  const isBias = bias !== null && bias.elementCount === classes && isFloatDType(bias.dtype);
  return {
    data: use.data,
    output,
    weight: weight.tensor,
    isTransposed: outAxis === 1,
    bias: isBias && countUses(graph, bias.name) === 1 ? bias : null,
    classes,
    features,
  };
}

function countUses(graph: Graph, name: string): number {
  return graph.nodes.reduce((sum, node) => sum + node.inputs.filter((input) => input === name).length, 0);
}

function checkHead(head: Head, uses: readonly WeightUse[]): Head {
  const { weight, classes, features } = head;
  if (!isFloatDType(weight.dtype))
    throw unfit(`its last weight is stored as ${weight.dtype}; put triggers in before quantising`);
  if (classes < 2 || classes > TRIGGER_LIMITS.classesMax) throw unfit(`it has ${classes} classes`);
  if (features + 1 > TRIGGER_LIMITS.featuresMax || weight.elementCount > TRIGGER_LIMITS.headElementsMax) {
    throw unfit(`its last layer has ${features} features for ${classes} classes, more than is supported`);
  }
  if (uses.length < 2) throw unfit('its only layer is the last one: triggers need features');
  if (features >= TRIGGER_LIMITS.featuresMin) return head;
  throw new WatermarkError('WATERMARK_TRIGGER_TOO_NARROW', {
    fields: { features, featuresMin: TRIGGER_LIMITS.featuresMin },
  });
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
