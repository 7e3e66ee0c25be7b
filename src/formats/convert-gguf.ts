/** Conversion of any opened model's tensors into one GGUF file, streamed. */
import { toHex, utf8 } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { FORMAT_LIMITS } from '../core/limits/formats.ts';
import { type DType, DTYPES } from '../model/dtype.ts';
import type { Model, TensorRef } from '../model/types.ts';
import type { RewriteOp } from '../source/rewrite.ts';
import type { Conversion } from './convert.ts';
import { LONE_SURROGATE } from './edits.ts';
import { GGUF_DTYPES } from './gguf/dtypes.ts';
import { isStorableEntry, toPrefix, toStringEntry, toTensorInfo } from './gguf/encode.ts';
import { ALIGNMENT_DEFAULT, ALIGNMENT_KEY, toAligned } from './gguf/header.ts';
import { toTensorSource } from './tensor-source.ts';

export interface GgufConversion extends Conversion {
  /** Tensors whose names are longer than loaders take: the name before, and the name in the file. */
  readonly renamed: readonly (readonly [from: string, to: string])[];
}

const TYPE_OF = new Map<DType, number>([...GGUF_DTYPES].map(([type, dtype]) => [dtype, type]));
const ARCHITECTURE_KEY = 'general.architecture';

/**
 * Plans a GGUF file (version 3) with every tensor of `model` that the format can hold: same shapes and element types,
 * logical bytes, in the model's order. It holds weights, not a model that a loader could run: names stay the model's
 * own, and metadata becomes texts. What has no type there (f8, unsigned and packed integers, strings), more than four
 * dimensions or no name that is text is listed as skipped.
 * @throws FormatError FORMAT_NOT_CONVERTIBLE when tensors exist and none can be stored
 */
export function toGguf(model: Model, fileName: string): GgufConversion {
  const kept = model.tensors.filter(isStorable);
  const skipped = model.tensors.filter((tensor) => !isStorable(tensor)).map(({ name }) => name);
  if (kept.length === 0 && skipped.length > 0) throw new FormatError('FORMAT_NOT_CONVERTIBLE', { fields: { skipped } });
  const named = kept.map((tensor) => ({ tensor, name: toShortName(tensor.name) }));
  const header = toHeaderBytes(model, named);
  const ops: RewriteOp[] = [{ kind: 'bytes', bytes: header }, ...toPadding(header.length)];
  for (const { tensor } of named) {
    if (tensor.byteLength === 0) continue;
    ops.push({ kind: 'keep', source: toTensorSource(tensor), start: 0, end: tensor.byteLength });
    ops.push(...toPadding(tensor.byteLength));
  }
  const renamed = named.flatMap(({ tensor, name }) => (name === tensor.name ? [] : [[tensor.name, name] as const]));
  return { plan: { files: [{ name: fileName, ops }] }, skipped, renamed };
}

function isStorable({ name, dtype, shape }: TensorRef): boolean {
  if (!TYPE_OF.has(dtype) || shape.length > FORMAT_LIMITS.ggufDimensionsMax) return false;
  return !LONE_SURROGATE.test(name) && !name.includes('\0') && (shape.at(-1) ?? 1) % toRowUnit(dtype) === 0;
}

function toRowUnit(dtype: DType): number {
  return DTYPES[dtype].block?.elements ?? 1;
}

/** Long names keep their beginning, and get 16 digits of their digest, so that no two become one. */
function toShortName(name: string): string {
  const bytesMax = FORMAT_LIMITS.ggufNameBytesWritten;
  if (Buffer.byteLength(name) <= bytesMax) return name;
  const suffix = `~${toHex(sha256(utf8(name))).slice(0, 16)}`;
  let head = '';
  let room = bytesMax - suffix.length;
  for (const character of name) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    head += character;
  }
  return head + suffix;
}

function toHeaderBytes(
  model: Model,
  named: readonly { readonly tensor: TensorRef; readonly name: string }[],
): Uint8Array {
  const metadata = new Map([[ARCHITECTURE_KEY, 'unknown'], ...model.metadata]);
  // The alignment must be a number, and the one that is written is the default.
  metadata.delete(ALIGNMENT_KEY);
  const entries = [...metadata].filter(
    ([key, value]) => isStorableEntry(key, value) && !LONE_SURROGATE.test(key) && !LONE_SURROGATE.test(value),
  );
  let offset = 0;
  const infos = named.map(({ tensor, name }) => {
    const info = toTensorInfo({ name, shape: tensor.shape, type: TYPE_OF.get(tensor.dtype)!, offset });
    offset = toAligned(offset + tensor.byteLength, ALIGNMENT_DEFAULT);
    return info;
  });
  const texts = entries.map(([key, value]) => toStringEntry(key, value));
  return new Uint8Array(Buffer.concat([toPrefix(named.length, entries.length), ...texts, ...infos]));
}

function toPadding(lengthBytes: number): RewriteOp[] {
  const bytes = toAligned(lengthBytes, ALIGNMENT_DEFAULT) - lengthBytes;
  return bytes === 0 ? [] : [{ kind: 'bytes', bytes: new Uint8Array(bytes) }];
}
