/** What was found inside heads, done to the suspect's layers: to all of one, or to a part without reading the rest. */
import type { Lattice, LatticeChange, LatticePart } from '../lattice.ts';
import type { Block } from './bond.ts';
import { addMixed, mixRows } from './matrix.ts';

/** What becomes of the blocks of one head: block `first + i` is what was block `first + order[i]`, its rows mixed. */
export interface Move {
  readonly first: number;
  readonly order: Int32Array;
  /** [width, width]; null where rows stay as they are. */
  readonly matrix: Float64Array | null;
}

export interface Moves {
  readonly side: 'out' | 'in';
  /** Entries of a block. */
  readonly width: number;
  /** The suspect's entries of all blocks, one block after the other. */
  readonly entries: Int32Array;
  readonly moves: readonly Move[];
}

export function createChange(moves: Moves): LatticeChange {
  return {
    apply: (lattice) => {
      for (const move of moves.moves) moveBlocks(lattice, moves, move);
    },
    readPart: (read, part) => readMoved(moves, read, part),
  };
}

function moveBlocks(lattice: Lattice, { side, width, entries }: Moves, { first, order, matrix }: Move): void {
  const toRun = (block: number): Int32Array => entries.subarray(block * width, (block + 1) * width);
  const length = side === 'out' ? lattice.inLength : lattice.outLength;
  const others = Int32Array.from({ length }, (_, at) => at);
  const blocks = Array.from(order, (from) => readBlock(lattice, side, toRun(first + from), others));
  blocks.forEach((block, at) => {
    const mixed = matrix === null ? block : mixRows(matrix, block, width);
    toRun(first + at).forEach((entry, row) => {
      for (let k = 0; k < length; k++) {
        lattice.values[toIndex(lattice, side, entry, k)] = mixed[row * length + k];
      }
    });
  });
}

/** Some entries of one side over some of the other, row after row. */
export function readBlock(lattice: Lattice, side: 'out' | 'in', entries: Int32Array, others: Int32Array): Block {
  const block = new Float32Array(entries.length * others.length);
  for (let row = 0; row < entries.length; row++) {
    for (let k = 0; k < others.length; k++) {
      block[row * others.length + k] = lattice.values[toIndex(lattice, side, entries[row], others[k])];
    }
  }
  return block;
}

function toIndex(lattice: Lattice, side: 'out' | 'in', own: number, other: number): number {
  return side === 'out' ? lattice.toIndex(own, other) : lattice.toIndex(other, own);
}

/** Where an entry comes from: itself, another one, or a mixture of a block's. */
interface Source {
  readonly entries: Int32Array;
  readonly factors: Float64Array | null;
}

function readMoved(moves: Moves, read: (part: LatticePart) => Lattice, part: LatticePart): Lattice {
  const { side } = moves;
  const [wanted, others] = side === 'out' ? [part.out, part.in] : [part.in, part.out];
  const sources = listSources(moves, wanted);
  const needed = Int32Array.from(new Set(sources.flatMap(({ entries }) => [...entries]))).sort();
  const places = new Map(Array.from(needed, (entry, place) => [entry, place] as const));
  const lattice = read(side === 'out' ? { out: needed, in: others } : { out: others, in: needed });
  const toPlain = (length: number): Int32Array => Int32Array.from({ length }, (_, at) => at);
  const lines = readBlock(lattice, side, toPlain(needed.length), toPlain(others.length));
  const toLines = ({ entries }: Source): Float32Array => {
    const [first, last] = [places.get(entries[0])!, places.get(entries[entries.length - 1])!];
    if (last - first === entries.length - 1) return lines.subarray(first * others.length, (last + 1) * others.length);
    return readBlock(
      lattice,
      side,
      Int32Array.from(entries, (entry) => places.get(entry)!),
      toPlain(others.length),
    );
  };
  const values = new Float32Array(wanted.length * others.length);
  sources.forEach((source, at) => {
    const into = values.subarray(at * others.length, (at + 1) * others.length);
    if (source.factors === null) into.set(toLines(source));
    else addMixed(into, source.factors, toLines(source));
  });
  const steps = side === 'out' ? ([others.length, 1] as const) : ([1, others.length] as const);
  return {
    ...{ values, outLength: part.out.length, inLength: part.in.length, kernel: Int32Array.of(0), steps },
    toIndex: (out, input) => out * steps[0] + input * steps[1],
  };
}

function listSources({ width, entries, moves }: Moves, wanted: Int32Array): Source[] {
  const moved = new Map<number, Source>();
  for (const { first, order, matrix } of moves) {
    order.forEach((from, at) => {
      const [own, source] = [first + at, first + from].map((block) =>
        entries.subarray(block * width, (block + 1) * width),
      );
      own.forEach((entry, row) => {
        const factors = matrix === null ? null : matrix.subarray(row * width, (row + 1) * width);
        moved.set(entry, { entries: factors === null ? source.subarray(row, row + 1) : source, factors });
      });
    });
  }
  return Array.from(wanted, (entry) => moved.get(entry) ?? { entries: Int32Array.of(entry), factors: null });
}
