/** A flat graph with everything that the rules ask of it: facts, flows, readers of values, what reaches an output. */
import { SCAN_LIMITS } from '../../core/limits/scan.ts';
import { toFacts, type ValueFacts } from './facts.ts';
import type { PathRole, PathStep } from './finding.ts';
import type { FlatGraph, FlatNode } from './flat.ts';
import { type Flow, type SourceKind, toFlow } from './flow.ts';
import { LAYOUTS } from './ops.ts';

export interface GraphView {
  readonly graph: FlatGraph;
  readonly facts: ValueFacts;
  readonly flow: Flow;
  /** Nodes that read each value. */
  readonly readers: readonly (readonly number[])[];
  /** 1 for nodes from which something reaches an output. */
  readonly isLive: Uint8Array;
  /** Paths up to this many weights are as good as without. */
  readonly tiny: number;
  /** Values behind values, as {@link toOrigin} and {@link toCore} found them: graphs of a long chain are asked often. */
  readonly origins: Map<number, number>;
  readonly cores: Map<number, number>;
  /** Of nodes with many operands: the heaviest two. */
  readonly heaviest: Map<number, readonly number[]>;
  /** 1 for nodes behind which only layout and a last activation come; made when it is first asked for. */
  tails: Uint8Array | null;
  /** Evidence paths that may still be drawn; later findings are counted, and shown without. */
  pathsLeft: number;
}

/**
 * A path of so few weights learned nothing: 2 % of the network, at least a 3 × 3 filter on several channels, at most a
 * first layer of a small network.
 */
function toTiny(total: number): number {
  return Math.min(1024, Math.max(64, 0.02 * total));
}

/** @throws FormatError | SourceError when a constant cannot be read */
export function toGraphView(graph: FlatGraph): GraphView {
  const facts = toFacts(graph);
  const flow = toFlow(graph, facts);
  const readers = graph.values.map((): number[] => []);
  graph.nodes.forEach(({ inputs }, index) => {
    for (const value of new Set(inputs)) if (value !== -1) readers[value].push(index);
  });
  return {
    graph,
    facts,
    flow,
    readers,
    isLive: toLive(graph),
    tiny: toTiny(flow.total),
    origins: new Map(),
    cores: new Map(),
    heaviest: new Map(),
    tails: null,
    pathsLeft: SCAN_LIMITS.pathsMax,
  };
}

function toLive({ nodes, values, outputs }: FlatGraph): Uint8Array {
  const isLive = new Uint8Array(nodes.length);
  const open = outputs.flatMap((value) => (value === -1 ? [] : [values[value].producer]));
  while (open.length > 0) {
    const index = open.pop()!;
    if (index === -1 || isLive[index] === 1) continue;
    isLive[index] = 1;
    for (const value of nodes[index].inputs) if (value !== -1) open.push(values[value].producer);
  }
  return isLive;
}

/** True when `value` was made with many more weights than a path of `cost`. */
export function isHeavy({ flow, tiny }: GraphView, value: number, cost: number): boolean {
  return value !== -1 && flow.heavy[value] >= Math.max(32, 4 * cost, Math.min(tiny, flow.total / 2));
}

/** Follows `next` until it gives the value itself or has been here before; what was found is kept for all on the way. */
function toEnd(value: number, known: Map<number, number>, next: (value: number) => number): number {
  const way: number[] = [];
  let at = value;
  while (!known.has(at)) {
    known.set(at, at);
    way.push(at);
    at = next(at);
  }
  const end = known.get(at)!;
  for (const one of way) known.set(one, end);
  return end;
}

/** The value behind copies, casts and changes of shape. */
export function toOrigin({ graph, origins }: GraphView, value: number): number {
  return toEnd(value, origins, (at) => {
    const producer = at === -1 ? -1 : graph.values[at].producer;
    if (producer === -1 || !LAYOUTS.has(graph.nodes[producer].op)) return at;
    const [next = -1] = graph.nodes[producer].inputs;
    return next === -1 ? at : next;
  });
}

