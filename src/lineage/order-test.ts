/**
 * Whether the suspect's neurons stand where the original's stand (docs/spec/lineage.md §5).
 *
 * Null hypothesis: independent initialisation. The labels of hidden neurons are then exchangeable, so the best match of
 * the suspect's neurons to the original's is a uniformly random order, whatever both were trained on, and at least k of
 * its neurons stay in place with probability at most 1/k!. Layers whose neurons have their place by design are left out.
 */
import { assign, type Layer } from '../align/index.ts';
import { LINEAGE_LIMITS } from '../core/limits/lineage.ts';
import { createPrfStream } from '../core/prf.ts';
import { toLogFactorial } from '../core/stats.ts';
import { readAt } from './elements.ts';
import { type Frame, knowsNeurons, pairFrames, type TensorPair, toTheirPlaces } from './pairs.ts';
import { isLayerPlaced, toRowPlaces } from './placed.ts';
import { spreadIndices } from './sample.ts';

export interface OrderedLayer {
  readonly name: string;
  /** Neurons that were matched among one another. */
  readonly neurons: number;
  /** Those that were matched with the one in their own place. */
  readonly fixed: number;
  /** Ways to lay the tensor that were tried; the best counts. */
  readonly tries: number;
  /** The numbers looked at are those of the original, up to rounding to half precision. */
  readonly isSame: boolean;
}

export interface OrderTest {
  readonly layers: readonly OrderedLayer[];
  /** Names of the layers that were left out, because their neurons have their place by design in one of the models. */
  readonly placed: readonly string[];
  /**
   * topology: the layers' neurons may stand in any order, by the operators around them or by what a language model's
   * tensors are called, and all layers count together. names: nothing says so; rows of tensors that are not named as anything with a fixed order are taken for neurons, and
   * two layers must show it.
   */
  readonly basis: 'topology' | 'names';
  /** -log2 of the bound, after all tries. */
  readonly evidenceBits: number;
  /** Names of the layers that keep more neurons in place than chance does. */
  readonly decisive: readonly string[];
  /**
   * The decisive layers could be a table that both models were given: they hold a small share of the neurons, or are a few
   * layers with the same numbers, while all others are at chance (docs/spec/lineage.md §5).
   */
  readonly isNarrow: boolean;
}

/** Names of tensors whose rows have a fixed meaning, or move only together with others. */
const FIXED_ROWS =
  /embed|embd|token|wte|wpe|position|pos_|lm_head|head|classifier|logit|norm|\bln|query|key|q_proj|k_proj|attn_[qk]|qkv|in_proj|relative|rope|anchor|mask|output|stft|spectrogram|mel|dct|filter_?bank|basis|window/i;

/** @throws FormatError | SourceError from the readers */
export function testOrder(original: Frame, suspect: Frame): OrderTest {
  // The evidence is the same from either side; the one whose neurons are known says which axes they are.
  const [frame, other] = knowsNeurons(original) || !knowsNeurons(suspect) ? [original, suspect] : [suspect, original];
  const basis = knowsNeurons(frame) ? 'topology' : 'names';
  const seen = new Set<number>();
  const placed: string[] = [];
  const layers = pairFrames(frame, other).flatMap((pair) => {
    if (pair === null || !hasFreeRows(frame, pair.layer)) return [];
    // Layers that make the same neurons would count them twice.
    const space = pair.layer.out?.segments[0].space;
    if (space !== undefined && seen.has(space)) return [];
    if (space !== undefined) seen.add(space);
    if (isLayerPlaced({ layer: pair.layer, tensor: pair.ours }) || isLayerPlaced(pair.theirs)) {
      placed.push(pair.layer.name);
      return [];
    }
    return [countFixed(pair)];
  });
  const evidenceBits = basis === 'topology' ? toPooledBits(layers) : toSecondBits(layers);
  const decisive = layers.filter(isDecisive);
  return {
    layers,
    placed,
    basis,
    evidenceBits,
    decisive: decisive.map(({ name }) => name),
    isNarrow: isNarrow(decisive, layers),
  };
}

/** A layer that has this many bits of its own (log2 of k!, less its tries) is above chance. */
const DECISIVE_BITS = 8;
/** Decisive layers with fewer of all neurons than this do not speak for the rest. */
const NARROW_SHARE = 0.25;
/** Tables that one front end has: real and imaginary parts of a transform, a filter bank. */
const TABLES_MAX = 3;

function isDecisive({ fixed, tries }: OrderedLayer): boolean {
  return toLogFactorial(fixed) / Math.LN2 - Math.log2(tries) >= DECISIVE_BITS;
}

function isNarrow(decisive: readonly OrderedLayer[], layers: readonly OrderedLayer[]): boolean {
  if (decisive.length === 0 || decisive.length === layers.length) return false;
  const count = (some: readonly OrderedLayer[]): number => some.reduce((sum, { neurons }) => sum + neurons, 0);
  const areTables = decisive.length <= TABLES_MAX && decisive.every(({ isSame }) => isSame);
  return areTables || count(decisive) < NARROW_SHARE * count(layers);
}

