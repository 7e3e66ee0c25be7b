/** Between a network's weights and the format-neutral model: what marks, seals and digests work on. */
import { openModel } from '../formats/index.ts';
import { decodeFloats, isFloatDType } from '../model/floats.ts';
import type { Model, TensorEdit } from '../model/types.ts';
import { openBufferSource } from '../source/index.ts';
import { toOnnx } from './export/onnx.ts';
import { toSafetensors } from './export/safetensors.ts';
import type { NetworkSpec, Weights } from './spec.ts';

/** The network as an opened ONNX (or safetensors) model in memory. */
export function openNetwork(spec: NetworkSpec, weights: Weights, format: 'onnx' | 'safetensors' = 'onnx'): Model {
  const name = `${spec.name}.${format}`;
  const bytes = format === 'onnx' ? toOnnx(spec, weights) : toSafetensors(spec, weights);
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

/** Copies `weights` with a model's tensor edits applied; the tensors are float32. */
export function applyTensorEdits(weights: Weights, edits: readonly TensorEdit[]): Map<string, Float32Array> {
  const edited = new Map([...weights].map(([name, values]) => [name, values.slice()]));
  for (const { tensor, apply } of edits) {
    const values = edited.get(tensor);
    if (values === undefined) throw new TypeError(`the network has no tensor ${tensor}`);
    apply(0, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return edited;
}

/** The floating-point tensors of a model by name, as float32: the way back into a network. */
export function readWeights(model: Model): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const tensor of model.tensors) {
    if (!isFloatDType(tensor.dtype)) continue;
    const bytes = new Uint8Array(tensor.byteLength);
    tensor.read(0, bytes);
    const values = new Float32Array(tensor.elementCount);
    decodeFloats(tensor.dtype, bytes, values);
    weights.set(tensor.name, values);
  }
  return weights;
}
