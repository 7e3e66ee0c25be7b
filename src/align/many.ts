/**
 * Partners of very many channels: clear ones by a few numbers each, the rest by more. The table of all pairs, which grows
 * with the square, is never made (docs/spec/watermark.md §7.3).
 */
import { ALIGN_LIMITS } from '../core/limits/align.ts';
import { assign, type SimilarityMatrix, UNMATCHED } from './assignment.ts';
import type { ScalarPair } from './scalars.ts';
import { addProducts, createScalarSimilarity, type Features } from './similarity.ts';

/** Whether partners of so many channels are found here. */
export function areMany(channels: number, theirs: number): boolean {
  return Math.max(channels, theirs) > ALIGN_LIMITS.manyChannels;
}

export interface ManyPartners {
  /** A partner, or UNMATCHED, for each channel of the original. */
  readonly map: Int32Array;
  /** Similarity of each pair, as the table of all pairs would have it; 0 without a partner. */
  readonly similarities: Float32Array;
  /** What two channels that are the same get. */
  readonly weight: number;
}

/** Numbers by which clear pairs are found, how like the other numbers of these must be, and how much liker than the next channel. */
const STAGES = [16, 64] as const;
const CLEAR_COSINE = 0.6;
/** Cosine of the other numbers from which a pair is taken without a look at all channels: only a twin could be nearer. */
const SAME_COSINE = 0.97;
const CLEAR_GAP = 0.15;
/** Channels of the rest that are assigned exactly, where there are more than {@link ALIGN_LIMITS.exactAssignmentMax} in all. */
const EXACT_MAX = 1024;
/** A round of nearest neighbours that settles a smaller share of the rest is the last one. */
const ROUND_SHARE = 1 / 16;
/** Channels that are looked at to see whether the models have anything in common, and how many of them must find it. */
const PROBES = 64;
const PROBES_ALIKE = 2;
/** Deviations of the cosine of unrelated channels: one in some millions is beyond. */
const UNRELATED_DEVIATIONS = 5;

export interface ManyOptions {
  /** Channels of the space in the original and in the suspect. */
  readonly channels: number;
  readonly theirChannels: number;
  readonly scalars?: readonly Pick<ScalarPair, 'ours' | 'theirs'>[];
  /** What becomes of channels of which hardly any is like any other: they keep their places, or have no partner. */
  readonly unrelated: 'keep' | 'leave';
}

/**
 * Partners by the features of all pieces, each weighted by its width. Where hardly any channel is like any other one, what
 * would be found is chance, and nothing is looked for.
 */
export function findMany(
  pieces: readonly { readonly ours: Features; readonly theirs: Features }[],
  { channels, theirChannels, scalars = [], unrelated }: ManyOptions,
): ManyPartners {
  const [ours, theirs] = [pieces.map((piece) => piece.ours), pieces.map((piece) => piece.theirs)];
  const matching: Matching = {
    ours: interleave(ours, channels),
    theirs: interleave(theirs, theirChannels),
    scalars: scalars.flatMap((pair) => createScalarSimilarity(pair.ours, pair.theirs) ?? []),
    map: new Int32Array(channels).fill(UNMATCHED),
    isTaken: new Uint8Array(theirChannels),
  };
  const { map } = matching;
  const weight = matching.ours.width;
  if (isUnrelated(matching)) {
    const kept = unrelated === 'keep' ? Math.min(channels, theirChannels) : 0;
    for (let channel = 0; channel < kept; channel++) map[channel] = channel;
  } else {
    matchSame(matching);
    for (const width of STAGES) matchClear(matching, listAllFree(matching), { width, cosineMin: CLEAR_COSINE });
    matchRest(matching);
  }
  const similarities = Float32Array.from(map, (partner, row) =>
    partner === UNMATCHED ? 0 : toProduct(matching, row, partner, 0) + toScalars(matching, row, partner),
  );
  return { map, similarities, weight };
}

/** For each channel 1 when another channel is as like it as this cosine over all pieces: first numbers say where to look. */
export function findAlike(pieces: readonly Features[], channels: number, cosineMin: number): Uint8Array {
  const all = interleave(pieces, channels);
  const alike = new Uint8Array(channels);
  const first = pack(
    all,
    Array.from({ length: channels }, (_, at) => at),
    Math.min(LOOK_FEATURES, all.width),
  );
  const matching = { ours: all, theirs: all };
  forBlocks(first, first, (row, products) => {
    for (let other = row + 1; other < channels; other++) {
      if (products[other] < cosineMin - LOOK_MARGIN || (alike[row] === 1 && alike[other] === 1)) continue;
      if (toProduct(matching, row, other, 0) > cosineMin * all.width) alike[row] = alike[other] = 1;
    }
  });
  return alike;
}

/** Numbers by which pairs are chosen, and by how much their cosine may fall below that of all numbers: four deviations. */
const LOOK_FEATURES = 16;
const LOOK_MARGIN = 0.2;

interface Matching {
  readonly ours: Features;
  readonly theirs: Features;
  readonly scalars: readonly ((row: number, column: number) => number)[];
  readonly map: Int32Array;
  readonly isTaken: Uint8Array;
}

