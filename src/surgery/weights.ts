/** Verbs of single weights, done to every weight of a model. */
import type { NodeView } from './draft/node.ts';
import { findScalar } from './find/query.ts';
import type { Transaction } from './transaction.ts';
import { isStripped } from './verbs/strip.ts';

/** A constant that a node multiplies, and the axis along which its products are summed. */
export interface Weight {
  readonly value: string;
  readonly scope: string;
  readonly axis: number;
}

/** Weights of Conv, ConvTranspose, Gemm and MatMul nodes that are initializers of their own scope; each once. */
export function listWeights(tx: Transaction): readonly Weight[] {
  const found = new Map<string, Weight>();
  for (const node of tx.find({ op: ['Conv', 'ConvTranspose', 'Gemm', 'MatMul'], domain: '' })) {
    const { initializers } = tx.scope(node.scopePath);
    const held = new Set(initializers);
    for (const input of [0, 1]) {
      const value = node.inputs.at(input) ?? '';
      const tensor = held.has(value) ? tx.tensor({ value, scope: node.scopePath }) : undefined;
      const axis = tensor === undefined ? undefined : findSummedAxis(node, input, tensor.shape.length);
      if (axis !== undefined) found.set(`${node.scopePath}\n${value}`, { value, scope: node.scopePath, axis });
    }
  }
  return [...found.values()];
}

function findSummedAxis({ op, attributes }: NodeView, input: number, rank: number): number | undefined {
  if (rank < 2) return undefined;
  if (op === 'MatMul') return input === 0 ? rank - 1 : rank - 2;
  if (op === 'Gemm') {
    const isTransposed = findScalar(attributes, input === 0 ? 'transA' : 'transB') === 1;
    return (input === 0) === isTransposed ? 0 : 1;
  }
  // Weights of a convolution are its second input: M×C/group×…, or C×M/group×… when it is transposed.
  if (input === 0) return undefined;
  return op === 'Conv' ? 1 : 0;
}

/**
 * Prunes every float weight to 2 of 4 along the axis of its sums, the pattern that sparse matrix units read. Accuracy is
 * not looked at: a model that was not trained for it loses most of it.
 * @returns names of the weights that were pruned
 */
export function pruneWeights(tx: Transaction): readonly string[] {
  const pruned = listWeights(tx).filter(({ value, scope, axis }) => {
    const { dtype, shape } = tx.tensor({ value, scope })!;
    return ['f64', 'f32', 'f16', 'bf16'].includes(dtype) && shape[axis] >= 4;
  });
  for (const { value, scope, axis } of pruned) tx.pruneTensor({ value, scope }, axis);
  return pruned.map(({ value }) => value);
}

/** Takes out every weight but those in `except`, biases and shapes not. @returns their names */
export function stripWeights(
  tx: Transaction,
  options: { readonly except?: readonly string[] } = {},
): readonly string[] {
  const except = new Set(options.except);
  const stripped = listWeights(tx).filter(({ value }) => !except.has(value));
  for (const { value, scope } of stripped) tx.stripTensor({ value, scope });
  return stripped.map(({ value }) => value);
}

/** Puts back every weight that was taken out: from the model given to the edit by that name, else stand-ins. */
export function restoreWeights(tx: Transaction, options: { readonly model?: string } = {}): readonly string[] {
  const nodes = tx.find({ op: 'ConstantOfShape', domain: '', where: isStripped });
  const places = nodes.map(({ outputs: [value], scopePath: scope }) => ({ value, scope }));
  for (const at of places) tx.restoreTensor(at, options);
  return places.map(({ value }) => value);
}
