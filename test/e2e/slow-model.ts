/** A model that takes its time. */
import { f32Bytes, tinyModel, tinyNode, tinyTensor, tinyValue } from '../tiny-onnx.ts';

/** 200 products of a row with 700 x 700 numbers: some tenths of a second for 64 rows, on one core. */
export function makeSlowModel(): Uint8Array {
  const side = 700;
  const names = Array.from({ length: 200 }, (_, n) => `h${n}`);
  return tinyModel({
    inputs: [tinyValue('x', 'f32', ['n', 1])],
    outputs: [tinyValue('y', 'f32', ['n', 1])],
    nodes: [
      tinyNode('MatMul', ['x', 'u'], ['h0']),
      ...names.slice(1).map((name, n) => tinyNode('MatMul', [names[n], 'w'], [name])),
      tinyNode('MatMul', [names.at(-1)!, 'v'], ['y']),
    ],
    tensors: [
      tinyTensor('u', 'f32', [1, side], f32Bytes(new Float32Array(side).fill(1))),
      tinyTensor('w', 'f32', [side, side], f32Bytes(new Float32Array(side * side).fill(1 / side))),
      tinyTensor('v', 'f32', [side, 1], f32Bytes(new Float32Array(side).fill(1 / side))),
    ],
  });
}
