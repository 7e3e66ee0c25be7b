/** The safetensors header: an 8-byte little-endian length, a JSON object, then data without holes. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { type ErrorCode, FormatError } from '../../core/errors.ts';
import { DTYPES, findElementCount } from '../../model/dtype.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { TensorLayout } from '../span-tensor.ts';
import { SAFETENSORS_DTYPES } from './dtypes.ts';
import {
  type JsonCursor,
  JsonProblem,
  expectEnd,
  readArray,
  readCount,
  readObject,
  readString,
  toCursor,
} from './json.ts';

/** Spans are absolute. */
export interface HeaderTensor extends TensorLayout {
  /** Offset of the entry in the file, for messages. */
  readonly entryStart: number;
}

/** One member of `__metadata__`; offsets are absolute and span `"key": "value"`. */
export interface MetadataMember {
  readonly key: string;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Absolute offset of the data; the JSON, with its padding, ends here. */
  readonly dataStart: number;
  /** Absolute offset just after the closing brace. */
  readonly jsonEnd: number;
  /** In data order. */
  readonly tensors: readonly HeaderTensor[];
  /** Absolute span of the metadata object, braces included, or null when there is none. */
  readonly metadata: {
    readonly start: number;
    readonly end: number;
    readonly members: readonly MetadataMember[];
  } | null;
}

const PREFIX_BYTES = 8;

/**
 * Reads and checks the header as strictly as the reference implementation, and more: a duplicate key is refused.
 * @throws FormatError SAFETENSORS_…
 * @see https://huggingface.co/docs/safetensors (format); safetensors `tensor.rs`
 */
export function readHeader(source: ByteSource): SafetensorsHeader {
  const bytes = readHeaderBytes(source);
  const cursor = toCursor(bytes);
  const fail = (code: ErrorCode, at: number, fields: Record<string, string | number> = {}): FormatError =>
    new FormatError(code, { fields: { file: source.label, offset: PREFIX_BYTES + at, ...fields } });
  const draft = new HeaderDraft(cursor, bytes.length, fail);
  try {
    draft.read();
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw fail(draft.problemCode, error.offset, { problem: error.message });
  }
  const tensors = draft.tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  checkLayout(tensors, PREFIX_BYTES + bytes.length, source, fail);
  return {
    dataStart: PREFIX_BYTES + bytes.length,
    jsonEnd: PREFIX_BYTES + draft.jsonEnd,
    tensors,
    metadata: draft.metadata,
  };
}

function readHeaderBytes(source: ByteSource): Uint8Array {
  const fail = (code: ErrorCode, fields: Record<string, string | number>): FormatError =>
    new FormatError(code, { fields: { file: source.label, offset: 0, ...fields } });
  if (source.size < PREFIX_BYTES) throw fail('SAFETENSORS_HEADER_SHORT', { size: source.size });
  const prefix = new Uint8Array(PREFIX_BYTES);
  source.read(0, prefix);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const room = Math.min(source.size - PREFIX_BYTES, FORMAT_LIMITS.safetensorsHeaderBytesMax);
  if (length > BigInt(room)) {
    throw fail('SAFETENSORS_HEADER_LENGTH', { headerBytes: length.toString(), headerBytesMax: room });
  }
  const bytes = new Uint8Array(Number(length));
  source.read(PREFIX_BYTES, bytes);
  return bytes;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly [number, number];
}

/** Up to 15 digits are safe integers; up to 8 dimensions fit the window; all else is left to the strict reader. */
const USUAL_ENTRY =
  /^\{"dtype":"([A-Z0-9_]{1,12})","shape":\[((?:(?:0|[1-9]\d{0,14})(?:,(?:0|[1-9]\d{0,14})){0,7})?)\],"data_offsets":\[(0|[1-9]\d{0,14}),(0|[1-9]\d{0,14})\]\}/;

type Fail = (code: ErrorCode, at: number, fields?: Record<string, string | number>) => FormatError;

/** The header while it is read. Offsets of the cursor are relative to the JSON. */
class HeaderDraft {
  readonly tensors: HeaderTensor[] = [];
  metadata: SafetensorsHeader['metadata'] = null;
  jsonEnd = 0;
  /** The code for a JSON problem at the place that is being read. */
  problemCode: ErrorCode = 'SAFETENSORS_HEADER_JSON';
  readonly #names = new Set<string>();
  readonly #cursor: JsonCursor;
  readonly #dataStart: number;
  readonly #fail: Fail;

  constructor(cursor: JsonCursor, jsonBytes: number, fail: Fail) {
    this.#cursor = cursor;
    this.#dataStart = PREFIX_BYTES + jsonBytes;
    this.#fail = fail;
  }

