/** Declared types against the constants that they are declared for. Types between nodes take operator schemas. */
import type { ScopeRecord, ValueRecord } from '../../model/document.ts';
import type { TensorRef } from '../../model/types.ts';
import type { Findings } from './findings.ts';

export function checkTypes(findings: Findings, scope: ScopeRecord, path: string): void {
  if (scope.initializers.length === 0) return;
  const tensors = new Map(scope.initializers.map(({ name, tensor }) => [name, tensor]));
  for (const list of [scope.inputs, scope.values, scope.outputs]) {
    for (const value of list) {
      const tensor = tensors.get(value.name) ?? null;
      if (tensor !== null && !fits(value, tensor)) findings.add('type-mismatch', path, value.name);
    }
  }
}

function fits(value: ValueRecord, tensor: TensorRef): boolean {
  if (value.dtype !== null && value.dtype !== tensor.dtype) return false;
  if (value.shape === null) return true;
  if (value.shape.length !== tensor.shape.length) return false;
  return value.shape.every((dim, axis) => typeof dim !== 'number' || dim === tensor.shape[axis]);
}