/** All pieces side by side, one number of each in turn, so that the first numbers of a channel come from all of them. */
function interleave(pieces: readonly Features[], rows: number): Features {
  const width = pieces.reduce((sum, piece) => sum + piece.width, 0);
  const values = new Float32Array(rows * width);
  let at = 0;
  const longest = Math.max(0, ...pieces.map((piece) => piece.width));
  for (let k = 0; k < longest; k++) {
    for (const piece of pieces) {
      if (k >= piece.width) continue;
      const root = Math.sqrt(piece.width);
      for (let row = 0; row < rows; row++) values[row * width + at] = root * piece.values[row * piece.width + k];
      at++;
    }
  }
  return { rows, width, values };
}

function toProduct(
  { ours, theirs }: Pick<Matching, 'ours' | 'theirs'>,
  row: number,
  column: number,
  first: number,
): number {
  const { width } = ours;
  let sum = 0;
  for (let i = first; i < width; i++) sum += ours.values[row * width + i] * theirs.values[column * width + i];
  return sum;
}

function toScalars({ scalars }: Matching, row: number, column: number): number {
  return scalars.reduce((sum, toSimilarity) => sum + toSimilarity(row, column), 0);
}

/** Whether some channels, evenly chosen, find no more likeness than chance lets expect. */
function isUnrelated({ ours, theirs }: Matching): boolean {
  if (ours.width === 0) return true;
  const count = Math.min(PROBES, ours.rows);
  const probes = pack(
    ours,
    Array.from({ length: count }, (_, at) => Math.floor((at * ours.rows) / count)),
  );
  const { best } = findNearest(probes, theirs);
  const least = Math.sqrt(ours.width) * UNRELATED_DEVIATIONS;
  return best.reduce((sum, value) => sum + Number(value >= least), 0) < PROBES_ALIKE;
}

interface Free {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

function listAllFree({ map, isTaken }: Matching): Free {
  return { rows: listFree(map, UNMATCHED), columns: listFree(isTaken, 0) };
}

/** Nearly equal channels mostly have the same number, and sign, as the largest of their first ones: only those are compared. */
function matchSame(matching: Matching): void {
  const [width] = STAGES;
  const { ours, theirs } = matching;
  if (width >= ours.width) return;
  const [a, b] = [ours, theirs].map((features) => groupByLargest(features, width));
  a.forEach((rows, key) => {
    matchClear(matching, { rows, columns: b[key] }, { width, cosineMin: SAME_COSINE });
  });
}

function groupByLargest({ rows, width, values }: Features, first: number): Int32Array[] {
  const groups = Array.from({ length: 2 * first }, (): number[] => []);
  for (let row = 0; row < rows; row++) {
    let [largest, at] = [0, 0];
    for (let i = 0; i < first; i++) {
      const size = Math.abs(values[row * width + i]);
      if (size > largest) [largest, at] = [size, i];
    }
    groups[2 * at + Number(values[row * width + at] < 0)].push(row);
  }
  return groups.map((group) => Int32Array.from(group));
}

interface Clear {
  /** First numbers that are compared. */
  readonly width: number;
  /** Of the other numbers. */
  readonly cosineMin: number;
}

/** Pairs that are each other's nearest by their first numbers, with nothing else near, and like by the other numbers. */
function matchClear(matching: Matching, { rows, columns }: Free, { width, cosineMin }: Clear): void {
  const { ours, theirs, map, isTaken } = matching;
  if (rows.length === 0 || columns.length === 0 || 2 * width > ours.width) return;
  const { best, second, column, row } = findNearest(pack(ours, rows, width), pack(theirs, columns, width));
  for (let at = 0; at < rows.length; at++) {
    if (row[column[at]] !== at || best[at] - second[at] < CLEAR_GAP) continue;
    const [own, other] = [rows[at], columns[column[at]]];
    const size = Math.sqrt(toSquares(ours, own, width) * toSquares(theirs, other, width));
    if (toProduct(matching, own, other, width) < cosineMin * size) continue;
    map[own] = other;
    isTaken[other] = 1;
  }
}

function toSquares({ width, values }: Features, row: number, first: number): number {
  let sum = 0;
  for (let i = first; i < width; i++) sum += values[row * width + i] ** 2;
  return sum;
}

/**
 * Each other's nearest, again and again, which is by falling similarity; the last ones exactly. Where that settles hardly any,
 * because channels are dead or copies of one another, all that are left take what is free in turn: else each would cost a round.
 */
function matchRest(matching: Matching): void {
  const { ours, theirs, map, isTaken } = matching;
  const { exactAssignmentMax } = ALIGN_LIMITS;
  const exactMax = Math.max(ours.rows, theirs.rows) > exactAssignmentMax ? EXACT_MAX : exactAssignmentMax;
  for (;;) {
    const { rows, columns } = listAllFree(matching);
    if (rows.length === 0 || columns.length === 0) return;
    const [a, b] = [pack(ours, rows), pack(theirs, columns)];
    const more = (at: number, other: number): number => toScalars(matching, rows[at], columns[other]);
    const add = matching.scalars.length === 0 ? undefined : more;
    const take = (at: number, other: number): void => {
      map[rows[at]] = columns[other];
      isTaken[columns[other]] = 1;
    };
    if (Math.max(rows.length, columns.length) <= exactMax) {
      const matrix = toProducts(a, b, add);
      assign(matrix).forEach((other, at) => {
        if (other !== UNMATCHED) take(at, other);
      });
      return;
    }
    const { best, column, row } = findNearest(a, b, add);
    let settled = 0;
    column.forEach((other, at) => {
      if (best[at] === Number.NEGATIVE_INFINITY || row[other] !== at) return;
      take(at, other);
      settled++;
    });
    if (settled >= ROUND_SHARE * rows.length) continue;
    takeInTurn(matching, listAllFree(matching));
    return;
  }
}

/** Every row takes the nearest column that is still free; among equal ones the first. */
function takeInTurn(matching: Matching, { rows, columns }: Free): void {
  const { ours, theirs, map, isTaken } = matching;
  const hasScalars = matching.scalars.length > 0;
  const add = hasScalars ? (at: number, other: number) => toScalars(matching, rows[at], columns[other]) : undefined;
  const visit = (at: number, products: Float32Array): void => {
    let [largest, nearest] = [Number.NEGATIVE_INFINITY, UNMATCHED];
    for (let c = 0; c < products.length; c++) {
      if (products[c] > largest && isTaken[columns[c]] === 0) [largest, nearest] = [products[c], columns[c]];
    }
    if (nearest === UNMATCHED) return;
    map[rows[at]] = nearest;
    isTaken[nearest] = 1;
  };
  forBlocks(pack(ours, rows), pack(theirs, columns), visit, add);
}

function listFree(all: Int32Array | Uint8Array, free: number): Int32Array {
  return Int32Array.from(all.keys()).filter((at) => all[at] === free);
}

/** Some rows, or the first numbers of them at unit length. */
function pack({ width, values }: Features, rows: ArrayLike<number>, first = width): Features {
  const packed = new Float32Array(rows.length * first);
  for (let at = 0; at < rows.length; at++) {
    const row = values.subarray(rows[at] * width, rows[at] * width + first);
    const scale = first === width ? 1 : 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) || 1);
    for (let i = 0; i < first; i++) packed[at * first + i] = row[i] * scale;
  }
  return { rows: rows.length, width: first, values: packed };
}