  read(): void {
    const cursor = this.#cursor;
    // The reference tolerates leading space; the format says "{" so that no other file type fits in front.
    if (cursor.bytes[0] !== 0x7b) throw new JsonProblem('does not begin with {', 0);
    readObject(cursor, (key, keyStart) => {
      if (this.#names.has(key)) throw this.#fail('SAFETENSORS_DUPLICATE_KEY', keyStart, { key });
      this.#names.add(key);
      if (key === '__metadata__') this.#readMetadata();
      else this.#readTensor(key, keyStart);
      this.problemCode = 'SAFETENSORS_HEADER_JSON';
    });
    this.jsonEnd = cursor.at;
    expectEnd(cursor);
  }

  #readMetadata(): void {
    const cursor = this.#cursor;
    const start = cursor.at;
    const members: MetadataMember[] = [];
    const keys = new Set<string>();
    this.problemCode = 'SAFETENSORS_METADATA';
    readObject(cursor, (key, keyStart) => {
      if (keys.has(key)) throw this.#fail('SAFETENSORS_DUPLICATE_KEY', keyStart, { key });
      if (keys.size >= FORMAT_LIMITS.safetensorsMembersMax) throw new JsonProblem('too many entries', keyStart);
      keys.add(key);
      const value = readString(cursor);
      members.push({ key, value, start: PREFIX_BYTES + keyStart, end: PREFIX_BYTES + cursor.at });
    });
    this.metadata = { start: PREFIX_BYTES + start, end: PREFIX_BYTES + cursor.at, members };
  }

  #readTensor(name: string, entryStart: number): void {
    if (this.tensors.length >= FORMAT_LIMITS.tensorsMax) {
      throw this.#fail('SAFETENSORS_TENSOR_COUNT', entryStart, { tensorsMax: FORMAT_LIMITS.tensorsMax });
    }
    const entry = this.#findUsualEntry() ?? this.#readEntry(name, entryStart);
    const dtype = SAFETENSORS_DTYPES.get(entry.dtype);
    if (dtype === undefined) throw this.#fail('SAFETENSORS_DTYPE', entryStart, { tensor: name, dtype: entry.dtype });
    const { shape, offsets } = entry;
    const elementCount = findElementCount(shape);
    const bits = elementCount === undefined ? NaN : elementCount * DTYPES[dtype].bits;
    if (elementCount === undefined || !Number.isSafeInteger(bits) || bits % 8 !== 0) {
      throw this.#fail('SAFETENSORS_SHAPE', entryStart, { tensor: name });
    }
    const [start, end] = offsets;
    if (end < start) throw this.#fail('SAFETENSORS_OFFSETS', entryStart, { tensor: name, start, end });
    if (end - start !== bits / 8) {
      throw this.#fail('SAFETENSORS_TENSOR_SIZE', entryStart, {
        tensor: name,
        expected: bits / 8,
        actual: end - start,
      });
    }
    this.tensors.push({
      name,
      dtype,
      shape,
      elementCount,
      start: this.#dataStart + start,
      end: this.#dataStart + end,
      entryStart,
    });
  }

  /** An entry as serialisers write it, read by one native match: a cold index is several times faster by it. */
  #findUsualEntry(): Entry | undefined {
    const { at, bytes } = this.#cursor;
    const match = USUAL_ENTRY.exec(bytes.toString('latin1', at, Math.min(at + 256, bytes.length)));
    if (match === null) return undefined;
    this.#cursor.at += match[0].length;
    const shape = match[2] === '' ? [] : match[2].split(',').map(Number);
    return { dtype: match[1], shape, offsets: [Number(match[3]), Number(match[4])] };
  }

  #readEntry(tensor: string, entryStart: number): Entry {
    const cursor = this.#cursor;
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    this.problemCode = 'SAFETENSORS_HEADER_SCHEMA';
    readObject(cursor, (key, keyStart) => {
      const isTwice =
        (key === 'dtype' && dtype !== undefined) ||
        (key === 'shape' && shape !== undefined) ||
        (key === 'data_offsets' && offsets !== undefined);
      if (isTwice) throw this.#fail('SAFETENSORS_DUPLICATE_KEY', keyStart, { tensor, key });
      if (key === 'dtype') dtype = readString(cursor);
      else if (key === 'shape') shape = readCounts(cursor, FORMAT_LIMITS.dimensionsMax);
      else if (key === 'data_offsets') offsets = readCounts(cursor, 2);
      else throw new JsonProblem('unknown member', keyStart);
    });
    if (dtype === undefined || shape === undefined || offsets?.length !== 2) {
      throw this.#fail('SAFETENSORS_HEADER_SCHEMA', entryStart, { tensor });
    }
    return { dtype, shape, offsets: [offsets[0], offsets[1]] };
  }
}

function readCounts(cursor: JsonCursor, countMax: number): number[] {
  const counts: number[] = [];
  readArray(cursor, () => {
    if (counts.length >= countMax) throw new JsonProblem('too many numbers', cursor.at);
    counts.push(readCount(cursor));
  });
  return counts;
}

/** The data must be covered once and completely: whatever lies between tensors could hide a second payload. */
function checkLayout(tensors: readonly HeaderTensor[], dataStart: number, source: ByteSource, fail: Fail): void {
  let at = dataStart;
  for (const { name, start, end, entryStart } of tensors) {
    if (start !== at) throw fail('SAFETENSORS_OFFSETS', entryStart, { tensor: name, expected: at, actual: start });
    at = end;
  }
  if (at !== source.size) {
    throw fail('SAFETENSORS_DATA_LENGTH', at - PREFIX_BYTES, { expected: at, actual: source.size });
  }
}
