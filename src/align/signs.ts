/**
 * Signs that were turned where that is free: a channel of a stream without mean and bias in every writer and reader, hidden
 * units before a linear gate, odd activations (docs/spec/watermark.md §7.5).
 */
import { UNMATCHED } from './assignment.ts';
import { toMapped } from './aligned-layer.ts';
import type { ChannelMaps, LayerPair, Mapped } from './channel-maps.ts';
import { isReadByParts } from './large.ts';
import {
  type Lattice,
  type LatticeChange,
  type LatticeChanges,
  type LayerShape,
  type LoadLattice,
  toLengths,
} from './lattice.ts';

/** Values without their signs, in both models: channels can be matched by them whatever was turned. */
export function dropSigns(pairs: readonly LayerPair[]): LatticeChanges {
  const apply = ({ values }: Lattice): void => {
    for (let i = 0; i < values.length; i++) values[i] = Math.abs(values[i]);
  };
  const readPart: LatticeChange['readPart'] = (read, part) => {
    const lattice = read(part);
    apply(lattice);
    return lattice;
  };
  const drop: LatticeChange = { apply, readPart };
  return new Map(
    pairs.flatMap(({ ours, theirs }): [LayerShape, LatticeChange[]][] =>
      ours === null || theirs === null
        ? []
        : [
            [ours, [drop]],
            [theirs, [drop]],
          ],
    ),
  );
}

/**
 * For every layer whose channels are known the signs of its rows and columns that bring it closest to the original. A layer that
 * stays unlike, and those around heads, whose insides are undone together, take what tables and logits say of their channels.
 */
export function findSigns(
  pairs: readonly LayerPair[],
  attended: ReadonlySet<LayerPair>,
  maps: ChannelMaps,
  load: LoadLattice,
): LatticeChanges {
  const changes = new Map<LayerShape, LatticeChange[]>();
  const bySpace = new Map<number, Int8Array>();
  const unlike: { readonly pair: LayerPair; readonly mapped: Mapped }[] = [];
  const add = (pair: LayerPair, mapped: Mapped, signs: Signs): void => {
    const change: LatticeChange = {
      apply: (lattice) => {
        turn(lattice, mapped, signs);
      },
      readPart: createPartTurn(toLengths(pair.theirs!), mapped, signs),
    };
    if (signs.rows.includes(-1) || signs.columns.includes(-1)) changes.set(pair.theirs!, [change]);
  };
  for (const pair of pairs) {
    const mapped = pair.layer.in === null ? null : toMapped(pair, maps);
    if (mapped === null) continue;
    const signs = attended.has(pair) ? null : findLayerSigns(pair, mapped, load);
    if (signs === undefined) continue;
    if (signs === null || signs.likeness < LIKE_MIN) {
      unlike.push({ pair, mapped });
      continue;
    }
    add(pair, mapped, signs);
    const space = findStream(pair);
    if (space !== undefined)
      bySpace.set(space, pair.layer.out?.segments[0].space === space ? signs.rows : signs.columns);
  }
  for (const { pair, mapped } of unlike) {
    const known = (side: 'out' | 'in', length: number): Int8Array => {
      const segments = pair.layer[side]?.segments ?? [];
      const found = segments.length === 1 ? bySpace.get(segments[0].space) : undefined;
      return found?.length === length ? found : new Int8Array(length).fill(1);
    };
    const signs = { rows: known('out', mapped.out.length), columns: known('in', mapped.in.length), likeness: 0 };
    add(pair, mapped, signs);
  }
  return changes;
}

/** Cosine from which the signs of a layer are believed. */
const LIKE_MIN = 0.5;

/** The space beside an axis that never moves, whose signs are therefore the channels' own. */
function findStream({ layer }: LayerPair): number | undefined {
  const [out, input] = [layer.out?.segments ?? [], layer.in?.segments ?? []];
  if (out.length !== 1 || input.length !== 1 || out[0].space < 0 === input[0].space < 0) return undefined;
  return Math.max(out[0].space, input[0].space);
}

interface Signs {
  readonly rows: Int8Array;
  readonly columns: Int8Array;
  /** Cosine with the original, once they are turned. */
  readonly likeness: number;
}

/** Undefined where the kernels of both differ. */
function findLayerSigns(pair: LayerPair, mapped: Mapped, load: LoadLattice): Signs | undefined {
  if (isReadByParts(pair)) return toSignsByParts(pair, mapped, load);
  const [a, b] = [load(pair.ours!), load(pair.theirs!)];
  return a.kernel.length === b.kernel.length ? toSigns(a, b, mapped) : undefined;
}

/** Entries of one axis that say which signs the entries of the other one have. */
const WITNESSES = 256;

