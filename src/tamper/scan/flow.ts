/**
 * What flows from the inputs to every value: the cheapest path by weights, for each kind of source, and whether that
 * path was narrowed to few numbers ("pinched") and bent to a yes or no ("gated"). A backdoor that is written into a
 * graph needs both, and next to no weights; what a network computes costs weights from its first layer on.
 */
import type { FlatGraph, FlatNode } from './flat.ts';
import { isFew, type ValueFacts } from './facts.ts';
import { CUTS, GATES, isParameter, PINCHES, RANDOMS } from './ops.ts';

/** What a path begins with: the content of an input, its size, or a random number. */
export type SourceKind = 'value' | 'shape' | 'random';

export const SOURCE_KINDS: readonly SourceKind[] = ['value', 'shape', 'random'];

/** Bits of a path's state. */
export const PINCHED = 1;
export const GATED = 2;
/** Both: a trigger signal. */
export const TRIGGER = 3;

const STATES = 4;
const SLOTS = SOURCE_KINDS.length * STATES;

export interface Flow {
  /** Weights on the cheapest path from a source of `kind` to `value` in `state`; Infinity when there is none. */
  cost(value: number, kind: SourceKind, state: number): number;
  /** Weights on the most expensive path from any input to `value`; 0 for constants. */
  readonly heavy: Float64Array;
  /** Values along the cheapest path, the source first, with the state reached at each. */
  trace(value: number, kind: SourceKind, state: number): { readonly value: number; readonly state: number }[];
  /** The first value of that path. */
  source(value: number, kind: SourceKind, state: number): number;
  /** Weights of all nodes together. */
  readonly total: number;
}

/** @throws FormatError | SourceError when a constant cannot be read */
export function toFlow(graph: FlatGraph, facts: ValueFacts): Flow {
  const draft = new FlowDraft(graph, facts);
  draft.start();
  // Again for what goes round through a loop; paths only get cheaper, and one round is enough to enter a body.
  for (let round = 0; round < 3 && draft.pass(); round++);
  return draft.toFlow();
}

class FlowDraft {
  readonly #graph: FlatGraph;
  readonly #facts: ValueFacts;
  readonly #costs: Float64Array;
  /** Slot (value · SLOTS + kind · STATES + state) that the path came from; -1 at its source. */
  readonly #from: Int32Array;
  readonly #heavy: Float64Array;
  readonly #weights: Float64Array;
  readonly #sources = new Map<number, number>();

  constructor(graph: FlatGraph, facts: ValueFacts) {
    this.#graph = graph;
    this.#facts = facts;
    this.#costs = new Float64Array(graph.values.length * SLOTS).fill(Infinity);
    this.#from = new Int32Array(graph.values.length * SLOTS).fill(-1);
    this.#heavy = new Float64Array(graph.values.length);
    this.#weights = Float64Array.from(graph.nodes, (node) => toNodeWeights(node, facts));
  }

  start(): void {
    for (const value of this.#graph.inputs) {
      const shape = this.#facts.shapes[value];
      const isScalar = shape !== null && isFew(shape);
      this.#offer(value * SLOTS + (isScalar ? PINCHED : 0), 0, -1);
    }
  }

