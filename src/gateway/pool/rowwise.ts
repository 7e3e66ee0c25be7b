/** Whether the rows of a batch touch one another: only where they do not, requests of several callers share a run. */
import { createPrfStream, type PrfStream } from '../../core/prf.ts';
import { findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import { decodeFloats, encodeFloats, isFloatDType } from '../../model/floats.ts';
import { encodeInts, isIntDType } from '../../model/ints.ts';
import type { RuntimeSession, RuntimeTensor } from '../../model/runtime.ts';
import type { ModelSignature, NamedTensor, TensorSignature } from '../ports.ts';
import { joinInputs, splitOutputs, toNamed } from './batch.ts';

/** Rows of unlike size: what takes its scale from the whole batch (dynamic quantisation) answers otherwise to each alone. */
const SCALES = [1, 8, 0.125] as const;
/** Length that is tried for axes of any length. */
const FREE_AXIS = 8;
/** Two runs of the same row differ by rounding alone; kernels for several rows add in another order. */
const TOLERANCE = { relative: 1e-3, absolute: 1e-5 } as const;
/** Values of one row; a larger input is not tried. */
const ROW_VALUES_MAX = 2 ** 24;
/** Fixed, so that the answer for one file is always the same. */
const KEY = new Uint8Array(32).fill(0x5a);

/**
 * Runs three rows alone and together. True when each row's outputs are the same to rounding: the first axis is a batch,
 * and the answer to one caller does not depend on what others ask. False also when the engine refuses the trial.
 */
export async function isRowwise(session: RuntimeSession, signature: ModelSignature): Promise<boolean> {
  const stream = createPrfStream(KEY, { domain: 0, index: 0 });
  const requests = SCALES.map((scale) => signature.inputs.map((input) => drawRow(stream, input, scale)));
  if (!requests.every((request): request is NamedTensor[] => request.every((tensor) => tensor !== null))) return false;
  try {
    const together = splitOutputs(
      await session.run(joinInputs(requests)),
      SCALES.map(() => 1),
    );
    if (together === null) return false;
    for (let at = 0; at < requests.length; at++) {
      const alone = toNamed(await session.run(joinInputs([requests[at]])));
      if (!isSame(alone, together[at])) return false;
    }
    return true;
  } catch {
    return false;
  }
}

function drawRow(stream: PrfStream, { name, dtype, shape }: TensorSignature, scale: number): NamedTensor | null {
  const dims = shape.map((length, axis) => (axis === 0 ? 1 : (length ?? FREE_AXIS)));
  const count = findElementCount(dims);
  if (count === undefined || count > ROW_VALUES_MAX) return null;
  const bytes = findPackedByteLength(dtype, count);
  if (bytes === undefined) return null;
  const data = new Uint8Array(bytes);
  if (isFloatDType(dtype)) {
    encodeFloats(
      dtype,
      Float64Array.from({ length: count }, () => (scale * stream.u32()) / 2 ** 32),
      data,
    );
  } else if (isIntDType(dtype)) {
    // Indices into tables, mostly: zero and one are in each.
    encodeInts(
      dtype,
      Float64Array.from({ length: count }, () => stream.below(2)),
      data,
    );
  } else return null;
  return { name, dtype, shape: dims, data };
}

function isSame(a: readonly NamedTensor[], b: readonly NamedTensor[]): boolean {
  return a.length === b.length && a.every((one, at) => one.data.length === b[at].data.length && isClose(one, b[at]));
}

function isClose(a: RuntimeTensor, b: RuntimeTensor): boolean {
  if (!isFloatDType(a.dtype)) return a.data.every((byte, at) => byte === b.data[at]);
  const count = findElementCount(a.shape) ?? 0;
  const [one, other] = [new Float64Array(count), new Float64Array(count)];
  decodeFloats(a.dtype, a.data, one);
  decodeFloats(a.dtype, b.data, other);
  let largest = 0;
  for (const value of one) largest = Math.max(largest, Math.abs(value));
  const bound = TOLERANCE.relative * largest + TOLERANCE.absolute;
  return one.every((value, at) => Object.is(value, other[at]) || Math.abs(value - other[at]) <= bound);
}