/** Rows by some of the columns, and then columns by some of the rows. */
function toSignsByParts({ ours, theirs }: LayerPair, mapped: Mapped, load: LoadLattice): Signs {
  const known = { out: listMatched(mapped.out), in: listMatched(mapped.in) };
  const read = (out: Int32Array, input: Int32Array): [Lattice, Lattice] => [
    load.part(ours!, { out, in: input }),
    load.part(theirs!, { out: out.map((own) => mapped.out[own]), in: input.map((own) => mapped.in[own]) }),
  ];
  const [a, b] = read(known.out, chooseEvenly(known.in, WITNESSES));
  const found = toSigns(a, b, { out: toPlain(a.outLength), in: toPlain(a.inLength) });
  const rows = new Int8Array(mapped.out.length).fill(1);
  known.out.forEach((own, at) => {
    rows[own] = found.rows[at];
  });
  const witnesses = chooseEvenly(known.out, WITNESSES);
  const [c, d] = read(witnesses, known.in);
  const columns = new Int8Array(mapped.in.length).fill(1);
  known.in.forEach((own, at) => {
    let sum = 0;
    witnesses.forEach((row, k) => {
      sum += rows[row] * c.values[c.toIndex(k, at)] * d.values[d.toIndex(k, at)];
    });
    columns[own] = sum < 0 ? -1 : 1;
  });
  return { rows, columns, likeness: found.likeness };
}

function listMatched(map: Int32Array): Int32Array {
  return Int32Array.from(map.keys()).filter((own) => map[own] !== UNMATCHED);
}

function chooseEvenly(all: Int32Array, most: number): Int32Array {
  const count = Math.min(most, all.length);
  return Int32Array.from({ length: count }, (_, at) => all[Math.floor((at * all.length) / count)]);
}

function toPlain(length: number): Int32Array {
  return Int32Array.from({ length }, (_, at) => at);
}

const ROUNDS = 3;

/** Rows and columns in turn, from the signs of the columns in the row that says most. */
function toSigns(a: Lattice, b: Lattice, { out, in: input }: Mapped): Signs {
  const [rows, columns] = [new Int8Array(out.length).fill(1), new Int8Array(input.length).fill(1)];
  const total = { product: 0, own: 0, other: 0 };
  const product = (row: number, column: number): number => {
    const [own, other] = toPlaces(a, b, row, column, out[row], input[column]);
    if (own < 0 || other < 0) return 0;
    let sum = 0;
    for (let k = 0; k < a.kernel.length; k++) sum += a.values[own + a.kernel[k]] * b.values[other + b.kernel[k]];
    return sum;
  };
  const first = findLoudest(product, out.length, input.length);
  for (let column = 0; column < input.length; column++) columns[column] = product(first, column) < 0 ? -1 : 1;
  for (let round = 0; round < ROUNDS; round++) {
    const sums = new Float64Array(input.length);
    total.product = 0;
    for (let row = 0; row < out.length; row++) {
      const products = Float64Array.from(input, (_, column) => product(row, column));
      const sum = products.reduce((all, value, column) => all + columns[column] * value, 0);
      rows[row] = sum < 0 ? -1 : 1;
      total.product += Math.abs(sum);
      for (let column = 0; column < input.length; column++) sums[column] += rows[row] * products[column];
    }
    sums.forEach((sum, column) => {
      columns[column] = sum < 0 ? -1 : 1;
    });
  }
  for (const value of a.values) total.own += value * value;
  for (const value of b.values) total.other += value * value;
  const likeness = total.product / (Math.sqrt(total.own * total.other) || 1);
  // Both sides turned are neither: of the two, the one that leaves more rows as they are.
  const isTurned = rows.reduce((sum, sign) => sum + sign, 0) < 0;
  const toOwn = (signs: Int8Array): Int8Array => (isTurned ? signs.map((sign) => -sign) : signs);
  return { rows: toOwn(rows), columns: toOwn(columns), likeness };
}

/** The row in which the products are largest. */
function findLoudest(product: (row: number, column: number) => number, rows: number, columns: number): number {
  let [loudest, most] = [0, -1];
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) sum += Math.abs(product(row, column));
    if (sum > most) [loudest, most] = [row, sum];
  }
  return loudest;
}

function toPlaces(
  a: Lattice,
  b: Lattice,
  row: number,
  column: number,
  out: number,
  input: number,
): readonly [number, number] {
  if (out === UNMATCHED || input === UNMATCHED) return [-1, -1];
  return [a.toIndex(row, column), b.toIndex(out, input)];
}

function turn(lattice: Lattice, { out, in: input }: Mapped, { rows, columns }: Signs): void {
  for (let row = 0; row < out.length; row++) {
    for (let column = 0; column < input.length; column++) {
      if (rows[row] === columns[column] || out[row] === UNMATCHED || input[column] === UNMATCHED) continue;
      const first = lattice.toIndex(out[row], input[column]);
      if (first < 0) continue;
      for (const offset of lattice.kernel) lattice.values[first + offset] *= -1;
    }
  }
}

/** The same in a part: both signs of every weight in it. */
function createPartTurn(
  lengths: { readonly out: number; readonly in: number },
  mapped: Mapped,
  signs: Signs,
): LatticeChange['readPart'] {
  const toTheirs = (length: number, map: Int32Array, own: Int8Array): Int8Array => {
    const turned = new Int8Array(length).fill(1);
    map.forEach((entry, at) => {
      if (entry !== UNMATCHED) turned[entry] = own[at];
    });
    return turned;
  };
  const rows = toTheirs(lengths.out, mapped.out, signs.rows);
  const columns = toTheirs(lengths.in, mapped.in, signs.columns);
  return (read, part) => {
    const lattice = read(part);
    part.out.forEach((out, row) => {
      part.in.forEach((input, column) => {
        lattice.values[lattice.toIndex(row, column)] *= rows[out] * columns[input];
      });
    });
    return lattice;
  };
}
