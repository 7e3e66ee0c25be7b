/** Candidate inputs of triggers: keyed patterns unlike anything in clean data (docs/spec/triggers.md §2). */
import { createPrfStream, type PrfStream } from '../../core/prf.ts';
import { STREAM_DOMAIN } from '../seeds.ts';

/** How one input is laid out. */
export interface PatternPlane {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** True when values lie channel by channel, false when pixel by pixel. */
  readonly isChannelsFirst: boolean;
}

const PATTERN_KINDS = ['noise', 'blocks', 'smooth', 'stripes'] as const;
export type PatternKind = (typeof PATTERN_KINDS)[number];

/** Channels that pictures have. */
const CHANNELS: readonly number[] = [1, 2, 3, 4];

/**
 * Pictures as they are; a flat input whose size is a square as a picture of one channel, because that is what flattened
 * pictures are; anything else as one row.
 * @param shape of one sample, without the batch axis
 */
export function toPatternPlane(shape: readonly number[]): PatternPlane {
  const dims = shape.filter((dim) => dim !== 1);
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (dims.length === 3 && CHANNELS.includes(dims[0])) {
    return { height: dims[1], width: dims[2], channels: dims[0], isChannelsFirst: true };
  }
  if (dims.length === 3 && CHANNELS.includes(dims[2])) {
    return { height: dims[0], width: dims[1], channels: dims[2], isChannelsFirst: false };
  }
  if (dims.length === 2) return { height: dims[0], width: dims[1], channels: 1, isChannelsFirst: true };
  const side = Math.round(Math.sqrt(count));
  if (dims.length === 1 && side * side === count) {
    return { height: side, width: side, channels: 1, isChannelsFirst: true };
  }
  return { height: 1, width: count, channels: 1, isChannelsFirst: true };
}

/** The kind of candidate `index`: they come in turn. */
export function toPatternKind(index: number): PatternKind {
  return PATTERN_KINDS[index % PATTERN_KINDS.length];
}

/**
 * Values in [0, 1] of candidate `index`, in the order of the input. Sums, products and comparisons alone, so that every
 * platform draws the same.
 * @param key K_inputs, 32 bytes
 */
export function makePattern(key: Uint8Array, index: number, plane: PatternPlane): Float64Array {
  const stream = createPrfStream(key, { domain: STREAM_DOMAIN.triggerInput, index });
  const { height, width, channels, isChannelsFirst } = plane;
  const size = height * width;
  const values = new Float64Array(size * channels);
  for (let channel = 0; channel < channels; channel++) {
    const picture = MAKERS[toPatternKind(index)](stream, plane);
    for (let at = 0; at < size; at++) {
      values[isChannelsFirst ? channel * size + at : at * channels + channel] = picture[at];
    }
  }
  return values;
}

type Maker = (stream: PrfStream, plane: PatternPlane) => Float64Array;

const MAKERS: Readonly<Record<PatternKind, Maker>> = {
  noise: (stream, { height, width }) => Float64Array.from({ length: height * width }, () => drawUnit(stream)),
  blocks: makeBlocks,
  smooth: makeSmooth,
  stripes: makeStripes,
};

function drawUnit(stream: PrfStream): number {
  return stream.u32() / 2 ** 32;
}

/** Squares of two to a quarter of the longer side, each all dark or all light. */
function makeBlocks(stream: PrfStream, { height, width }: PatternPlane): Float64Array {
  const side = drawSide(stream, height, width);
  const columns = Math.ceil(width / side);
  const levels = Float64Array.from({ length: Math.ceil(height / side) * columns }, () => stream.below(2));
  return Float64Array.from({ length: height * width }, (_, at) => {
    const [y, x] = [Math.floor(at / width), at % width];
    return levels[Math.floor(y / side) * columns + Math.floor(x / side)];
  });
}

function drawSide(stream: PrfStream, height: number, width: number): number {
  return 2 + stream.below(Math.max(1, Math.floor(Math.max(height, width) / 4) - 1));
}

/** A coarse grid of noise, drawn out bilinearly and stretched to the whole range. */
function makeSmooth(stream: PrfStream, { height, width }: PatternPlane): Float64Array {
  const side = drawSide(stream, height, width);
  const columns = Math.ceil(width / side) + 1;
  const rows = Math.ceil(height / side) + 1;
  const grid = Float64Array.from({ length: rows * columns }, () => drawUnit(stream));
  const picture = Float64Array.from({ length: height * width }, (_, at) => {
    const [y, x] = [Math.floor(at / width) / side, (at % width) / side];
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const [down, right] = [y - row, x - column];
    const first = grid[row * columns + column] * (1 - right) + grid[row * columns + column + 1] * right;
    const below = Math.min(row + 1, rows - 1) * columns + column;
    return first * (1 - down) + (grid[below] * (1 - right) + grid[below + 1] * right) * down;
  });
  const [low, high] = [picture.reduce((a, b) => Math.min(a, b), 1), picture.reduce((a, b) => Math.max(a, b), 0)];
  return high > low ? picture.map((value) => (value - low) / (high - low)) : picture;
}

/** Light and dark stripes of uneven width, along rows or columns, and noise over half of the range on top. */
function makeStripes(stream: PrfStream, { height, width }: PatternPlane): Float64Array {
  const isAcross = stream.below(2) === 1;
  const length = isAcross ? width : height;
  const levels = new Float64Array(length);
  for (let at = 0; at < length; ) {
    const [run, level] = [1 + stream.below(3), stream.below(2)];
    levels.fill(level, at, Math.min(length, at + run));
    at += run;
  }
  return Float64Array.from({ length: height * width }, (_, at) => {
    const level = levels[isAcross ? at % width : Math.floor(at / width)];
    return 0.5 * level + 0.5 * drawUnit(stream);
  });
}
