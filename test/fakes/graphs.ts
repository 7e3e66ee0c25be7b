/** Graphs of small networks for models in memory; the caller brings tensors of the names that the nodes read. */
import { int, ints, type MemoryGraph, memoryTensor, type MemoryTensor, node } from './memory-model.ts';

/** w1 [out, in] with b1, w2 [in, out] with b2, w3 [in, out]: Gemm and MatMul + Add in both orientations. */
export const MLP_GRAPH: MemoryGraph = {
  inputs: ['x'],
  outputs: ['y'],
  nodes: [
    node('Gemm', ['x', 'w1', 'b1'], ['h1'], { transB: int(1) }),
    node('Relu', ['h1'], ['r1']),
    node('MatMul', ['r1', 'w2'], ['m2']),
    node('Add', ['m2', 'b2'], ['h2']),
    node('Relu', ['h2'], ['r2']),
    node('MatMul', ['r2', 'w3'], ['y']),
  ],
};

/** embed, pos, ln.g, ln.b, q, k, v, o, up, up.b, down, head, and the shapes split and join; heads by reshaping. */
export const TRANSFORMER_GRAPH: MemoryGraph = {
  inputs: ['ids'],
  outputs: ['y'],
  nodes: [
    node('Gather', ['embed', 'ids'], ['e']),
    node('Add', ['e', 'pos'], ['x']),
    node('LayerNormalization', ['x', 'ln.g', 'ln.b'], ['n'], { axis: int(-1) }),
    ...['q', 'k', 'v'].flatMap((name) => [
      node('MatMul', ['n', name], [`${name}1`]),
      node('Reshape', [`${name}1`, 'split'], [`${name}2`]),
      node('Transpose', [`${name}2`], [`${name}3`], { perm: ints(0, 2, 1, 3) }),
    ]),
    node('MatMul', ['q3', 'k3'], ['scores']),
    node('Softmax', ['scores'], ['p']),
    node('MatMul', ['p', 'v3'], ['mix']),
    node('Reshape', ['mix', 'join'], ['flat']),
    node('MatMul', ['flat', 'o'], ['att']),
    node('Add', ['x', 'att'], ['x2']),
    node('MatMul', ['x2', 'up'], ['u']),
    node('Add', ['u', 'up.b'], ['u2']),
    node('Gelu', ['u2'], ['u3']),
    node('MatMul', ['u3', 'down'], ['d']),
    node('Add', ['x2', 'd'], ['x3']),
    node('MatMul', ['x3', 'head'], ['y']),
  ],
};

/** A shape constant: i64 [rank]. */
export const shapeTensor = (name: string, ...dims: readonly number[]): MemoryTensor =>
  memoryTensor(name, [dims.length], dims, 'i64');
