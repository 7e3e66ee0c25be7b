/** How a tensor is cut to be moved: lines of the file, and runs within a line that stay together (docs/spec/recipient-code.md §3.3). */
import { DTYPES } from '../../model/dtype.ts';
import type { TensorRef } from '../../model/types.ts';
import type { TensorPart } from './tensor-parts.ts';

/** Vectors up to this many bytes are looked at for being all the same. */
const UNIFORM_BYTES_MAX = 1024 * 1024;

/** A tensor as lines of `runs` runs; lines and runs each lie in one piece. */
export interface Cut {
  /** Axis whose entries choose the line, or null. */
  readonly lineAxis: number | null;
  /** Axis whose entries are the runs of a line, or null when a line is one run. */
  readonly runAxis: number | null;
  readonly runs: number;
  /** Bits of a run, and of a line. */
  readonly runBits: number;
  readonly lineBits: number;
}

/** Below this many bits, entries of a single moving axis are gathered in whole lines. */
const SHORT_RUN_BITS = 512;

/** The cut of a tensor in which `axes` move: at most two, each once. */
export function toCut({ dtype }: Pick<TensorRef, 'dtype'>, shape: readonly number[], axes: readonly number[]): Cut {
  const { bits } = DTYPES[dtype];
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0];
  const second = sorted.at(1);
  const countAfter = (axis: number): number => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const last = second ?? first;
  const runBits = countAfter(last) * bits;
  if (second === undefined && runBits >= SHORT_RUN_BITS) {
    return { lineAxis: first, runAxis: null, runs: 1, runBits, lineBits: runBits };
  }
  const runs = shape[last];
  return { lineAxis: second === undefined ? null : first, runAxis: last, runs, runBits, lineBits: runs * runBits };
}

/** False when the type packs elements so that a run or a line cannot be moved by itself. */
export function isMovable({ tensor, shape, axes }: Pick<TensorPart, 'tensor' | 'shape' | 'axes'>): boolean {
  const { block, bits } = DTYPES[tensor.dtype];
  const cut = toCut(
    tensor,
    shape,
    axes.map(({ axis }) => axis),
  );
  const moved = cut.runAxis ?? cut.lineAxis ?? 0;
  const runElements = shape.slice(moved + 1).reduce((product, dim) => product * dim, 1);
  if (block !== undefined) return runElements % block.elements === 0;
  if (bits % 8 === 0) return true;
  return (bits === 4 || bits === 2) && cut.lineBits % 8 === 0;
}

/** A vector of equal entries is the same in any order, and may serve many operators. */
export function isUniform({ tensor, axes }: Pick<TensorPart, 'tensor' | 'axes'>): boolean {
  const { bits, block } = DTYPES[tensor.dtype];
  if (axes.length !== 1 || block !== undefined || bits % 8 !== 0 || bits === 0) return false;
  if (tensor.byteLength > UNIFORM_BYTES_MAX || tensor.shape.length > 1) return false;
  const bytes = Buffer.alloc(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes.subarray(bits / 8).equals(bytes.subarray(0, Math.max(0, bytes.length - bits / 8)));
}
