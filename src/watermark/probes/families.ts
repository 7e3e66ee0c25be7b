/** Patterns that probes are made of: keyed values in [0, 1] over the shape of one item (docs/spec/remote-check.md §3.2). */
import type { PrfStream } from '../../core/prf.ts';

/**
 * uniform: every value by itself. sparse: likewise, but four of five values are 0. low-pass: a coarse keyed grid,
 * interpolated and stretched to the whole range. blocks: the same grid in steps.
 */
export const PROBE_FAMILIES = ['uniform', 'sparse', 'low-pass', 'blocks'] as const;
export type ProbeFamily = (typeof PROBE_FAMILIES)[number];

/** Share of values of a sparse pattern that are not 0. */
const LIT_SHARE = 0.2;
/** Values of the coarse grid along each axis. */
const GRID = 6;

/** Which axes of an item are its height and width; all others are planes of their own. */
interface Plane {
  readonly height: number;
  readonly width: number;
  readonly planes: number;
  /** True when the planes lie inside, as in [height, width, channels]. */
  readonly isLast: boolean;
}

/**
 * Writes one pattern.
 * @param shape of one item, without the batch axis; [height, width], [channels, height, width] or [height, width, channels]
 *   have neighbours, and every other shape has none: there low-pass and blocks are uniform
 * @param values product of `shape` numbers, row-major
 */
export function fillPattern(
  family: ProbeFamily,
  shape: readonly number[],
  stream: PrfStream,
  values: Float64Array,
): void {
  if (family === 'sparse') {
    for (let i = 0; i < values.length; i++) values[i] = drawUnit(stream) < LIT_SHARE ? drawUnit(stream) : 0;
    return;
  }
  const plane = family === 'uniform' ? undefined : findPlane(shape);
  if (plane === undefined) {
    for (let i = 0; i < values.length; i++) values[i] = drawUnit(stream);
    return;
  }
  const grid = new Float64Array(GRID * GRID);
  for (let index = 0; index < plane.planes; index++) {
    for (let i = 0; i < grid.length; i++) grid[i] = drawUnit(stream);
    fillPlane(family, plane, index, grid, values);
  }
  if (family === 'low-pass') stretch(values);
}

function findPlane(shape: readonly number[]): Plane | undefined {
  const dims = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  const [a = 0, b = 0, c = 0] = dims;
  if (dims.length === 2) return toPlane(a, b, 1, false);
  if (dims.length !== 3) return undefined;
  return a <= c ? toPlane(b, c, a, false) : toPlane(a, b, c, true);
}

function toPlane(height: number, width: number, planes: number, isLast: boolean): Plane | undefined {
  return height >= GRID && width >= GRID ? { height, width, planes, isLast } : undefined;
}

/** 32 bits as a number in [0, 1). */
function drawUnit(stream: PrfStream): number {
  return stream.u32() / 2 ** 32;
}

function fillPlane(
  family: ProbeFamily,
  { height, width, planes, isLast }: Plane,
  index: number,
  grid: Float64Array,
  values: Float64Array,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value =
        family === 'blocks'
          ? grid[Math.floor((y * GRID) / height) * GRID + Math.floor((x * GRID) / width)]
          : interpolate(grid, (y * (GRID - 1)) / (height - 1), (x * (GRID - 1)) / (width - 1));
      values[isLast ? (y * width + x) * planes + index : (index * height + y) * width + x] = value;
    }
  }
}

/** Bilinear, at row `v` and column `u` of the grid. Sums and products of doubles alone: equal on every platform. */
function interpolate(grid: Float64Array, v: number, u: number): number {
  const row = Math.min(GRID - 2, Math.floor(v));
  const column = Math.min(GRID - 2, Math.floor(u));
  const [down, right] = [v - row, u - column];
  const at = row * GRID + column;
  const above = (1 - right) * grid[at] + right * grid[at + 1];
  const below = (1 - right) * grid[at + GRID] + right * grid[at + GRID + 1];
  return (1 - down) * above + down * below;
}

/** Smallest value to 0, largest to 1. */
function stretch(values: Float64Array): void {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (high <= low) return;
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - low) / (high - low);
}
