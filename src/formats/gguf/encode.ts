/** Pieces of a GGUF header as bytes. Everything is little-endian. */
import { concatBytes, utf8 } from '../../core/bytes.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { GGUF_MAGIC } from './header.ts';
import { STRING_TYPE } from './values.ts';

function u32le(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

/** Of a safe integer. */
export function u64le(value: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  return out;
}

function toString(text: string): Uint8Array {
  const bytes = utf8(text);
  return concatBytes(u64le(bytes.length), bytes);
}

/** Whether the format and the caps of the reader have room for such an entry. */
export function isStorableEntry(key: string, value: string): boolean {
  const keyBytes = Buffer.byteLength(key);
  if (keyBytes === 0 || keyBytes > FORMAT_LIMITS.ggufKeyBytesMax || key.includes('\0')) return false;
  return Buffer.byteLength(value) <= FORMAT_LIMITS.ggufStringBytesMax;
}

/** One metadata entry of type string. */
export function toStringEntry(key: string, value: string): Uint8Array {
  return concatBytes(toString(key), u32le(STRING_TYPE), toString(value));
}

/** Magic, version 3 and the counts. */
export function toPrefix(tensorCount: number, metadataCount: number): Uint8Array {
  return concatBytes(u32le(GGUF_MAGIC), u32le(3), u64le(tensorCount), u64le(metadataCount));
}

/** One tensor info. `shape` is slowest first; `offset` counts from the start of the data. */
export function toTensorInfo(info: {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}): Uint8Array {
  const dims = info.shape.toReversed().map(u64le);
  return concatBytes(toString(info.name), u32le(dims.length), ...dims, u32le(info.type), u64le(info.offset));
}
