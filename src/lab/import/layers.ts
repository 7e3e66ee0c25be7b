/** Layers that one node stands for (or a matrix and the bias behind it), read back into specs. */
import type { GraphNode, TensorRef } from '../../model/types.ts';
import { isFloatDType } from '../../model/floats.ts';
import { BATCH_NORM_EPSILON } from '../layers/batch-norm.ts';
import { LAYER_NORM_EPSILON } from '../layers/layer-norm.ts';
import type { LayerSpec } from '../spec.ts';
import {
  findTensor,
  holdTensor,
  type Reader,
  refuse,
  takeTensor,
  toFloat,
  toInteger,
  toIntegers,
  toText,
} from './reader.ts';

/** A layer norm's epsilon is inside a root that is not kept; this much of a difference changes nothing that counts. */
const EPSILON_SLACK = 2e-5;

function needMatrix(reader: Reader, node: GraphNode, rank: number): TensorRef {
  const tensor = findTensor(reader, node.inputs[1]);
  if (tensor?.shape.length !== rank || !isFloatDType(tensor.dtype))
    throw refuse(node, 'its weights are no constant matrix');
  return tensor;
}

/** Gemm, or MatMul with the bias that an Add behind it gives (null without one). */
export function readDense(reader: Reader, node: GraphNode, bias: TensorRef | null): LayerSpec {
  const weight = needMatrix(reader, node, 2);
  const isGemm = node.op === 'Gemm';
  const isPlain =
    toFloat(node, 'alpha', 1) === 1 && toFloat(node, 'beta', 1) === 1 && toInteger(node, 'transA', 0) === 0;
  if (isGemm && !isPlain) throw refuse(node, 'it scales or transposes its input');
  const isOutIn = isGemm && toInteger(node, 'transB', 0) === 1;
  const [first, second] = weight.shape;
  const [outputs, inputs] = isOutIn ? [first, second] : [second, first];
  const name = reader.nextName('dense');
  takeTensor(reader, `${name}.weight`, weight);
  if (bias === null) holdTensor(reader, `${name}.bias`, new Float32Array(outputs));
  else if (bias.elementCount === outputs && isFloatDType(bias.dtype)) takeTensor(reader, `${name}.bias`, bias);
  else throw refuse(node, 'its bias has another length');
  return { kind: 'dense', name, inputs, outputs, layout: isOutIn ? 'outIn' : 'inOut' };
}

export function readConv(reader: Reader, node: GraphNode): LayerSpec {
  const weight = needMatrix(reader, node, 4);
  const [outputs, perGroup, height, width] = weight.shape;
  const window = readWindow(node, { height, width });
  const groups = toInteger(node, 'group', 1);
  const bias = findTensor(reader, node.inputs[2]);
  const name = reader.nextName('conv');
  takeTensor(reader, `${name}.weight`, weight);
  if (bias !== undefined) takeTensor(reader, `${name}.bias`, bias);
  else if ((node.inputs.at(2) ?? '') !== '') throw refuse(node, 'its bias is computed');
  const sizes = { inputs: perGroup * groups, outputs, kernel: height, ...window, groups };
  return { kind: 'conv', name, ...sizes, hasBias: bias !== undefined };
}

/** Square windows, equal strides and paddings: all that the trainer knows. */
function readWindow(
  node: GraphNode,
  { height, width }: { readonly height: number; readonly width: number },
): { readonly stride: number; readonly padding: number } {
  const pads = toIntegers(node, 'pads') ?? [0, 0, 0, 0];
  const strides = toIntegers(node, 'strides') ?? [1, 1];
  const dilations = toIntegers(node, 'dilations') ?? [1, 1];
  const isEqual = (list: readonly number[]): boolean => list.every((value) => value === list[0]);
  if (height !== width || !isEqual(strides) || !isEqual(pads)) throw refuse(node, 'its windows are not square');
  if (dilations.some((value) => value !== 1)) throw refuse(node, 'its windows have gaps');
  if ((toText(node, 'auto_pad') ?? 'NOTSET') !== 'NOTSET') throw refuse(node, 'its padding depends on the input');
  return { stride: strides[0], padding: pads[0] };
}

export function readPool(node: GraphNode): LayerSpec {
  const [height = 0, width = 0] = toIntegers(node, 'kernel_shape') ?? [];
  const { stride, padding } = readWindow(node, { height, width });
  if (padding !== 0 || toInteger(node, 'ceil_mode', 0) !== 0) throw refuse(node, 'it pools over padding');
  return { kind: 'pool', mode: node.op === 'MaxPool' ? 'max' : 'average', size: height, stride };
}

/** The trainer has one epsilon; what the file's differs by goes into the variances and comes out again. */
export function readBatchNorm(reader: Reader, node: GraphNode): LayerSpec {
  const parts = ['weight', 'bias', 'running_mean', 'running_var'];
  const tensors = parts.map((_, index) => findTensor(reader, node.inputs[index + 1]));
  const name = reader.nextName('norm');
  const shift = BATCH_NORM_EPSILON - toFloat(node, 'epsilon', 1e-5);
  tensors.forEach((tensor, index) => {
    if (tensor === undefined || !isFloatDType(tensor.dtype)) throw refuse(node, 'its statistics are computed');
    takeTensor(reader, `${name}.${parts[index]}`, tensor, parts[index] === 'running_var' ? shift : 0);
  });
  return { kind: 'batchNorm', name, channels: tensors[0]!.elementCount };
}

export function readLayerNorm(reader: Reader, node: GraphNode): LayerSpec {
  const [scale, shift] = [findTensor(reader, node.inputs[1]), findTensor(reader, node.inputs[2])];
  if (scale === undefined || shift === undefined) throw refuse(node, 'it has no scale or no bias');
  if (toInteger(node, 'axis', -1) !== -1) throw refuse(node, 'it normalises more than the last axis');
  if (Math.abs(toFloat(node, 'epsilon', 1e-5) - LAYER_NORM_EPSILON) > EPSILON_SLACK)
    throw refuse(node, 'its epsilon is another');
  const name = reader.nextName('norm');
  takeTensor(reader, `${name}.weight`, scale);
  takeTensor(reader, `${name}.bias`, shift);
  return { kind: 'layerNorm', name, width: scale.elementCount };
}
