/** The small models that the tests of baselines and verification alter. */
import { f32Bytes, type Part, tinyModel, tinyNode, tinyTensor, tinyValue } from '../tiny-onnx.ts';
import { safetensors } from './helpers.ts';

export const ramp = (length: number, scale = 0.5): Uint8Array =>
  f32Bytes(Array.from({ length }, (_, index) => Math.sin(index * scale)));

/** 160,000 bytes: two whole leaves and a part of a third. */
export const big = ramp(40_000, 0.1);

export const weights = [
  { name: 'a.weight', dtype: 'F32', shape: [200, 200], data: big },
  { name: 'b.weight', dtype: 'F32', shape: [4, 4], data: ramp(16) },
  { name: 'c.weight', dtype: 'F32', shape: [4, 4], data: ramp(16, 0.7) },
];

export const plain = safetensors(weights, { author: 'us' });
export const files = { 'm.safetensors': plain };

/** The same model with its tensors in another order. */
export const reorder = (order: readonly number[], metadata: Record<string, string> = { author: 'us' }) => ({
  'm.safetensors': safetensors(
    order.map((index) => weights[index]),
    metadata,
  ),
});

/** Weights of `mlp`, 8 x 8. */
export const square = ramp(64);

export function mlp(options: { tensors?: readonly Part[]; nodes?: readonly Part[] } = {}): Uint8Array {
  return tinyModel({
    inputs: [tinyValue('x', 'f32', [1, 8])],
    outputs: [tinyValue('y', 'f32', [1, 8])],
    nodes: options.nodes ?? [tinyNode('MatMul', ['x', 'w'], ['h']), tinyNode('Relu', ['h'], ['y'])],
    tensors: options.tensors ?? [tinyTensor('w', 'f32', [8, 8], square)],
  });
}
