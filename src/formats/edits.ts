/** What a list of model edits asks for, per tensor and per metadata key, checked against the model. */
import { FormatError } from '../core/errors.ts';
import type { DType } from '../model/dtype.ts';
import type { ModelEdit, TensorRef } from '../model/types.ts';
import type { ByteSource } from '../source/ports.ts';
import type { Replacement } from '../source/splice.ts';
import { toUnitBytes } from './span-tensor.ts';

/** With the u flag, a pair is one character: only halves without their partner match. */
export const LONE_SURROGATE = /\p{Surrogate}/u;

export type ApplyEdit = (byteOffset: number, chunk: Uint8Array) => void;

export interface SortedEdits {
  /** One function per edited tensor; several edits of one tensor run in the order given. */
  readonly tensors: ReadonlyMap<TensorRef, ApplyEdit>;
  /** The last edit of a key wins. */
  readonly metadata: ReadonlyMap<string, string | null>;
}

/**
 * Sorts `edits` by what they touch.
 * @throws FormatError FORMAT_TENSOR_MISSING | FORMAT_EDIT_UNSUPPORTED (strings) | FORMAT_EDIT_CONFLICT
 * @throws TypeError when a metadata key or value holds a lone surrogate
 */
export function sortEdits(tensors: readonly TensorRef[], edits: readonly ModelEdit[]): SortedEdits {
  const metadata = new Map<string, string | null>();
  const wanted = new Map<string, ApplyEdit[]>();
  for (const edit of edits) {
    if (edit.kind === 'metadata') {
      if (LONE_SURROGATE.test(edit.key) || LONE_SURROGATE.test(edit.value ?? ''))
        throw new TypeError('metadata is not text');
      metadata.set(edit.key, edit.value);
    } else {
      wanted.set(edit.tensor, [...(wanted.get(edit.tensor) ?? []), edit.apply]);
    }
  }
  const found = new Map<TensorRef, ApplyEdit>();
  for (const tensor of wanted.size === 0 ? [] : tensors) {
    const applies = wanted.get(tensor.name);
    if (applies === undefined) continue;
    if (tensor.dtype === 'string')
      throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { fields: { tensor: tensor.name } });
    wanted.delete(tensor.name);
    found.set(tensor, toOneApply(applies));
  }
  for (const name of wanted.keys()) throw new FormatError('FORMAT_TENSOR_MISSING', { fields: { tensor: name } });
  assertNoConflict([...found.keys()]);
  return { tensors: found, metadata };
}

function toOneApply(applies: readonly ApplyEdit[]): ApplyEdit {
  return (byteOffset, chunk) => {
    for (const apply of applies) apply(byteOffset, chunk);
  };
}

/**
 * Tied weights may share bytes of one file; editing both would make the result depend on an order.
 * @throws FormatError FORMAT_EDIT_CONFLICT
 */
export function assertNoConflict(tensors: readonly TensorRef[]): void {
  const sorted = tensors
    .filter((tensor) => tensor.end > tensor.start)
    .sort((a, b) => a.fileIndex - b.fileIndex || a.start - b.start);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1], sorted[i]];
    if (before.fileIndex === after.fileIndex && after.start < before.end) {
      throw new FormatError('FORMAT_EDIT_CONFLICT', { fields: { tensors: [before.name, after.name] } });
    }
  }
}

/** The replacement that runs `apply` over a span that holds logical bytes as they are. */
export function toSpanReplacement(
  source: ByteSource,
  span: { readonly start: number; readonly end: number; readonly dtype: DType },
  apply: ApplyEdit,
): Replacement {
  const { start, end } = span;
  return { start, end, ops: [{ kind: 'transform', source, start, end, apply, unitBytes: toUnitBytes(span.dtype) }] };
}