/** True when the output axis of the layer is neurons that could stand in any order. */
function hasFreeRows({ topology }: Frame, layer: Layer): boolean {
  if (layer.kind === 'plain') return !layer.isOutput && !FIXED_ROWS.test(layer.name);
  const { out } = layer;
  if (out?.inner !== 1 || layer.inAxis === null || out.segments.length !== 1) return false;
  return topology.spaces[out.segments[0].space]?.isPermutable ?? false;
}

function countFixed({ layer, ours, theirs, orders }: TensorPair): OrderedLayer {
  const { shape } = layer;
  const outAxis = layer.outAxis ?? 0;
  const neurons = spreadIndices(shape[outAxis], LINEAGE_LIMITS.orderNeuronsMax);
  const places = toRowPlaces(shape, outAxis, neurons);
  const values = readAt(ours, places);
  const a = toUnitRows(values, neurons.length);
  const matched = orders.map((order) => {
    const other = readAt(theirs.tensor, toTheirPlaces(order, places));
    const fixed = countInPlace(a, toUnitRows(other, neurons.length), neurons.length);
    return { fixed, isSame: areSame(values, other) };
  });
  const best = matched.reduce((found, one) => (one.fixed > found.fixed ? one : found));
  return { name: layer.name, neurons: neurons.length, ...best, tries: matched.length };
}

/** Half precision has 11 bits: what was stored in it differs from its origin by at most this share of the largest number. */
const HALF_ROUNDING = 2 ** -11;

/** Loops: `reduce` and `every` would make an object of each number. */
function areSame(a: Float32Array, b: Float32Array): boolean {
  let largest = 0;
  for (const value of a) largest = Math.max(largest, Math.abs(value));
  for (let i = 0; i < a.length; i++) if (Math.abs(a[i] - b[i]) > HALF_ROUNDING * largest) return false;
  return true;
}

/** A fixed public key: the shuffle below must not depend on any model. */
const SHUFFLE_KEY = new Uint8Array(32);
const SHUFFLE_DOMAIN = 0xa2;

/**
 * Neurons whose best partner has their own number. The suspect's are shuffled for the assignment: among equal ones (dead
 * neurons, all zero) it prefers low numbers, which would keep them in place.
 */
function countInPlace(a: Float32Array, b: Float32Array, rows: number): number {
  const width = b.length / rows;
  const order = toShuffle(rows);
  const shuffled = new Float32Array(b.length);
  order.forEach((row, at) => {
    shuffled.set(b.subarray(row * width, (row + 1) * width), at * width);
  });
  return assign(toProducts(a, shuffled, rows)).reduce((sum, partner, i) => sum + Number(order[partner] === i), 0);
}

function toShuffle(count: number): Int32Array {
  const stream = createPrfStream(SHUFFLE_KEY, { domain: SHUFFLE_DOMAIN, index: count });
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Rounds of alternating normalisation; two leave scales of e^±1 below a percent. */
const BALANCE_ROUNDS = 2;

/** Columns, then rows, brought to equal length in turn: what one input weighs, or one neuron, says nothing of the past. */
function toUnitRows(values: Float32Array, rows: number): Float32Array {
  const width = values.length / rows;
  const unit = values.slice();
  for (let round = 0; round < BALANCE_ROUNDS; round++) {
    for (let j = 0; j < width; j++) normalize(unit, j, width, rows);
    for (let i = 0; i < rows; i++) normalize(unit, i * width, 1, width);
  }
  return unit;
}

/** Brings `count` values from `first`, `step` apart, to length 1; zeros stay. */
function normalize(values: Float32Array, first: number, step: number, count: number): void {
  let squares = 0;
  for (let i = 0; i < count; i++) squares += values[first + i * step] ** 2;
  if (!(squares > 0)) return;
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < count; i++) values[first + i * step] *= scale;
}

function toProducts(a: Float32Array, b: Float32Array, rows: number) {
  const width = a.length / rows;
  const values = new Float32Array(rows * rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < rows; c++) {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += a[r * width + j] * b[c * width + j];
      values[r * rows + c] = sum;
    }
  }
  return { rows, columns: rows, values };
}

/**
 * With t = K / m: layers that make different neurons keep independent numbers of them in place, and E[t^X] ≤ e^(t - 1) for
 * the fixed points X of a random order, so that K or more of m layers have P ≤ e^(K - m) (m / K)^K (Chernoff).
 */
function toPooledBits(layers: readonly OrderedLayer[]): number {
  const fixed = layers.reduce((sum, layer) => sum + layer.fixed, 0);
  const count = layers.length;
  if (fixed <= count) return 0;
  const price = layers.reduce((sum, layer) => sum + Math.log2(layer.tries), 0);
  return Math.max(0, fixed * Math.log2(fixed / count) - (fixed - count) * Math.LOG2E - price);
}

/** log2(k!) of the layer that is second best, less log2 of all tries: a bound whatever the layers have in common. */
function toSecondBits(layers: readonly OrderedLayer[]): number {
  const counts = layers.map(({ fixed }) => fixed).sort((x, y) => y - x);
  if (counts.length < 2) return 0;
  const tries = layers.reduce((sum, layer) => sum + layer.tries, 0);
  return Math.max(0, toLogFactorial(counts[1]) / Math.LN2 - Math.log2(tries));
}