/** The node of many weights that a value goes back to, over nodes that change it without any; -1 when there is none. */
export function toCore({ graph, flow, tiny, cores }: GraphView, value: number): number {
  const end = toEnd(value, cores, (at) => {
    const producer = at === -1 ? -1 : graph.values[at].producer;
    if (producer === -1) return at;
    const { inputs } = graph.nodes[producer];
    const next = inputs.reduce(
      (best, one) => (one !== -1 && flow.heavy[one] > (flow.heavy[best] ?? -1) ? one : best),
      -1,
    );
    return next === -1 || flow.heavy[at] - flow.heavy[next] > tiny ? at : next;
  });
  return end === -1 ? -1 : graph.values[end].producer;
}

const TAIL = new Set(['Softmax', 'LogSoftmax', 'Sigmoid', 'Clip', 'ArgMax', 'Loop', 'If', 'Concat']);

/** True when nothing but changes of layout and a last activation lies between the node and an output. */
export function isAtOutput(view: GraphView, index: number): boolean {
  view.tails ??= toTails(view.graph);
  return view.tails[index] === 1;
}

function toTails({ nodes, values, outputs }: FlatGraph): Uint8Array {
  const tails = new Uint8Array(nodes.length);
  const open = outputs.flatMap((value) => (value === -1 ? [] : [values[value].producer]));
  while (open.length > 0) {
    const index = open.pop()!;
    if (index === -1 || tails[index] === 1) continue;
    tails[index] = 1;
    const { op, inputs } = nodes[index];
    if (!LAYOUTS.has(op) && !TAIL.has(op)) continue;
    for (const value of inputs) if (value !== -1) open.push(values[value].producer);
  }
  return tails;
}

function toStep({ op, name, scope }: FlatNode, role: PathRole): PathStep {
  return { role, op, name, scope };
}

/** Evidence: the cheapest path from the source to the joining node, and from there the shortest one to an output. */
export function toEvidence(
  view: GraphView,
  at: { readonly node: number; readonly operand: number; readonly kind: SourceKind; readonly state: number },
): PathStep[] {
  if (view.pathsLeft-- <= 0) return [];
  const { graph, flow } = view;
  const trace = flow.trace(at.operand, at.kind, at.state);
  const steps: PathStep[] = [];
  let state = 0;
  for (const { value, state: reached } of trace) {
    const { producer, name, scope } = graph.values[value];
    const role: PathRole = (reached & 2) !== 0 && (state & 2) === 0 ? 'trigger' : 'step';
    if (producer === -1) steps.push({ role: 'input', op: '', name, scope });
    else steps.push(toStep(graph.nodes[producer], role));
    state = reached;
  }
  steps.push(toStep(graph.nodes[at.node], 'merge'), ...toWayOut(view, at.node));
  return shorten(steps);
}

/** Nodes from `index`, which is left out, to the nearest output. */
function toWayOut({ graph, readers }: GraphView, index: number): PathStep[] {
  const isOutput = new Set(graph.outputs);
  const before = new Map<number, number>([[index, -1]]);
  const open = [index];
  // The list grows while it is walked.
  for (const at of open) {
    const output = graph.nodes[at].outputs.find((value) => isOutput.has(value));
    if (output !== undefined) {
      const way: PathStep[] = [];
      for (let node = at; node !== index; node = before.get(node)!) way.push(toStep(graph.nodes[node], 'step'));
      const { name, scope } = graph.values[output];
      return [...way.reverse(), { role: 'output', op: '', name, scope }];
    }
    for (const value of graph.nodes[at].outputs) {
      for (const reader of readers[value]) {
        if (before.has(reader)) continue;
        before.set(reader, at);
        open.push(reader);
      }
    }
  }
  return [];
}

function shorten(steps: readonly PathStep[]): PathStep[] {
  const { pathStepsMax } = SCAN_LIMITS;
  if (steps.length <= pathStepsMax) return [...steps];
  // The end is kept longer: it is where the trigger joins.
  const joins = steps.findIndex(({ role }) => role === 'merge');
  const front = steps.slice(0, 8);
  const middle = steps.slice(Math.max(8, joins - 24), joins + 1);
  const end = steps.slice(Math.max(joins + 1, steps.length - 8));
  const left = steps.length - front.length - middle.length - end.length;
  return [...front, { role: 'gap', op: '', name: `${left} more`, scope: '' }, ...middle, ...end];
}
