/** Convolution and pooling: windows that slide over the spatial axes. */
import type { DType } from '../../../model/dtype.ts';
import { type Call, one, type Rule, rows } from '../call.ts';
import { findUnified, toScaled, toSum } from '../dims.ts';
import { type Dim, type Shape, toTensorType } from '../types.ts';

interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begins, then ends; null for those that follow from `auto_pad`. */
  readonly pads: readonly number[];
  readonly autoPad: string;
  readonly ceil: boolean;
}

function toWindow(call: Call, kernel: readonly Dim[]): Window {
  const ones = kernel.map(() => 1);
  return {
    kernel,
    strides: fitted(call.ints('strides'), ones),
    dilations: fitted(call.ints('dilations'), ones),
    pads: fitted(
      call.ints('pads'),
      [...kernel, ...kernel].map(() => 0),
    ),
    autoPad: call.text('auto_pad', 'NOTSET'),
    ceil: call.int('ceil_mode', 0) !== 0,
  };
}

/** A list of another length than the axes does not count: the checker of a runtime refuses it. */
function fitted(list: readonly number[] | null, fallback: readonly number[]): readonly number[] {
  return list?.length === fallback.length && list.every((n) => n >= 0) ? list : fallback;
}

/** How many windows fit along one axis. */
function toWindowCount(dim: Dim, axis: number, { kernel, strides, dilations, pads, autoPad, ceil }: Window): Dim {
  const stride = Math.max(1, strides[axis]);
  if (autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER') {
    return typeof dim === 'number' ? Math.ceil(dim / stride) : stride === 1 ? dim : null;
  }
  const size = kernel[axis];
  if (typeof size !== 'number') return null;
  const reach = (size - 1) * dilations[axis] + 1;
  const [begin, end] = autoPad === 'VALID' ? [0, 0] : [pads[axis], pads[axis + kernel.length]];
  // As many windows as places: the length stays, whatever it is.
  if (stride === 1 && begin + end === reach - 1) return dim;
  if (typeof dim !== 'number') return null;
  const room = dim + begin + end - reach;
  if (room < 0) return null;
  const count = ceil ? Math.ceil(room / stride) + 1 : Math.floor(room / stride) + 1;
  // A window that begins in the padding at the end does not count.
  return ceil && (count - 1) * stride >= dim + begin ? count - 1 : count;
}

const conv =
  (weights: number, toDType: (call: Call) => DType | null): Rule =>
  (call) => {
    const dtype = toDType(call);
    const [x, w] = [call.shape(0), call.shape(weights)];
    const rank = x?.length ?? w?.length;
    if (rank === undefined || rank < 3) return one(toTensorType(dtype, null));
    if ((x !== null && !call.isRank(0, rank)) || !call.isRank(weights, rank)) return one(toTensorType(dtype, null));
    checkChannels(call, x, w);
    const given = call.ints('kernel_shape');
    const kernel = given?.length === rank - 2 ? given : (w?.slice(2) ?? Array.from({ length: rank - 2 }, () => null));
    const window = toWindow(call, kernel);
    const spatial = kernel.map((_, axis) => toWindowCount(x?.[axis + 2] ?? null, axis, window));
    return one(toTensorType(dtype, [x?.[0] ?? null, w?.[0] ?? null, ...spatial]));
  };

function checkChannels(call: Call, x: Shape | null, w: Shape | null): void {
  const expected = toScaled(w?.[1] ?? null, call.int('group', 1));
  if (findUnified(x?.[1] ?? null, expected) === undefined) {
    call.conflict('dimension', `${x?.[1] ?? '?'} channels for weights of ${expected ?? '?'}`);
  }
}

const convTranspose: Rule = (call) => {
  const { dtype, shape: x } = call.tensor(0);
  const w = call.shape(1);
  if (x === null || w === null || x.length < 3 || !call.isRank(1, x.length)) return one(toTensorType(dtype, null));
  const given = call.ints('kernel_shape');
  const kernel = given?.length === x.length - 2 ? given : w.slice(2);
  const window = toWindow(call, kernel);
  const extra = fitted(
    call.ints('output_padding'),
    kernel.map(() => 0),
  );
  const fixed = call.ints('output_shape');
  const spatial = kernel.map((size, axis): Dim => {
    if (fixed !== null) return fixed.at(axis - kernel.length) ?? null;
    const dim = x[axis + 2];
    const stride = window.strides[axis];
    if (window.autoPad.startsWith('SAME')) return toScaled(dim, stride);
    if (typeof size !== 'number' || typeof dim !== 'number') return null;
    const reach = (size - 1) * window.dilations[axis] + 1;
    const pads = window.autoPad === 'VALID' ? 0 : window.pads[axis] + window.pads[axis + kernel.length];
    return stride * (dim - 1) + extra[axis] + reach - pads;
  });
  return one(toTensorType(dtype, [x[0], toScaled(w[1], call.int('group', 1)), ...spatial]));
};

const deformConv: Rule = conv(1, (call) => call.tensor(0).dtype);

/** A pool keeps batch and channels; a second output, of indices, has the same shape. */
const pool: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const kernel = call.ints('kernel_shape');
  if (shape === null || kernel === null || shape.length !== kernel.length + 2) {
    if (shape !== null && kernel !== null) call.isRank(0, kernel.length + 2);
    return [toTensorType(dtype, null), toTensorType('i64', null)];
  }
  const window = toWindow(call, kernel);
  const dims = [...shape.slice(0, 2), ...kernel.map((_, axis) => toWindowCount(shape[axis + 2], axis, window))];
  return [toTensorType(dtype, dims), toTensorType('i64', dims)];
};

const globalPool: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  return one(toTensorType(dtype, shape?.map((dim, axis) => (axis < 2 ? dim : 1)) ?? null));
};

const maxUnpool: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const given = call.has(2) ? call.elements(2) : null;
  if (call.has(2)) return one(toTensorType(dtype, given ?? shape?.map(() => null) ?? null));
  const kernel = call.ints('kernel_shape');
  if (shape === null || kernel?.length !== shape.length - 2) return one(toTensorType(dtype, null));
  const { strides, pads } = toWindow(call, kernel);
  const spatial = kernel.map((size, axis) =>
    toSum([toScaled(shape[axis + 2], strides[axis]), size - strides[axis] - pads[axis] - pads[axis + kernel.length]]),
  );
  return one(toTensorType(dtype, [...shape.slice(0, 2), ...spatial]));
};

export const WINDOW: Readonly<Record<string, Rule>> = Object.fromEntries([
  ['Conv', conv(1, (call) => call.tensor(0).dtype)],
  ['ConvInteger', conv(1, () => 'i32')],
  ['QLinearConv', conv(3, (call) => call.tensor(7).dtype)],
  ['ConvTranspose', convTranspose],
  ['DeformConv', deformConv],
  ['MaxUnpool', maxUnpool],
  ...rows(pool, 'AveragePool LpPool MaxPool'),
  ...rows(globalPool, 'GlobalAveragePool GlobalLpPool GlobalMaxPool'),
]);
