/** The attack that costs nothing inside the heads of a decoder: it writes the same text from other queries, keys and values. */
import { createMixing, createPairMixing, type Mixing } from '../attacks/kernels/mixing.ts';
import { createRng, type Rng, shuffledOrder } from '../rng.ts';
import type { Weights } from '../spec.ts';
import type { DecoderSpec } from './spec.ts';

export interface HeadChangeOptions {
  readonly seed: string;
  /** Entries of values, with the columns of the output: places, signs and scales, or any invertible matrix. */
  readonly values?: 'signed' | 'general';
  /** Each rotary pair of queries and keys is turned by an angle of its own, and scaled. */
  readonly pairs?: boolean;
  /** Query heads of one key head change places. */
  readonly queries?: boolean;
  /** The weights of the norm in front are scaled, and what reads them is scaled back. */
  readonly norms?: boolean;
  /** Channels of the residual stream and hidden units behind the gate are negated. */
  readonly signs?: boolean;
}

/** The same function from changed heads; outputs differ by rounding only. */
export function changeHeads(
  spec: DecoderSpec,
  weights: Weights,
  options: HeadChangeOptions,
): Map<string, Float32Array> {
  const rng = createRng(`${options.seed}/heads`);
  const changed = new Map([...weights].map(([name, values]) => [name, values.slice()]));
  for (let block = 0; block < spec.blocks; block++) {
    const part = (name: string): Float32Array => changed.get(`model.layers.${block}.self_attn.${name}_proj.weight`)!;
    const heads = { query: part('q'), key: part('k'), value: part('v'), output: turn(part('o'), spec.width) };
    for (let head = 0; head < spec.keyHeads; head++) changeHead(spec, heads, head, options, rng);
    part('o').set(turn(heads.output, spec.heads * spec.headWidth));
    if (options.norms === true) {
      const readers = [heads.query, heads.key, heads.value];
      scaleNorm(changed.get(`model.layers.${block}.input_layernorm.weight`)!, readers, rng);
    }
  }
  if (options.signs === true) turnSigns(spec, changed, rng);
  return changed;
}

/** Norms without a mean let the sign of a channel pass; the gate lets that of a hidden unit pass that it multiplies. */
function turnSigns({ width, inner, blocks }: DecoderSpec, weights: ReadonlyMap<string, Float32Array>, rng: Rng): void {
  const draw = (length: number): Float64Array => Float64Array.from({ length }, () => (rng.uniform() < 0.5 ? -1 : 1));
  const stream = draw(width);
  const columns = (name: string, signs: Float64Array): void => {
    const values = weights.get(name)!;
    values.forEach((value, at) => (values[at] = value * signs[at % signs.length]));
  };
  const rows = (name: string, signs: Float64Array): void => {
    const values = weights.get(name)!;
    const length = values.length / signs.length;
    values.forEach((value, at) => (values[at] = value * signs[Math.floor(at / length)]));
  };
  columns('model.embed_tokens.weight', stream);
  for (let block = 0; block < blocks; block++) {
    const own = `model.layers.${block}`;
    const hidden = draw(inner);
    for (const part of ['self_attn.q', 'self_attn.k', 'self_attn.v', 'mlp.gate', 'mlp.up']) {
      columns(`${own}.${part}_proj.weight`, stream);
    }
    for (const part of ['self_attn.o', 'mlp.down']) rows(`${own}.${part}_proj.weight`, stream);
    rows(`${own}.mlp.up_proj.weight`, hidden);
    columns(`${own}.mlp.down_proj.weight`, hidden);
  }
}

/** All [rows of heads, width]. */
interface Heads {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly output: Float32Array;
}

function changeHead(spec: DecoderSpec, heads: Heads, head: number, options: HeadChangeOptions, rng: Rng): void {
  const { headWidth, width } = spec;
  const size = headWidth * width;
  const group = spec.heads / spec.keyHeads;
  const one = (values: Float32Array): Float32Array => values.subarray(head * size, (head + 1) * size);
  const many = (values: Float32Array): Float32Array[] =>
    Array.from({ length: group }, (_, at) =>
      values.subarray((head * group + at) * size, (head * group + at + 1) * size),
    );
  const mix = (matrix: Float64Array, block: Float32Array): void => {
    block.set(multiply(matrix, block, headWidth));
  };
  const apply = ({ forth, back }: Mixing, own: Float32Array, others: readonly Float32Array[]): void => {
    mix(forth, own);
    for (const block of others) mix(back, block);
  };
  if (options.values !== undefined) {
    apply(createMixing(options.values, headWidth, rng), one(heads.value), many(heads.output));
  }
  if (options.pairs === true) apply(createPairMixing(headWidth, rng), one(heads.key), many(heads.query));
  if (options.queries === true) {
    const order = shuffledOrder(group, rng);
    for (const all of [heads.query, heads.output]) {
      const kept = many(all).map((block) => block.slice());
      many(all).forEach((block, at) => {
        block.set(kept[order[at]]);
      });
    }
  }
}

function scaleNorm(norm: Float32Array, readers: readonly Float32Array[], rng: Rng): void {
  const factors = Float64Array.from(norm, () => Math.exp(rng.between(-1, 1)));
  norm.forEach((value, at) => (norm[at] = value * factors[at]));
  for (const values of readers) values.forEach((value, at) => (values[at] = value / factors[at % norm.length]));
}

function multiply(matrix: Float64Array, block: Float32Array, rows: number): Float32Array {
  const columns = block.length / rows;
  return block.map((_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += matrix[row * rows + i] * block[i * columns + column];
    return sum;
  });
}

/** [rows, columns] to [columns, rows]. */
function turn(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)]);
}
