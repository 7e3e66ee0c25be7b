/** The edit that puts a tensor's channels in their new places: values move, none changes (docs/spec/recipient-code.md §3.3). */
import type { TensorEdit } from '../../model/types.ts';
import { type AxisMove, toAxisMove } from './axis-move.ts';
import { type Cut, toCut } from './movable.ts';
import type { Places } from './places.ts';
import type { TensorPart } from './tensor-parts.ts';

/**
 * The edits that permute `model`, which is read while they are applied: it must stay open.
 * @param parts of this model
 * @param places by space
 */
export function createOrderEdits(parts: readonly TensorPart[], places: ReadonlyMap<number, Places>): TensorEdit[] {
  return parts.flatMap((part) => {
    const moves = part.axes.map((axis) => toAxisMove(axis, places)).filter((move) => move !== null);
    return moves.length === 0 ? [] : [createMoveEdit(part, moves)];
  });
}

function createMoveEdit(part: TensorPart, moves: readonly AxisMove[]): TensorEdit {
  const { tensor, shape } = part;
  const cut = toCut(
    tensor,
    shape,
    moves.map(({ axis }) => axis),
  );
  const toSource = createLineMap(part, moves, cut);
  const gather = createGather(part, moves, cut);
  const lineBytes = cut.lineBits / 8;
  const [before, after] = [new Uint8Array(lineBytes), new Uint8Array(lineBytes)];
  let made = -1;
  const makeLine = (line: number): void => {
    if (made === line) return;
    tensor.read(toSource(line) * lineBytes, before);
    gather(line, before, after);
    made = line;
  };
  const apply = (byteOffset: number, chunk: Uint8Array): void => {
    for (let done = 0; done < chunk.length; ) {
      const at = byteOffset + done;
      const line = Math.floor(at / lineBytes);
      const from = at - line * lineBytes;
      const count = Math.min(lineBytes - from, chunk.length - done);
      makeLine(line);
      chunk.set(after.subarray(from, from + count), done);
      done += count;
    }
  };
  return { kind: 'tensor', tensor: tensor.name, apply };
}

/** Number of the line that each line's content comes from. */
function createLineMap({ shape }: TensorPart, moves: readonly AxisMove[], { lineAxis, runAxis }: Cut) {
  if (lineAxis === null) return (line: number): number => line;
  const { sources } = moves.find(({ axis }) => axis === lineAxis)!;
  // Lines below one entry of the axis: the dimensions between it and the runs.
  const below = shape.slice(lineAxis + 1, runAxis ?? lineAxis + 1).reduce((product, dim) => product * dim, 1);
  const length = shape[lineAxis];
  return (line: number): number => {
    const entry = Math.floor(line / below) % length;
    return line + (sources[entry] - entry) * below;
  };
}

type Gather = (line: number, before: Uint8Array, after: Uint8Array) => void;

function createGather(part: TensorPart, moves: readonly AxisMove[], cut: Cut): Gather {
  const { runAxis, runs, runBits } = cut;
  if (runAxis === null)
    return (_line, before, after) => {
      after.set(before);
    };
  const toRun = createRunMap(part, moves.find(({ axis }) => axis === runAxis)!, cut);
  if (runBits % 8 !== 0) {
    return (line, before, after) => {
      after.fill(0);
      for (let run = 0; run < runs; run++) copyBits(before, toRun(line, run) * runBits, after, run * runBits, runBits);
    };
  }
  const size = runBits / 8;
  return (line, before, after) => {
    for (let run = 0; run < runs; run++) {
      const from = toRun(line, run) * size;
      if (size === 4) {
        const to = run * 4;
        after[to] = before[from]!;
        after[to + 1] = before[from + 1]!;
        after[to + 2] = before[from + 2]!;
        after[to + 3] = before[from + 3]!;
      } else after.set(before.subarray(from, from + size), run * size);
    }
  };
}

/** Run of the source line that each run comes from; a grouped kernel holds the inputs of its output's group only. */
function createRunMap({ shape, groups }: TensorPart, { sources }: AxisMove, { lineAxis, runAxis, runs }: Cut) {
  if (groups <= 1) return (_line: number, run: number): number => sources[run];
  const outAxis = lineAxis ?? 0;
  const below = shape.slice(outAxis + 1, runAxis ?? outAxis + 1).reduce((product, dim) => product * dim, 1);
  const outPerGroup = shape[outAxis] / groups;
  return (line: number, run: number): number => {
    const first = Math.floor((Math.floor(line / below) % shape[outAxis]) / outPerGroup) * runs;
    return sources[first + run] - first;
  };
}

/** Copies a few bits of packed small elements, low bits first; elements never straddle bytes. */
function copyBits(from: Uint8Array, fromBit: number, into: Uint8Array, toBit: number, count: number): void {
  for (let i = 0; i < count; i += 2) {
    const pair = (from[(fromBit + i) >> 3] >> ((fromBit + i) & 7)) & 3;
    into[(toBit + i) >> 3] |= pair << ((toBit + i) & 7);
  }
}
