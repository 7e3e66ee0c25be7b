/** Constant tensors of a scope: initializers, and Constant nodes that hold a tensor. */
import { SurgeryError } from '../../core/errors.ts';
import type { TensorRef } from '../../model/types.ts';
import type { Node, Scope } from './scope.ts';

export type ConstantPlace =
  | { readonly kind: 'initializer'; readonly tensor: TensorRef }
  | { readonly kind: 'node'; readonly node: Node; readonly tensor: TensorRef };

/** The constant that `value` is in `scope`; undefined for other values, sparse constants, and lists of numbers. */
export function findConstant(scope: Scope, value: string): ConstantPlace | undefined {
  const tensor = scope.initializers.get(value)?.tensor ?? null;
  if (tensor !== null) return { kind: 'initializer', tensor };
  const node = scope.findProducer(value);
  if (node?.op !== 'Constant' || node.domain !== '') return undefined;
  const attribute = node.attributes.get('value');
  return attribute?.kind === 'tensor' ? { kind: 'node', node, tensor: attribute.tensor } : undefined;
}

/** @throws SurgeryError SURGERY_TENSOR_MISSING */
export function toConstant(scope: Scope, value: string): ConstantPlace {
  const constant = findConstant(scope, value);
  if (constant === undefined) {
    throw new SurgeryError('SURGERY_TENSOR_MISSING', { fields: { value, scope: scope.path } });
  }
  return constant;
}

/** Puts `tensor` where the constant is. */
export function setConstant(scope: Scope, value: string, tensor: TensorRef): void {
  const constant = toConstant(scope, value);
  if (constant.kind === 'initializer') {
    scope.initializers.replace(value, (initializer) => ({ ...initializer, tensor }));
    return;
  }
  const { node } = constant;
  const attributes = new Map(node.attributes).set('value', { kind: 'tensor', tensor });
  scope.update(node, { ...node.record, attributes });
}
