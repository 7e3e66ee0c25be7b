/**
 * BatchNormalization behind Conv, ConvTranspose or Gemm goes into weights and bias:
 * scale · (W x + b - mean) / √(variance + ε) + shift, computed in f64 and rounded once.
 */
import { SURGERY_LIMITS } from '../../../core/limits/surgery.ts';
import type { NodeView } from '../../draft/node.ts';
import { findScalar } from '../../find/query.ts';
import type { Transaction } from '../../transaction.ts';
import { isWholeFloat, type WholeFloat } from '../../verbs/derived-tensor.ts';
import { findFixedTensor, findNumbers } from '../constants.ts';
import type { Pass } from '../pass.ts';

const { channelsMax } = SURGERY_LIMITS;

/** ε when the node does not say. */
const EPSILON = 1e-5;

export const fuseBatchNorm: Pass = () =>
  Promise.resolve((tx) => {
    const notes: string[] = [];
    let fused = 0;
    for (const norm of tx.find({ op: 'BatchNormalization', domain: '', scope: '' })) {
      const fusion = findFusion(tx, norm);
      if (typeof fusion === 'string') notes.push(`${norm.outputs[0]}: ${fusion}`);
      else {
        fuse(tx, norm, fusion);
        fused++;
      }
    }
    const { initializers } = tx.cleanup();
    return { counts: { fused, left: notes.length, removedInitializers: initializers }, notes };
  });

interface Fusion {
  readonly layer: NodeView;
  readonly dtype: WholeFloat;
  /** Axis of the weights that the channels of the output lie on. */
  readonly axis: number;
  readonly factors: Float64Array;
  readonly bias: Float64Array;
}

/** What to do, or why it cannot be done. */
function findFusion(tx: Transaction, norm: NodeView): Fusion | string {
  if (!isInference(tx, norm)) return 'not in inference mode';
  const [value, ...parameters] = norm.inputs;
  const layer = tx.producer(value);
  if (layer?.domain !== '') return 'not behind a layer';
  if (tx.readers(value).length > 1 || tx.scope().outputs.some(({ name }) => name === value)) {
    return 'the layer has other readers';
  }
  const axis = findChannelAxis(layer);
  if (axis === null) return `not behind a layer whose channels can be scaled (${layer.op})`;
  const weights = findFixedTensor(tx, layer.inputs[1] ?? '');
  if (weights === undefined || !isWholeFloat(weights.dtype)) return 'the weights are not constant floats';
  if (tx.readers(layer.inputs[1]).length > 1) return 'the weights are shared';
  const numbers = parameters.map((name) => findNumbers(findFixedTensor(tx, name), channelsMax));
  const [scale, shift, mean, variance] = numbers;
  const count = weights.shape[axis];
  if (numbers.length !== 4 || numbers.some((list) => list?.length !== count)) return 'its parameters are not constant';
  const before = findBias(tx, layer, count);
  if (before === null) return 'the bias is not constant, or not one per channel';
  const epsilon = findScalar(norm.attributes, 'epsilon') ?? EPSILON;
  const factors = scale!.map((s, i) => s / Math.sqrt(variance![i] + Number(epsilon)));
  const bias = before.map((b, i) => (b - mean![i]) * factors[i] + shift![i]);
  if (![...factors, ...bias].every(Number.isFinite)) return 'its parameters are not finite';
  return { layer, dtype: weights.dtype, axis, factors, bias };
}

/** One output, no training, channels on axis 1. */
function isInference(tx: Transaction, { attributes, inputs, outputs }: NodeView): boolean {
  const isTraining = findScalar(attributes, 'training_mode') === 1 || findScalar(attributes, 'spatial') === 0;
  const isSingle = outputs.filter((name) => name !== '').length === 1;
  return (tx.opset('') ?? 0) >= 7 && !isTraining && isSingle && inputs.length === 5;
}

function findChannelAxis({ attributes, op }: NodeView): number | null {
  if (op === 'Conv') return 0;
  if (op === 'ConvTranspose') return (findScalar(attributes, 'group') ?? 1) === 1 ? 1 : null;
  if (op === 'Gemm') return findScalar(attributes, 'transB') === 1 ? 0 : 1;
  return null;
}

/** The bias per channel as it counts, with Gemm's beta; zeros without one; null when it cannot be told. */
function findBias(tx: Transaction, { attributes, inputs, op }: NodeView, count: number): Float64Array | null {
  const name = inputs.at(2) ?? '';
  if (name === '') return new Float64Array(count);
  const tensor = findFixedTensor(tx, name);
  const numbers = findNumbers(tensor, channelsMax);
  const isRow = tensor?.shape.slice(0, -1).every((dim) => dim === 1) === true;
  if (numbers === undefined || !isRow || (numbers.length !== count && numbers.length !== 1)) return null;
  const beta = op === 'Gemm' ? Number(findScalar(attributes, 'beta') ?? 1) : 1;
  return Float64Array.from({ length: count }, (_, i) => beta * numbers[numbers.length === 1 ? 0 : i]);
}

function fuse(tx: Transaction, norm: NodeView, { layer, dtype, axis, factors, bias }: Fusion): void {
  const count = factors.length;
  tx.scaleTensor(layer.inputs[1], axis, { dtype: 'f64', shape: [count], values: [...factors] });
  const name = tx.fresh(`${layer.outputs[0]}_bias`);
  const tensor = { dtype, shape: [count], values: [...bias] };
  // Below IR 4 an initializer would be a new input of the model.
  if (tx.irVersion >= 4) tx.addInitializer(name, tensor);
  else tx.addNodes([{ op: 'Constant', inputs: [], outputs: [name], attributes: { value: { tensor } } }]);
  tx.setInput(layer, 2, name);
  if (layer.op === 'Gemm') tx.setAttribute(layer, 'beta', null);
  tx.remove(norm, { reconnect: true });
}