  /** Follows every node once; true when a path got cheaper. */
  pass(): boolean {
    let isChanged = false;
    for (const index of this.#graph.order) if (this.#follow(index)) isChanged = true;
    return isChanged;
  }

  toFlow(): Flow {
    const costs = this.#costs;
    const toSlot = (value: number, kind: SourceKind, state: number): number =>
      value * SLOTS + SOURCE_KINDS.indexOf(kind) * STATES + state;
    return {
      heavy: this.#heavy,
      total: this.#weights.reduce((sum, one) => sum + one, 0),
      cost: (value, kind, state) => (value < 0 ? Infinity : costs[toSlot(value, kind, state)]),
      source: (value, kind, state) => this.#toSource(toSlot(value, kind, state)),
      trace: (value, kind, state) => {
        const path: { value: number; state: number }[] = [];
        for (let slot = toSlot(value, kind, state); slot >= 0; slot = this.#from[slot]) {
          path.push({ value: Math.floor(slot / SLOTS), state: slot % STATES });
          if (path.length > this.#graph.values.length) break;
        }
        return path.reverse();
      },
    };
  }

  /** The source of every slot on the way is kept: findings of one source are many. */
  #toSource(slot: number): number {
    const way: number[] = [];
    let at = slot;
    while (!this.#sources.has(at)) {
      this.#sources.set(at, Math.floor(at / SLOTS));
      way.push(at);
      if (this.#from[at] >= 0) at = this.#from[at];
    }
    const source = this.#sources.get(at)!;
    for (const one of way) this.#sources.set(one, source);
    return source;
  }

  #offer(slot: number, cost: number, from: number): boolean {
    if (!(cost < this.#costs[slot])) return false;
    this.#costs[slot] = cost;
    this.#from[slot] = from;
    return true;
  }

  #follow(index: number): boolean {
    const node = this.#graph.nodes[index];
    const weights = this.#weights[index];
    let isChanged = this.#followHeavy(node, weights);
    if (RANDOMS.has(node.op)) isChanged = this.#startRandom(node) || isChanged;
    node.inputs.forEach((input, at) => {
      if (input === -1) return;
      for (const output of node.outputs) {
        if (this.#followEdge(node, { input, at, output, weights })) isChanged = true;
      }
    });
    return isChanged;
  }

  #followHeavy(node: FlatNode, weights: number): boolean {
    let most = -1;
    for (const input of node.inputs) {
      if (input !== -1 && this.#facts.isConstant[input] === 0) most = Math.max(most, this.#heavy[input]);
    }
    if (most < 0) return false;
    let isChanged = false;
    for (const output of node.outputs) {
      // Set once: rounds through a loop must not add up.
      if (this.#heavy[output] !== 0 || most + weights === 0) continue;
      this.#heavy[output] = most + weights;
      isChanged = true;
    }
    return isChanged;
  }

  #startRandom(node: FlatNode): boolean {
    const kind = SOURCE_KINDS.indexOf('random');
    return node.outputs
      .map((output) => {
        const pinched = isFew(this.#facts.shapes[output]) ? PINCHED : 0;
        const state = pinched | (node.op === 'Bernoulli' ? GATED : 0);
        return this.#offer(output * SLOTS + kind * STATES + state, 0, -1);
      })
      .some(Boolean);
  }

  #followEdge(node: FlatNode, edge: { input: number; at: number; output: number; weights: number }): boolean {
    const { input, at, output, weights } = edge;
    if (node.op === 'Shape' || node.op === 'Size') return this.#startShape(input, output);
    let isChanged = false;
    for (let slot = 0; slot < SLOTS; slot++) {
      const cost = this.#costs[input * SLOTS + slot];
      if (cost === Infinity) continue;
      const kind = SOURCE_KINDS[Math.floor(slot / STATES)];
      // Sizes that only say how to lay values out do not become values.
      if (kind === 'shape' && isParameter(node.op, at)) continue;
      if (RANDOMS.has(node.op) && node.op !== 'Multinomial') continue;
      const state = (slot % STATES) | this.#toBits(node, { input, at, output });
      const to = output * SLOTS + SOURCE_KINDS.indexOf(kind) * STATES + state;
      if (this.#offer(to, cost + weights, input * SLOTS + slot)) isChanged = true;
    }
    return isChanged;
  }

  /** The size of an input is a few numbers from the start; that of a computed value counts as the input's, too. */
  #startShape(input: number, output: number): boolean {
    if (this.#facts.isConstant[input] === 1) return false;
    const slot = output * SLOTS + SOURCE_KINDS.indexOf('shape') * STATES + PINCHED;
    const from = this.#toCheapest(input);
    return this.#offer(slot, 0, from);
  }

  #toCheapest(value: number): number {
    for (let state = 0; state < STATES; state++) {
      if (this.#costs[value * SLOTS + state] !== Infinity) return value * SLOTS + state;
    }
    return -1;
  }

  #toBits(node: FlatNode, { input, at, output }: { input: number; at: number; output: number }): number {
    const { op } = node;
    let bits = 0;
    const { shapes } = this.#facts;
    if (PINCHES.has(op) && !(op === 'TopK' && at > 0)) bits |= PINCHED;
    if (op.endsWith('Pool') && toWindow(node) >= 64) bits |= PINCHED;
    if (CUTS.has(op) && this.#isNarrowCut(node, output)) bits |= PINCHED;
    if (this.#isProjection(node, input)) bits |= PINCHED;
    if (isFew(shapes[output]) && !isFew(shapes[input])) bits |= PINCHED;
    if (GATES.has(op) && !this.#isGuard(node)) bits |= GATED;
    if (op === 'Cast' && this.#isCastToFew(node)) bits |= GATED;
    if ((op === 'Where' || op === 'If' || op === 'Loop') && at === 0) bits |= GATED;
    return bits;
  }

  /** A cut whose size is not known counts as narrow when it fixes two axes or more. */
  #isNarrowCut(node: FlatNode, output: number): boolean {
    const { shapes, small } = this.#facts;
    if (shapes[output] !== null) return isFew(shapes[output]);
    if (node.op !== 'Slice') return node.op === 'GatherND';
    const [starts, ends] = [small(node.inputs.at(1) ?? -1), small(node.inputs.at(2) ?? -1)];
    if (starts === null || ends === null) return false;
    return starts.filter((start, i) => Math.abs(ends[i] - start) <= 4).length >= 2;
  }

  /** A product with a matrix of few columns: a sum by another name. */
  #isProjection(node: FlatNode, input: number): boolean {
    if (node.op !== 'MatMul' && node.op !== 'Gemm') return false;
    const other = node.inputs.find((value) => value !== input && value !== -1);
    const shape = other === undefined ? null : this.#facts.shapes[other];
    if (shape === null || shape.length < 2) return false;
    const [rows, columns] = [shape[shape.length - 2] ?? 0, shape[shape.length - 1] ?? 0];
    // Colour matrices are square.
    return Math.min(rows, columns) <= 4 && Math.max(rows, columns) >= 4 * Math.min(rows, columns);
  }

  /** Clipping away zeros before a division is no decision. */
  #isGuard(node: FlatNode): boolean {
    if (node.op !== 'Clip' && node.op !== 'Max') return false;
    const bounds = node.inputs.slice(1).filter((value) => value !== -1);
    if (node.op === 'Clip' && bounds.length > 1) return false;
    const values = bounds.map((value) => this.#facts.small(value));
    return values.length > 0 && values.every((one) => one !== null && one.length === 1 && Math.abs(one[0]) <= 1e-3);
  }

  #isCastToFew(node: FlatNode): boolean {
    const to = node.attributes.get('to');
    // BOOL, and the integers.
    return to?.kind === 'int' && [9n, 2n, 3n, 4n, 5n, 6n, 7n, 12n, 13n].includes(to.value);
  }
}

/** Values that a pooling window takes together. */
function toWindow({ attributes }: FlatNode): number {
  const kernel = attributes.get('kernel_shape');
  return kernel?.kind === 'ints' ? kernel.values.reduce((product, size) => product * Number(size), 1) : 0;
}

/** Weights of the constant operands, when there is another operand that is none. */
function toNodeWeights({ op, inputs }: FlatNode, { isConstant, weights }: ValueFacts): number {
  if (op === 'If' || op === 'Loop' || op === 'Where' || op === 'Identity') return 0;
  if (inputs.every((value) => value === -1 || isConstant[value] === 1)) return 0;
  return inputs.reduce((sum, value, at) => {
    if (value === -1 || isConstant[value] === 0 || isParameter(op, at)) return sum;
    return sum + weights[value];
  }, 0);
}
