/** What each operator does to channels that go through it: which constants belong to them, and what it lets pass. */
import type { GraphNode, TensorRef } from '../../../../model/types.ts';
import { findConstant, type GraphFacts, isPlainGemm, type Part, type Passes, toFloat, toInteger } from './facts.ts';

export interface Entry {
  readonly node: GraphNode;
  /** The value by which the channels enter. */
  readonly value: string;
  readonly fromEnd: number;
  readonly block: number;
  readonly channels: number;
  readonly facts: GraphFacts;
}

export interface ConstantUse {
  readonly parts: readonly Part[];
  /** The channels are summed over here. */
  readonly isEnd?: boolean;
  /** Where the constant decides what passes. */
  readonly passes?: Passes;
  readonly fromEnd: number;
  readonly block: number;
  readonly isGrouped?: boolean;
  readonly epsilon?: number;
}

export interface NodeRule {
  /** Scales and signs of a channel that the operator hands on unchanged. */
  readonly passes: Passes;
  /** Undefined when the operator does not keep channels apart. */
  readonly use: (entry: Entry) => ConstantUse | undefined;
}

const pass = ({ fromEnd, block }: Entry): ConstantUse => ({ parts: [], fromEnd, block });

/** Pooling windows lie over the axes behind the channels. */
const passMap = (entry: Entry): ConstantUse | undefined => (entry.fromEnd > 1 ? pass(entry) : undefined);

function useNorm(entry: Entry): ConstantUse | undefined {
  const { node, value, facts, channels, block } = entry;
  const roles = ['gamma', 'beta', 'mean', 'variance'] as const;
  const tensors = roles.map((_, index) => findConstant(facts, node.inputs[index + 1]));
  if (node.inputs[0] !== value || block !== 1 || node.outputs.slice(1).some((name) => name !== '')) return undefined;
  if (tensors.some((tensor) => tensor?.elementCount !== channels)) return undefined;
  const parts = roles.map((role, index): Part => ({ tensor: tensors[index]!.name, axis: 0, block: 1, role }));
  return { ...pass(entry), parts, epsilon: toFloat(node, 'epsilon', 1e-5) };
}

/** Sum or product with a constant that is one number, or one number per channel; or with another value of the region. */
function useBinary(role: 'shift' | 'factor', isOrdered = false): NodeRule['use'] {
  return (entry) => {
    const { node, value, facts, channels, fromEnd, block } = entry;
    const other = node.inputs.find((input) => input !== value);
    if (isOrdered && node.inputs[0] !== value) return undefined;
    // One number is not scaled with the channels, and a product of two values is scaled twice.
    const whole: ConstantUse = { ...pass(entry), passes: role === 'shift' ? 'order only' : 'any scale' };
    if (other === undefined || !facts.graph.tensors.has(other)) {
      return { ...pass(entry), passes: role === 'shift' ? 'any scale' : 'order only' };
    }
    const tensor = findConstant(facts, other);
    if (tensor === undefined || tensor.elementCount === 1) return tensor === undefined ? undefined : whole;
    const axis = tensor.shape.length - fromEnd;
    if (axis < 0 || tensor.shape[axis] !== channels || block !== 1) return undefined;
    return { ...pass(entry), parts: [toPart(tensor, axis, role, 1)] };
  };
}

/** The mean over everything behind the channels. */
function useMean(entry: Entry): ConstantUse | undefined {
  const { node, facts, fromEnd } = entry;
  const attribute = node.attributes.get('axes');
  const axes = attribute?.kind === 'ints' ? attribute.values.map(Number) : readAxes(facts, node.inputs[1]);
  if (fromEnd < 2 || axes === undefined) return undefined;
  // Channels of images are the second axis, so the axes behind them are 2, 3, … or the last ones.
  const behind = new Set(axes.map((axis) => (axis < 0 ? axis + fromEnd + 1 : axis)));
  const isAll = behind.size === fromEnd - 1 && [...behind].every((axis) => axis >= 2);
  if (!isAll) return undefined;
  return { ...pass(entry), fromEnd: toInteger(node, 'keepdims', 1) === 1 ? fromEnd : 1 };
}

function readAxes({ graph }: GraphFacts, name: string | undefined): number[] | undefined {
  const tensor = name === undefined ? undefined : graph.tensors.get(name);
  if (tensor?.dtype !== 'i64' || tensor.elementCount > 8) return undefined;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return [...new BigInt64Array(bytes.buffer)].map(Number);
}

