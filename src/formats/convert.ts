/** Conversion of any opened model's tensors into one safetensors file, streamed. */
import { concatBytes, utf8 } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import type { DType } from '../model/dtype.ts';
import type { Model, TensorRef } from '../model/types.ts';
import type { RewriteOp, RewritePlan } from '../source/rewrite.ts';
import { LONE_SURROGATE } from './edits.ts';
import { SAFETENSORS_DTYPES } from './safetensors/dtypes.ts';
import { toTensorSource } from './tensor-source.ts';

export interface Conversion {
  /** One file of the given name. Its operations read the model, which must stay open. */
  readonly plan: RewritePlan;
  /** Tensors left out, because the format has no such element type (safetensors: strings, blocks, 4- and 2-bit integers). */
  readonly skipped: readonly string[];
}

const NAME_OF = new Map<DType, string>([...SAFETENSORS_DTYPES].map(([name, dtype]) => [dtype, name]));

/**
 * Plans a safetensors file with every tensor of `model` that the format can hold: same names, shapes and element
 * types, logical bytes. Tensors are ordered by element size, largest first, so that each is aligned.
 * @throws FormatError FORMAT_NOT_CONVERTIBLE when tensors exist and none can be stored
 */
export function toSafetensors(model: Pick<Model, 'metadata' | 'tensors'>, fileName: string): Conversion {
  const kept = model.tensors.filter(isStorable).sort((a, b) => toAlignment(b) - toAlignment(a));
  const skipped = model.tensors.filter((tensor) => !isStorable(tensor)).map(({ name }) => name);
  if (kept.length === 0 && skipped.length > 0) throw new FormatError('FORMAT_NOT_CONVERTIBLE', { fields: { skipped } });
  const ops: RewriteOp[] = [{ kind: 'bytes', bytes: toHeaderBytes(model, kept) }];
  for (const tensor of kept) {
    if (tensor.byteLength === 0) continue;
    ops.push({ kind: 'keep', source: toTensorSource(tensor), start: 0, end: tensor.byteLength });
  }
  return { plan: { files: [{ name: fileName, ops }] }, skipped };
}

/** JSON has no names that are not text, and four-bit floats must fill whole bytes. */
function isStorable(tensor: TensorRef): boolean {
  if (!NAME_OF.has(tensor.dtype) || tensor.name === '__metadata__' || LONE_SURROGATE.test(tensor.name)) return false;
  return tensor.dtype !== 'f4e2m1' || tensor.elementCount % 2 === 0;
}

function toAlignment(tensor: TensorRef): number {
  return tensor.elementCount === 0 ? 1 : tensor.byteLength / tensor.elementCount;
}

function toHeaderBytes(model: Pick<Model, 'metadata'>, tensors: readonly TensorRef[]): Uint8Array {
  // A null prototype, so that a tensor named "__proto__" becomes a member like any other.
  const header = Object.create(null) as Record<string, unknown>;
  const metadata = [...model.metadata].filter((entry) => !entry.some((text) => LONE_SURROGATE.test(text)));
  if (metadata.length > 0) header.__metadata__ = Object.assign(Object.create(null), Object.fromEntries(metadata));
  let at = 0;
  for (const tensor of tensors) {
    const end = at + tensor.byteLength;
    header[tensor.name] = { dtype: NAME_OF.get(tensor.dtype), shape: tensor.shape, data_offsets: [at, end] };
    at = end;
  }
  const json = utf8(JSON.stringify(header));
  const padded = concatBytes(json, new Uint8Array((8 - (json.length % 8)) % 8).fill(0x20));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return concatBytes(length, padded);
}
