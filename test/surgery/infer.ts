/** Inferred types against types that are known otherwise: declared, or of a run. */
import type { GraphDocument } from '../../src/model/document.ts';
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import { toMemoryTensor } from '../../src/model/tensors.ts';
import type { TensorRef } from '../../src/model/types.ts';
import type { Inference, InferredType, TensorType } from '../../src/surgery/index.ts';

/** A type as another source gives it; null for what it does not say. */
export interface KnownType {
  readonly dtype: string | null;
  readonly shape: readonly (number | string | null)[] | null;
}

/** How often both know a dimension over many values, and where they differ. */
export class AgreementCount {
  dims = 0;
  agreed = 0;
  types = 0;
  /** Values whose rank and every dimension we know, of those that the other knows wholly. */
  whole = 0;
  wholeOther = 0;
  readonly differences: string[] = [];

  add(where: string, type: InferredType | undefined, other: KnownType): void {
    const ours: TensorType | null = type?.kind === 'tensor' ? type : null;
    if (other.shape?.every((dim) => typeof dim === 'number') === true) {
      this.wholeOther++;
      if (ours?.shape?.every((dim) => typeof dim === 'number') === true) this.whole++;
    }
    if (ours === null) return;
    if (ours.dtype !== null && other.dtype !== null) {
      this.types++;
      if (ours.dtype !== other.dtype) this.differences.push(`${where}: ${ours.dtype}, not ${other.dtype}`);
    }
    if (ours.shape === null || other.shape === null) return;
    if (ours.shape.length !== other.shape.length) {
      this.differences.push(`${where}: rank ${ours.shape.length}, not ${other.shape.length}`);
      return;
    }
    this.#addDims(where, ours.shape, other.shape);
  }

  #addDims(where: string, ours: NonNullable<KnownType['shape']>, other: NonNullable<KnownType['shape']>): void {
    ours.forEach((dim, axis) => {
      if (typeof dim !== 'number' || typeof other[axis] !== 'number') return;
      this.dims++;
      if (dim === other[axis]) this.agreed++;
      else this.differences.push(`${where}: axis ${axis} is ${dim}, not ${other[axis]}`);
    });
  }

  toString(): string {
    return (
      `${this.agreed} of ${this.dims} dimensions and ${this.types} types agree; ` +
      `${this.whole} of ${this.wholeOther} whole shapes are known`
    );
  }
}

export function findMainType(inference: Inference, document: GraphDocument, value: string): InferredType | undefined {
  return inference.scopes.get(document.graph)?.get(value);
}

export function toTensorRef(name: string, { dtype, shape, data }: RuntimeTensor): TensorRef {
  return toMemoryTensor({ name, dtype, shape, bytes: data });
}
