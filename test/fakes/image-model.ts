/** A model that gives its input back as an image, or as any other tensor: something to put output marks into. */
import * as P from '../formats/proto.ts';

export type ImageModel = { readonly output: string; readonly dtype: string; readonly opset?: number } & (
  | { readonly layout: 'nchw' | 'nhwc'; readonly channels: number; readonly height: number; readonly width: number }
  | { readonly shape: readonly (number | string)[] }
);

/** f32 input "x"; the output is |x|, or its whole part as bytes. */
export function imageModel(model: ImageModel): Uint8Array {
  const { output, dtype, opset = 18 } = model;
  const shape = 'shape' in model ? model.shape : toShape(model);
  const isBytes = dtype === 'u8';
  const last = isBytes
    ? P.node('Cast', ['r'], [output], P.attribute('to', 2, P.int(3, P.CODE.u8)))
    : P.node('Identity', ['r'], [output]);
  const value = (number: number, name: string, code: number): Uint8Array =>
    P.len(number, P.str(1, name), toType(code, shape));
  return P.join(
    P.int(1, 8),
    P.len(8, P.int(2, opset)),
    P.len(
      7,
      P.node('Abs', ['x'], ['r']),
      last,
      P.str(2, 'main'),
      value(11, 'x', P.CODE.f32),
      value(12, output, isBytes ? P.CODE.u8 : P.CODE.f32),
    ),
  );
}

function toShape({
  layout,
  channels,
  height,
  width,
}: {
  layout: string;
  channels: number;
  height: number;
  width: number;
}) {
  return layout === 'nchw' ? ['batch', channels, height, width] : ['batch', height, width, channels];
}

/** TypeProto of a tensor. */
function toType(code: number, shape: readonly (number | string)[]): Uint8Array {
  const dims = shape.map((dim) => P.len(1, typeof dim === 'number' ? P.int(1, dim) : P.str(2, dim)));
  return P.len(2, P.len(1, P.int(1, code), P.len(2, ...dims)));
}
