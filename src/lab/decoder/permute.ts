/** The attack that costs nothing, on a decoder: channels, hidden units and heads change places, and it writes the same text. */
import { createRng, shuffledOrder } from '../rng.ts';
import type { Weights } from '../spec.ts';
import { type DecoderSpec, listDecoderShapes } from './spec.ts';

/** Place i holds what was at `order[i]`, multiplied by `factors[i]`. */
interface Move {
  readonly order: ArrayLike<number>;
  readonly factors: ArrayLike<number>;
}

interface BlockMoves {
  readonly hidden: Move;
  /** The same order, and the inverse factors. */
  readonly unhidden: Move;
  readonly gates: Move;
  readonly queries: Move;
  readonly keys: Move;
}

const plain = (order: ArrayLike<number>): Move => ({ order, factors: new Float64Array(order.length).fill(1) });
const still = (length: number): Move => plain(Array.from({ length }, (_, at) => at));

/** Runs of `width` entries in the order of their heads. */
function toRuns(heads: ArrayLike<number>, width: number): number[] {
  return Array.from({ length: heads.length * width }, (_, at) => heads[Math.floor(at / width)] * width + (at % width));
}

export interface DecoderMoveOptions {
  readonly seed: string;
  /** Hidden units are multiplied by e^u, u uniform in ± this, in front of the gate and divided behind it. */
  readonly logScaleMax: number;
}

/** The same function from moved weights; outputs differ by rounding only. */
export function permuteDecoder(
  spec: DecoderSpec,
  weights: Weights,
  options: DecoderMoveOptions,
): Map<string, Float32Array> {
  const rng = createRng(`${options.seed}/permute`);
  const { width, inner, heads, keyHeads, headWidth } = spec;
  const stream = plain(shuffledOrder(width, rng));
  const blocks = Array.from({ length: spec.blocks }, (): BlockMoves => {
    const order = shuffledOrder(inner, rng);
    const factors = Array.from(order, () => Math.exp(rng.between(-options.logScaleMax, options.logScaleMax)));
    const groups = shuffledOrder(keyHeads, rng);
    return {
      hidden: { order, factors },
      unhidden: { order, factors: factors.map((factor) => 1 / factor) },
      gates: plain(order),
      queries: plain(toRuns(groups, (heads / keyHeads) * headWidth)),
      keys: plain(toRuns(groups, headWidth)),
    };
  });
  const shapes = [...listDecoderShapes(spec)];
  return new Map(
    shapes.map(([name, shape]) => {
      const own = blocks.at(Number(/layers\.(\d+)/.exec(name)?.[1]));
      const [out, input] = toMoves(name, stream, name.includes('layers') ? own : undefined, shape[0]);
      return [name, move(weights.get(name)!, out, shape.length === 1 ? still(1) : input)];
    }),
  );
}

/** How rows and columns of a tensor move; the columns of a vector are one. */
function toMoves(name: string, stream: Move, own: BlockMoves | undefined, rows: number): readonly [Move, Move] {
  const part = /(\w+)\.weight$/.exec(name)?.[1];
  if (own === undefined) return part === 'norm' ? [stream, stream] : [still(rows), stream];
  switch (part) {
    case 'q_proj':
      return [own.queries, stream];
    case 'k_proj':
    case 'v_proj':
      return [own.keys, stream];
    case 'o_proj':
      return [stream, own.queries];
    case 'gate_proj':
      return [own.gates, stream];
    case 'up_proj':
      return [own.hidden, stream];
    case 'down_proj':
      return [stream, own.unhidden];
    default:
      return [stream, stream];
  }
}

function move(values: Float32Array, out: Move, input: Move): Float32Array {
  const columns = input.order.length;
  return Float32Array.from(values, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const from = values[out.order[row] * columns + input.order[column]];
    return from * out.factors[row] * input.factors[column];
  });
}
