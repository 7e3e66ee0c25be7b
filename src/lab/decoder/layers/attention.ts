/** Causal self-attention with rotary positions, several query heads for each key and value head. */
import { multiply } from '../../kernel/multiply.ts';
import { softmaxRows } from '../../layers/attention.ts';
import type { Parameter } from '../../layers/layer.ts';
import type { Rng } from '../../rng.ts';
import type { DecoderSpec } from '../spec.ts';
import { Linear } from './linear.ts';
import { createRotaryTable, rotate, type RotaryTable } from './rotary.ts';

/** One query head of one item, [tokens, headWidth] each, and its softmax, [tokens, tokens]. */
interface Head {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly weights: Float32Array;
}

export class CausalAttention {
  readonly parameters: readonly Parameter[];
  readonly #spec: DecoderSpec;
  readonly #projections: readonly [query: Linear, key: Linear, value: Linear, out: Linear];
  readonly #table: RotaryTable;
  #heads: Head[] = [];
  #tokens = 0;

  constructor(name: string, spec: DecoderSpec, rng: Rng) {
    const { width, heads, keyHeads, headWidth } = spec;
    this.#spec = spec;
    this.#table = createRotaryTable(spec.tokensMax, headWidth);
    this.#projections = [
      new Linear(`${name}.q_proj`, [heads * headWidth, width], rng),
      new Linear(`${name}.k_proj`, [keyHeads * headWidth, width], rng),
      new Linear(`${name}.v_proj`, [keyHeads * headWidth, width], rng),
      new Linear(`${name}.o_proj`, [width, heads * headWidth], rng),
    ];
    this.parameters = this.#projections.flatMap((projection) => projection.parameters);
  }

  /** [items · tokens, width] to the same. */
  forward(input: Float32Array, tokens: number): Float32Array {
    const { heads, keyHeads, headWidth: d, width } = this.#spec;
    const [query, key, value, out] = this.#projections;
    const [q, k, v] = [query.forward(input), key.forward(input), value.forward(input)];
    rotate(q, this.#table, { tokens, heads }, 1);
    rotate(k, this.#table, { tokens, heads: keyHeads }, 1);
    const count = (input.length / (tokens * width)) * heads;
    if (this.#heads.length !== count || this.#tokens !== tokens) this.#heads = createHeads(count, tokens, d);
    this.#tokens = tokens;
    const mixed = new Float32Array(q.length);
    const part = new Float32Array(tokens * d);
    for (const [index, head] of this.#heads.entries()) {
      const shared = this.#toKeyHead(index);
      takeHead(q, { tokens, heads, width: d }, index, head.query);
      takeHead(k, { tokens, heads: keyHeads, width: d }, shared, head.key);
      takeHead(v, { tokens, heads: keyHeads, width: d }, shared, head.value);
      multiply({ a: head.query, b: head.key, bTransposed: true, out: head.weights, m: tokens, n: tokens, k: d });
      maskRows(head.weights, tokens);
      softmaxRows(head.weights, tokens, 1 / Math.sqrt(d));
      multiply({ a: head.weights, b: head.value, out: part, m: tokens, n: d, k: tokens });
      addHead(part, { tokens, heads, width: d }, index, mixed);
    }
    return out.forward(mixed);
  }

  backward(gradient: Float32Array): Float32Array {
    const { heads, keyHeads, headWidth: d } = this.#spec;
    const tokens = this.#tokens;
    const [query, key, value, out] = this.#projections;
    const up = out.backward(gradient);
    const dQuery = new Float32Array(up.length);
    const [dKey, dValue] = [0, 1].map(() => new Float32Array((up.length / heads) * keyHeads));
    const [mixed, part] = [new Float32Array(tokens * d), new Float32Array(tokens * d)];
    const dWeights = new Float32Array(tokens * tokens);
    const own = { tokens, heads, width: d };
    const ofKeys = { tokens, heads: keyHeads, width: d };
    for (const [index, head] of this.#heads.entries()) {
      const shared = this.#toKeyHead(index);
      takeHead(up, own, index, mixed);
      multiply({ a: head.weights, aTransposed: true, b: mixed, out: part, m: tokens, n: d, k: tokens });
      addHead(part, ofKeys, shared, dValue);
      multiply({ a: mixed, b: head.value, bTransposed: true, out: dWeights, m: tokens, n: tokens, k: d });
      toScoreGradient(dWeights, head.weights, tokens, 1 / Math.sqrt(d));
      multiply({ a: dWeights, b: head.key, out: part, m: tokens, n: d, k: tokens });
      addHead(part, own, index, dQuery);
      multiply({ a: dWeights, aTransposed: true, b: head.query, out: part, m: tokens, n: d, k: tokens });
      addHead(part, ofKeys, shared, dKey);
    }
    rotate(dQuery, this.#table, { tokens, heads }, -1);
    rotate(dKey, this.#table, { tokens, heads: keyHeads }, -1);
    const sum = query.backward(dQuery).slice();
    for (const path of [key.backward(dKey), value.backward(dValue)]) {
      for (let at = 0; at < sum.length; at += 1) sum[at] += path[at];
    }
    return sum;
  }

  /** The key head, counted over all items, of a query head that is counted so. */
  #toKeyHead(index: number): number {
    const { heads, keyHeads } = this.#spec;
    return Math.floor(index / heads) * keyHeads + Math.floor(((index % heads) * keyHeads) / heads);
  }
}

function createHeads(count: number, tokens: number, width: number): Head[] {
  const part = (): Float32Array => new Float32Array(tokens * width);
  const create = (): Head => ({
    ...{ query: part(), key: part(), value: part() },
    weights: new Float32Array(tokens * tokens),
  });
  return Array.from({ length: count }, create);
}

interface Packing {
  readonly tokens: number;
  readonly heads: number;
  readonly width: number;
}

/** Where token 0 of a head lies in [items, tokens, heads, width]. */
function toStart({ tokens, heads, width }: Packing, index: number): number {
  return Math.floor(index / heads) * tokens * heads * width + (index % heads) * width;
}

function takeHead(packed: Float32Array, packing: Packing, index: number, head: Float32Array): void {
  const { tokens, heads, width } = packing;
  const start = toStart(packing, index);
  for (let token = 0; token < tokens; token += 1) {
    const from = start + token * heads * width;
    for (let j = 0; j < width; j += 1) head[token * width + j] = packed[from + j];
  }
}

function addHead(head: Float32Array, packing: Packing, index: number, packed: Float32Array): void {
  const { tokens, heads, width } = packing;
  const start = toStart(packing, index);
  for (let token = 0; token < tokens; token += 1) {
    const to = start + token * heads * width;
    for (let j = 0; j < width; j += 1) packed[to + j] += head[token * width + j];
  }
}

/** No token sees a later one. */
function maskRows(scores: Float32Array, tokens: number): void {
  for (let row = 0; row < tokens; row += 1) scores.fill(-Infinity, row * tokens + row + 1, (row + 1) * tokens);
}

/** From the gradient of softmax outputs to that of the unscaled scores, in place. */
function toScoreGradient(gradient: Float32Array, weights: Float32Array, columns: number, scale: number): void {
  for (let base = 0; base < gradient.length; base += columns) {
    let dot = 0;
    for (let j = 0; j < columns; j += 1) dot += gradient[base + j] * weights[base + j];
    for (let j = 0; j < columns; j += 1) gradient[base + j] = scale * weights[base + j] * (gradient[base + j] - dot);
  }
}
