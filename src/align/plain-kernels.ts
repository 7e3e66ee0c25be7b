/** The usual form of a graph that ONNX Runtime laid out in blocks for one kind of processor (docs/spec/watermark.md §6.3). */
import type { Graph, GraphNode, Model, TensorRef } from '../model/types.ts';
import { findInt } from './attributes.ts';

const DOMAIN = 'com.microsoft.nchwc';
/** Channels to a block: of processors with 8 and with 16 numbers to a vector. */
const BLOCKS = [16, 8] as const;
type BlockSize = (typeof BLOCKS)[number];

/** A kernel of shape [outputs, inputs, ...places] as stored, both counts whole blocks unless there are few inputs. */
interface Kernel {
  readonly tensor: TensorRef;
  readonly outputs: number;
  readonly inputs: number;
  readonly places: number;
}

const known = new WeakMap<Model, Model>();

/**
 * `model` with plain operators, and kernels in their plain order without the zeros that fill the last block up; itself
 * where nothing is laid out in blocks. Kernels are put in order when they are first read.
 * @see `NchwcTransformerImpl` and `MlasReorderFilterOIHWBiBo` in ONNX Runtime
 */
export function toPlainKernels(model: Model): Model {
  const found = known.get(model) ?? convert(model);
  known.set(model, found);
  return found;
}

function convert(model: Model): Model {
  const { graph } = model;
  const kernels = graph === null ? [] : listKernels(graph);
  if (graph === null || kernels.length === 0) return model;
  const block = findBlockSize(kernels);
  if (block === null) return model;
  const slot: Slot = { tensor: null, bytes: new Uint8Array(0) };
  const plain = new Map(kernels.map((kernel) => [kernel.tensor.name, toPlainTensor(kernel, block, slot)]));
  const replace = (tensor: TensorRef): TensorRef => plain.get(tensor.name) ?? tensor;
  return {
    ...model,
    tensors: model.tensors.map(replace),
    graph: {
      ...graph,
      nodes: graph.nodes.map(toPlainNode),
      tensors: new Map([...graph.tensors].map(([name, tensor]) => [name, replace(tensor)])),
    },
    plan: (edits) => model.plan(edits),
    close: () => {
      model.close();
    },
  };
}

function listKernels(graph: Graph): Kernel[] {
  const names = graph.nodes.flatMap(({ domain, op, inputs }) => (domain === DOMAIN && op === 'Conv' ? inputs[1] : []));
  return [...new Set(names)].flatMap((name) => {
    const tensor = graph.tensors.get(name);
    if (tensor?.dtype !== 'f32' || tensor.shape.length !== 4 || tensor.elementCount === 0) return [];
    const [outputs, inputs, height, width] = tensor.shape;
    return [{ tensor, outputs, inputs, places: height * width }];
  });
}

/** What moved between blocks moves no more; the rest computes what the plain operator of its name does. */
function toPlainNode(node: GraphNode): GraphNode {
  if (node.domain !== DOMAIN || findInt(node, 'channels_last', 0) === 1) return node;
  if (node.op === 'Conv') return { ...node, domain: 'com.microsoft', op: 'FusedConv' };
  return { ...node, domain: '', op: node.op.startsWith('Reorder') ? 'Identity' : node.op };
}

/**
 * The file does not say how many channels a block has. Where both numbers divide all kernels, it is the one under which
 * the filters differ most in size: in a wrong order every filter is a mixture of several.
 */
function findBlockSize(kernels: readonly Kernel[]): BlockSize | null {
  const fitting = BLOCKS.filter((block) =>
    kernels.every(({ outputs, inputs }) => outputs % block === 0 && (inputs < block || inputs % block === 0)),
  );
  if (fitting.length < 2) return fitting[0] ?? null;
  const [large, small] = fitting.map((block) => kernels.reduce((sum, kernel) => sum + toSpread(kernel, block), 0));
  return small > large ? fitting[1] : fitting[0];
}

/** Variance of the filters' sums of squares over their squared mean. */
function toSpread(kernel: Kernel, block: BlockSize): number {
  const values = toPlainValues(kernel, block);
  const each = values.length / kernel.outputs;
  const sizes = Array.from({ length: kernel.outputs }, (_, out) =>
    values.subarray(out * each, (out + 1) * each).reduce((sum, value) => sum + value * value, 0),
  );
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return mean === 0 ? 0 : sizes.reduce((sum, size) => sum + (size / mean - 1) ** 2, 0) / sizes.length;
}

/**
 * [outputs, inputs, places] from [output blocks, input blocks, places, inputs of a block, outputs of a block]; from
 * [output blocks, inputs, places, outputs of a block] where there are fewer inputs than a block has.
 */
function toPlainValues({ tensor, outputs, inputs, places }: Kernel, block: BlockSize): Float32Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const view = new DataView(bytes.buffer);
  const plain = new Float32Array(tensor.elementCount);
  const inBlock = inputs < block ? 1 : block;
  for (let out = 0; out < outputs; out++) {
    for (let input = 0; input < inputs; input++) {
      const first = Math.floor(out / block) * (inputs / inBlock) + Math.floor(input / inBlock);
      for (let place = 0; place < places; place++) {
        const from = ((first * places + place) * inBlock + (input % inBlock)) * block + (out % block);
        plain[(out * inputs + input) * places + place] = view.getFloat32(4 * from, true);
      }
    }
  }
  return plain;
}

/** The tensor without the channels that fill its last blocks up; its numbers are put in order once for all reads in a row. */
function toPlainTensor(kernel: Kernel, block: BlockSize, slot: Slot): TensorRef {
  const { tensor, inputs, places } = kernel;
  const counts = countUsed(kernel, block);
  const shape = [counts.outputs, counts.inputs, ...tensor.shape.slice(2)];
  const elementCount = counts.outputs * counts.inputs * places;
  const load = (): Uint8Array => {
    if (slot.tensor === tensor) return slot.bytes;
    const all = toPlainValues(kernel, block);
    const view = new DataView(new ArrayBuffer(4 * elementCount));
    for (let at = 0; at < elementCount; at++) {
      const [filter, place] = [Math.floor(at / places), at % places];
      const [out, input] = [Math.floor(filter / counts.inputs), filter % counts.inputs];
      view.setFloat32(4 * at, all[(out * inputs + input) * places + place], true);
    }
    Object.assign(slot, { tensor, bytes: new Uint8Array(view.buffer) });
    return slot.bytes;
  };
  const read = (byteOffset: number, into: Uint8Array): void => {
    into.set(load().subarray(byteOffset, byteOffset + into.length));
  };
  const { name, dtype, storage, fileIndex, start, end } = tensor;
  return { name, dtype, shape, elementCount, byteLength: 4 * elementCount, storage, fileIndex, start, end, read };
}

/** The kernel that was read last. */
interface Slot {
  tensor: TensorRef | null;
  bytes: Uint8Array;
}

/** Channels up to the last one that is not zero, of those that the last block may have been filled up with. */
function countUsed(kernel: Kernel, block: BlockSize): { readonly outputs: number; readonly inputs: number } {
  const { outputs, inputs, places } = kernel;
  const used = { outputs: outputs - block + 1, inputs: inputs < block ? inputs : inputs - block + 1 };
  toPlainValues(kernel, block).forEach((value, at) => {
    if (value === 0) return;
    used.outputs = Math.max(used.outputs, Math.floor(at / (inputs * places)) + 1);
    used.inputs = Math.max(used.inputs, (Math.floor(at / places) % inputs) + 1);
  });
  return used;
}
