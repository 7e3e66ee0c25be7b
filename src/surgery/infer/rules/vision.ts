/** Operators on images and boxes. */
import { type Call, one, type Rule } from '../call.ts';
import { toQuotient } from '../dims.ts';
import { type Dim, type Elements, type Shape, toTensorType } from '../types.ts';

/** Upsample took what Resize takes, in other places. */
function toScales(call: Call): Elements | null {
  if (call.op === 'Upsample' && call.version < 9) {
    const scales = call.attribute('scales');
    return scales?.kind === 'floats' ? scales.values : null;
  }
  const at = call.op === 'Upsample' || call.version < 11 ? 1 : 2;
  return call.has(at) && call.dim(at, 0) !== 0 ? call.tensor(at).value : null;
}

const resize: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return one(toTensorType(dtype, null));
  const given = call.ints('axes') ?? shape.map((_, axis) => axis);
  const axes = call.axes(given, shape.length);
  const sizes = call.op === 'Resize' && call.version >= 11 && call.has(3) ? call.elements(3) : null;
  const isSized = call.op === 'Resize' && call.has(3) && call.dim(3, 0) !== 0;
  const scales = isSized ? null : toScales(call);
  const isKnown = axes !== null && (sizes ?? scales)?.length === axes.length;
  const dims = shape.map((dim, axis): Dim => {
    const i = axes?.indexOf(axis) ?? -1;
    if (axes !== null && i < 0) return dim;
    if (!isKnown) return null;
    return isSized ? toSized(call, sizes!, i) : toScaledDim(dim, scales![i]);
  });
  return one(toTensorType(dtype, dims));
};

/** Under a policy that keeps the aspect ratio, the sizes are only bounds. */
function toSized(call: Call, sizes: Elements, i: number): Dim {
  return call.text('keep_aspect_ratio_policy', 'stretch') === 'stretch' ? sizes[i] : null;
}

function toScaledDim(dim: Dim, scale: Dim): Dim {
  if (scale === 1) return dim;
  if (typeof dim !== 'number' || typeof scale !== 'number') return null;
  // Scales are single floats: 0.6 of 5 is 3, not the 2 that a double would make of it.
  return Math.floor(Math.fround(dim * scale));
}

const gridSample: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const grid = call.shape(1);
  if (shape === null || grid === null) return one(toTensorType(dtype, null));
  return one(toTensorType(dtype, [shape[0] ?? null, shape[1] ?? null, ...grid.slice(1, -1)]));
};

const affineGrid: Rule = (call) => {
  const { dtype } = call.tensor(0);
  const size = call.elements(1);
  if (size === null) return one(toTensorType(dtype, null));
  return one(toTensorType(dtype, [size[0], ...size.slice(2), size.length - 2]));
};

const roiAlign: Rule = (call) => {
  const { dtype } = call.tensor(0);
  const size = [call.int('output_height', 1), call.int('output_width', 1)];
  return one(toTensorType(dtype, [call.dim(1, 0), call.dim(0, 1), ...size]));
};

const maxRoiPool: Rule = (call) => {
  const size = call.ints('pooled_shape');
  return one(
    toTensorType(call.tensor(0).dtype, [call.dim(1, 0), call.dim(0, 1), size?.[0] ?? null, size?.[1] ?? null]),
  );
};

const nonMaxSuppression: Rule = () => one(toTensorType('i64', [null, 3]));

const centerCropPad: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  if (shape === null) return one(toTensorType(dtype, null));
  const axes = call.axes(call.ints('axes') ?? shape.map((_, axis) => axis), shape.length);
  const target = call.elements(1);
  const dims = shape.map((dim, axis): Dim => {
    const i = axes?.indexOf(axis) ?? -1;
    return axes !== null && i < 0 ? dim : (target?.[i] ?? null);
  });
  return one(toTensorType(dtype, dims));
};

const col2Im: Rule = (call) => {
  const { dtype, shape } = call.tensor(0);
  const [image, block] = [call.elements(1), call.numbers(2)];
  if (image === null) return one(toTensorType(dtype, null));
  const size = block === null ? null : block.reduce((product, dim) => product * dim, 1);
  const channels = size === null || shape === null ? null : toQuotient([shape[1] ?? null], [size]);
  return one(toTensorType(dtype, [shape?.[0] ?? null, channels, ...image] satisfies Shape));
};

const imageDecoder: Rule = () => one(toTensorType('u8', [null, null, null]));

const det: Rule = (call) => one(toTensorType(call.tensor(0).dtype, call.shape(0)?.slice(0, -2) ?? null));

export const VISION: Readonly<Record<string, Rule>> = {
  AffineGrid: affineGrid,
  CenterCropPad: centerCropPad,
  Col2Im: col2Im,
  Det: det,
  GridSample: gridSample,
  ImageDecoder: imageDecoder,
  MaxRoiPool: maxRoiPool,
  NonMaxSuppression: nonMaxSuppression,
  Resize: resize,
  RoiAlign: roiAlign,
  Upsample: resize,
};
