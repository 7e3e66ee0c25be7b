/** Finds the down projection that triggers change: the last one before the last norm of a decoder (docs/spec/triggers.md §9.1). */
import { listLayerUses, type WeightUse } from '../../../align/index.ts';
import { WatermarkError } from '../../../core/errors.ts';
import { TRIGGER_LIMITS } from '../../../core/limits/triggers.ts';
import { isFloatDType } from '../../../model/floats.ts';
import type { Graph, GraphNode, TensorRef } from '../../../model/types.ts';

export interface MatrixPlace {
  readonly tensor: TensorRef;
  /** True when it is stored as [in, out]. */
  readonly isTransposed: boolean;
}

/** Values are named as in the graph; each has the axes [batch, tokens, …]. */
export interface DecoderPlaces {
  /** Hidden units that enter the down projection, and how many there are. */
  readonly hidden: string;
  readonly units: number;
  /** Residual stream behind it, and its channels. */
  readonly stream: string;
  readonly width: number;
  /** What leaves the last norm and enters the table of tokens. */
  readonly normed: string;
  readonly vocabulary: number;
  readonly down: MatrixPlace;
  /** Often the token table itself; it is not changed. */
  readonly table: MatrixPlace;
}

/** What passes scores and rows on as they are. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast']);
/** Nodes that are looked at between the table and the stream: a norm in single operators has about eight. */
const STEPS_MAX = 40;
/** Sums that are opened to find a down projection among what is added to the stream. */
const DEPTH_MAX = 3;

interface Walk {
  readonly graph: Graph;
  readonly producers: ReadonlyMap<string, GraphNode>;
  readonly uses: readonly WeightUse[];
}

/** @param logits the output with the scores @throws WatermarkError WATERMARK_TRIGGER_UNFIT with the reason */
export function findDownProjection(graph: Graph, logits: string): DecoderPlaces {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const walk: Walk = { graph, producers, uses: listLayerUses(graph) };
  const head = findDense(walk, logits);
  if (head === null) throw unfit('its scores do not come straight from a table of tokens');
  const { sum, stream } = findStream(walk, head.data);
  const down = findTerm(walk, sum, 0);
  if (down === null) throw unfit('no down projection adds to its residual stream before the last norm');
  const [table, matrix] = [toMatrix(head), toMatrix(down)];
  const places = {
    ...{ hidden: down.data, units: matrix.inputs, stream, width: matrix.outputs, normed: head.data },
    ...{ vocabulary: table.outputs, down: matrix, table },
  };
  assertFitting(walk, places, table.inputs);
  return places;
}

/** The dense layer that makes a value, behind biases and casts. */
function findDense({ graph, producers, uses }: Walk, value: string): WeightUse | null {
  let name = value;
  for (let step = 0; step < STEPS_MAX; step++) {
    const node = producers.get(name);
    if (node?.domain !== '') return null;
    const use = uses.find((one) => one.node === node);
    if (use !== undefined) return use.kind === 'dense' ? use : null;
    const constant = node.inputs.find((input) => graph.tensors.has(input));
    if (node.op === 'Add' && constant !== undefined) name = node.inputs.find((input) => input !== constant) ?? '';
    else if (PASSING.has(node.op)) name = node.inputs[0] ?? '';
    else return null;
  }
  return null;
}

/** The first sum of two computed values before the norm. */
function findStream({ producers }: Walk, normed: string): { readonly sum: GraphNode; readonly stream: string } {
  const [queue, seen] = [[normed], new Set<string>()];
  for (let at = 0; at < queue.length && at < STEPS_MAX; at++) {
    const node = producers.get(queue[at]);
    if (node === undefined || seen.has(queue[at])) continue;
    seen.add(queue[at]);
    const sources = node.inputs.filter((input) => producers.has(input) && producers.get(input)?.op !== 'Constant');
    if (node.op === 'Add' && node.domain === '' && sources.length === 2) return { sum: node, stream: queue[at] };
    queue.push(...sources);
  }
  throw unfit('there is no residual sum before its last norm');
}

/** The down projection among the terms of a sum: the nearest, and of equally near ones that of the most hidden units. */
function findTerm(walk: Walk, sum: GraphNode, depth: number): WeightUse | null {
  const found = sum.inputs
    .map((input) => findDense(walk, input))
    .filter((use): use is WeightUse => use !== null)
    .sort((a, b) => toMatrix(b).inputs - toMatrix(a).inputs);
  if (found.length > 0) return found[0];
  if (depth === DEPTH_MAX) return null;
  for (const input of sum.inputs) {
    const node = walk.producers.get(input);
    const inner = node?.op === 'Add' && node.domain === '' ? findTerm(walk, node, depth + 1) : null;
    if (inner !== null) return inner;
  }
  return null;
}

function toMatrix({ weight, outAxis, inAxis }: WeightUse): MatrixPlace & { outputs: number; inputs: number } {
  if (weight.shape.length !== 2 || outAxis === null || inAxis === null) throw unfit('one of its weights is no matrix');
  const [outputs, inputs] = [weight.shape[outAxis], weight.shape[inAxis]];
  return { tensor: weight.tensor, isTransposed: outAxis === 1, outputs, inputs };
}

function assertFitting({ uses }: Walk, places: DecoderPlaces, inputs: number): void {
  const { down, table, units, width, vocabulary } = places;
  for (const { tensor } of [down, table]) {
    if (!isFloatDType(tensor.dtype)) {
      throw unfit(`"${tensor.name}" is stored as ${tensor.dtype}; put triggers in before quantising`);
    }
  }
  if (uses.filter(({ weight }) => weight.tensor.name === down.tensor.name).length > 1) {
    throw unfit('its last down projection is used in another place, too');
  }
  if (inputs !== width) throw unfit('its table of tokens has another width than its last down projection');
  if (units < TRIGGER_LIMITS.featuresMin || units >= TRIGGER_LIMITS.featuresMax) {
    throw unfit(
      `its last down projection has ${units} hidden units; ${TRIGGER_LIMITS.featuresMin} to ${TRIGGER_LIMITS.featuresMax - 1} are supported`,
    );
  }
  if (table.tensor.elementCount > TRIGGER_LIMITS.tableElementsMax) {
    throw unfit(`its table of ${vocabulary} tokens is larger than is supported`);
  }
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
