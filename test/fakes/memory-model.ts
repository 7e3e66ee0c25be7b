/** A Model over plain buffers, for tests of capabilities that only need tensors and a graph. */
import { createPrfStream } from '../../src/core/prf.ts';
import { DTYPES, type DType, isBlockDType } from '../../src/model/dtype.ts';
import { encodeFloats, isFloatDType } from '../../src/model/floats.ts';
import { encodeInts, type IntDType } from '../../src/model/ints.ts';
import { toBlocks } from '../formats/quantise.ts';
import type { Attribute, Graph, GraphNode, Model, ModelEdit, TensorRef } from '../../src/model/types.ts';

export interface MemoryTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A tensor of the given numbers, encoded as `dtype`. */
export function memoryTensor(
  name: string,
  shape: readonly number[],
  values: ArrayLike<number>,
  dtype: DType = 'f32',
): MemoryTensor {
  if (isBlockDType(dtype)) return { name, dtype, shape, data: toBlocks(dtype, values) };
  const data = new Uint8Array(Math.ceil((values.length * DTYPES[dtype].bits) / 8));
  if (isFloatDType(dtype)) encodeFloats(dtype, values, data);
  else encodeInts(dtype as IntDType, values, data);
  return { name, dtype, shape, data };
}

function toRef(tensor: MemoryTensor): TensorRef {
  return {
    name: tensor.name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    elementCount: tensor.shape.reduce((a, b) => a * b, 1),
    byteLength: tensor.data.length,
    storage: 'raw',
    fileIndex: 0,
    start: 0,
    end: tensor.data.length,
    read: (offset, into) => {
      if (offset < 0 || offset + into.length > tensor.data.length) throw new RangeError('read outside the tensor');
      into.set(tensor.data.subarray(offset, offset + into.length));
    },
  };
}

export interface MemoryGraph {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
}

/** A node of the default domain. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): GraphNode {
  return {
    name: `${op}:${outputs[0] ?? ''}`,
    op,
    domain: '',
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
  };
}

export const int = (value: number): Attribute => ({ kind: 'int', value: BigInt(value) });
export const ints = (...values: readonly number[]): Attribute => ({ kind: 'ints', values: values.map(BigInt) });

export interface MemoryModel extends Model {
  readonly data: readonly MemoryTensor[];
}

export function memoryModel(data: readonly MemoryTensor[], graph: MemoryGraph | null = null): MemoryModel {
  const tensors = data.map(toRef);
  const info = (name: string) => ({ name, dtype: 'f32' as const, shape: null });
  const whole: Graph | null =
    graph === null
      ? null
      : {
          name: 'main',
          inputs: graph.inputs.map(info),
          outputs: graph.outputs.map(info),
          nodes: graph.nodes,
          values: new Map(),
          tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
        };
  return {
    data,
    format: graph === null ? 'safetensors' : 'onnx',
    files: [],
    tensors,
    graph: whole,
    functions: new Map(),
    opsets: new Map(),
    metadata: new Map(),
    plan: () => {
      throw new Error('internal error: a memory model is changed by applyEdits');
    },
    close: () => undefined,
  };
}

/** The model after `edits`; each tensor is handed over in chunks of `chunkBytes`. */
export function applyEdits(
  model: MemoryModel,
  edits: readonly ModelEdit[],
  chunkBytes = Number.MAX_SAFE_INTEGER,
): MemoryModel {
  const data = model.data.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
  for (const edit of edits) {
    if (edit.kind !== 'tensor') continue;
    const tensor = data.find((item) => item.name === edit.tensor);
    if (tensor === undefined) throw new Error(`internal error: no tensor ${edit.tensor}`);
    for (let at = 0; at < tensor.data.length; at += chunkBytes) {
      edit.apply(at, tensor.data.subarray(at, Math.min(at + chunkBytes, tensor.data.length)));
    }
  }
  return memoryModel(data, model.graph === null ? null : toMemoryGraph(model.graph));
}

function toMemoryGraph(graph: Graph): MemoryGraph {
  return {
    inputs: graph.inputs.map((input) => input.name),
    outputs: graph.outputs.map((output) => output.name),
    nodes: graph.nodes,
  };
}

/** The same graph over other tensors. */
export function withTensors(model: MemoryModel, data: readonly MemoryTensor[]): MemoryModel {
  return memoryModel(data, model.graph === null ? null : toMemoryGraph(model.graph));
}

/** Seeded draws for tests: uniform and Gaussian numbers. */
export function seededNumbers(seed: number): { uniform(): number; normal(): number } {
  const stream = createPrfStream(new Uint8Array(32).fill(seed & 255), { domain: 255, index: seed });
  const uniform = (): number => (stream.u32() + 0.5) / 4294967296;
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}