type More = ((row: number, column: number) => number) | undefined;

function toProducts(a: Features, b: Features, more: More): SimilarityMatrix {
  const matrix = { rows: a.rows, columns: b.rows, values: new Float32Array(a.rows * b.rows) };
  addProducts(matrix, a, b, 1);
  addMore(matrix, 0, more);
  return matrix;
}

function addMore({ rows, columns, values }: SimilarityMatrix, first: number, more: More): void {
  if (more === undefined) return;
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) values[r * columns + c] += more(first + r, c);
}

interface Nearest {
  /** For each row its largest and second largest product, and the column of the largest. */
  readonly best: Float32Array;
  readonly second: Float32Array;
  readonly column: Int32Array;
  /** For each column the row of its largest product. */
  readonly row: Int32Array;
}

/** Rows whose products are held at a time. */
const BLOCK_ROWS = 16;

function findNearest(a: Features, b: Features, more?: More): Nearest {
  const [best, second] = [a, a].map(({ rows }) => new Float32Array(rows).fill(Number.NEGATIVE_INFINITY));
  const [column, row] = [new Int32Array(a.rows), new Int32Array(b.rows)];
  const bestOfColumn = new Float32Array(b.rows).fill(Number.NEGATIVE_INFINITY);
  forBlocks(
    a,
    b,
    (at, products) => {
      let [largest, next, nearest] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
      for (let c = 0; c < products.length; c++) {
        const value = products[c];
        if (value > largest) {
          next = largest;
          largest = value;
          nearest = c;
        } else if (value > next) next = value;
        if (value > bestOfColumn[c]) {
          bestOfColumn[c] = value;
          row[c] = at;
        }
      }
      best[at] = largest;
      second[at] = next;
      column[at] = nearest;
    },
    more,
  );
  return { best, second, column, row };
}

/** The products of each row of `a` with all rows of `b`, in turn; few of them are held at a time. */
function forBlocks(a: Features, b: Features, visit: (row: number, products: Float32Array) => void, more?: More): void {
  const held = new Float32Array(BLOCK_ROWS * b.rows);
  for (let first = 0; first < a.rows; first += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, a.rows - first);
    const block = { rows, width: a.width, values: a.values.subarray(first * a.width, (first + rows) * a.width) };
    const matrix = { rows, columns: b.rows, values: held };
    held.fill(0);
    addProducts(matrix, block, b, 1);
    addMore(matrix, first, more);
    for (let r = 0; r < rows; r++) visit(first + r, held.subarray(r * b.rows, (r + 1) * b.rows));
  }
}