function useConv(entry: Entry): ConstantUse | undefined {
  const { node, value, facts, channels, fromEnd } = entry;
  const weight = findConstant(facts, node.inputs[1]);
  if (weight === undefined || node.inputs[0] !== value || fromEnd !== weight.shape.length - 1) return undefined;
  const group = toInteger(node, 'group', 1);
  if (group === 1) return { ...pass(entry), isEnd: true, parts: [toPart(weight, 1, 'column', 1)] };
  // Depth-wise: every channel has its own kernel.
  if (group !== channels || weight.shape[0] !== channels) return undefined;
  const biasName = node.inputs.at(2) ?? '';
  const bias = findConstant(facts, biasName);
  if (biasName !== '' && bias === undefined) return undefined;
  const parts = [toPart(weight, 0, 'factor', 1), ...(bias === undefined ? [] : [toPart(bias, 0, 'shift', 1)])];
  return { ...pass(entry), parts, isGrouped: true };
}

function useGemm(entry: Entry): ConstantUse | undefined {
  const { node, value, facts, fromEnd, channels, block } = entry;
  const weight = findConstant(facts, node.inputs[1]);
  if (weight === undefined || node.inputs[0] !== value || fromEnd !== 1 || !isPlainGemm(node)) return undefined;
  const axis = toInteger(node, 'transB', 0);
  return toColumns(entry, weight, axis, channels * block);
}

function useMatMul(entry: Entry): ConstantUse | undefined {
  const { node, value, facts, fromEnd, channels, block } = entry;
  const weight = findConstant(facts, node.inputs[1]);
  if (weight?.shape.length !== 2 || node.inputs[0] !== value || fromEnd !== 1) return undefined;
  return toColumns(entry, weight, 0, channels * block);
}

/** After a flattening each channel has as many columns as it had places. */
function toColumns(entry: Entry, weight: TensorRef, axis: number, atLeast: number): ConstantUse | undefined {
  const block = weight.shape[axis] / entry.channels;
  if (!Number.isInteger(block) || (entry.block !== 0 && weight.shape[axis] !== atLeast)) return undefined;
  return { ...pass(entry), isEnd: true, parts: [toPart(weight, axis, 'column', block)] };
}

function toPart(tensor: TensorRef, axis: number, role: Part['role'], block: number): Part {
  return { tensor: tensor.name, axis, role, block };
}

/** [n, channels, h, w] to [n, channels · h · w]: how many places a channel has, the next matrix tells (block 0). */
function useFlatten(entry: Entry): ConstantUse | undefined {
  if (toInteger(entry.node, 'axis', 1) !== 1) return undefined;
  return entry.fromEnd === 1 ? pass(entry) : { ...pass(entry), fromEnd: 1, block: 0 };
}

const rule = (passes: Passes, use: NodeRule['use'] = pass): NodeRule => ({ passes, use });

/** By operator of the default domain. */
export const NODE_RULES: Readonly<Record<string, NodeRule | undefined>> = Object.assign(
  Object.create(null) as Record<string, NodeRule>,
  {
    BatchNormalization: rule('any scale', useNorm),
    Conv: rule('any scale', useConv),
    Gemm: rule('any scale', useGemm),
    MatMul: rule('any scale', useMatMul),
    Flatten: rule('any scale', useFlatten),
    Identity: rule('any scale'),
    Dropout: rule('any scale'),
    AveragePool: rule('any scale', passMap),
    GlobalAveragePool: rule('any scale', passMap),
    MaxPool: rule('positive scales', passMap),
    GlobalMaxPool: rule('positive scales', passMap),
    Relu: rule('positive scales'),
    LeakyRelu: rule('positive scales'),
    Tanh: rule('signs'),
    Add: rule('any scale', useBinary('shift')),
    ReduceMean: rule('any scale', useMean),
    Mul: rule('any scale', useBinary('factor')),
    Div: rule('any scale', useBinary('factor', true)),
    ...Object.fromEntries(
      ['Sigmoid', 'Erf', 'Gelu', 'Clip', 'Elu', 'Selu', 'HardSwish', 'HardSigmoid', 'Softplus', 'Mish', 'Celu'].map(
        (op) => [op, rule('order only')],
      ),
    ),
  },
);
