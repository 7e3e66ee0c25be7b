/** Declared types against the constants that they are declared for. Types between nodes take operator schemas. */
import type { InitializerRecord, ScopeRecord, ValueRecord } from '../../model/document.ts';
import type { TensorRef } from '../../model/types.ts';
import type { Findings } from './findings.ts';

/** @param initializers those of the scope, by name */
export function checkTypes(
  findings: Findings,
  scope: ScopeRecord,
  path: string,
  initializers: ReadonlyMap<string, InitializerRecord>,
): void {
  if (initializers.size === 0) return;
  for (const list of [scope.inputs, scope.values, scope.outputs]) {
    for (const value of list) {
      const tensor = initializers.get(value.name)?.tensor ?? null;
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
