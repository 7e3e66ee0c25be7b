/**
 * New tables in front of a model, for metadata that changes.
 *
 * Offsets of FlatBuffers lead forward only, so a new list of old tables must stand before them. What exists moves as a
 * whole: offsets are distances, and stay right. The former root and its two lists are left behind, unused.
 */
import { utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Replacement } from '../../source/splice.ts';
import type { TfliteContext } from './context.ts';
import { MODEL, MODEL_FIELDS } from './fields.ts';
import type { Table } from './flat.ts';
import type { MetadataEntry } from './metadata.ts';

/** Root offset and identifier, which stay at the beginning. */
const HEAD_BYTES = 8;
/** What exists moves by a multiple of this, so that data keeps its alignment (16 in the schema, 64 in vector kernels). */
const SHIFT_BYTES = 64;

/**
 * Replacements that set, or with null remove, metadata entries; every other byte stays in its order.
 * @throws FormatError FORMAT_EDIT_UNSUPPORTED when the root has fields that are newer than this reader, or no room is left
 */
export function toMetadataReplacements(
  context: TfliteContext,
  model: Table,
  entries: readonly MetadataEntry[],
  edits: ReadonlyMap<string, string | null>,
): readonly Replacement[] {
  const changes = toChanges(entries, edits);
  if (changes === null) return [];
  assertKnownRoot(model);
  // Positions inside the block do not depend on how far the rest moves, so it is built once for its length.
  const shift = Math.ceil(toBlock(context, model, changes, 0).length / SHIFT_BYTES) * SHIFT_BYTES;
  const { structure, pages } = context.flat;
  if (structure.last + shift > FORMAT_LIMITS.tfliteTablesEndMax) {
    throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { message: 'The tables would reach beyond 2 GiB.' });
  }
  const block = Buffer.alloc(shift);
  block.set(toBlock(context, model, changes, shift));
  const root = Buffer.alloc(4);
  root.writeUInt32LE(HEAD_BYTES + ROOT_LIST_BYTES);
  const moved = context.absoluteOffsets.map((at): Replacement => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(pages.u64(at) + BigInt(shift));
    return { start: at, end: at + 8, ops: [{ kind: 'bytes', bytes }] };
  });
  return [
    { start: 0, end: 4, ops: [{ kind: 'bytes', bytes: root }] },
    { start: HEAD_BYTES, end: HEAD_BYTES, ops: [{ kind: 'bytes', bytes: block }] },
    ...moved,
  ];
}

interface Changes {
  readonly kept: readonly MetadataEntry[];
  readonly added: readonly (readonly [key: string, value: string])[];
}

/** Null when nothing changes. Of several entries of one name, the last counts; the others go with it. */
function toChanges(entries: readonly MetadataEntry[], edits: ReadonlyMap<string, string | null>): Changes | null {
  const wanted = [...edits].filter(([key, value]) => {
    const present = entries.filter((entry) => entry.key === key);
    return value === null ? present.length > 0 : present.length !== 1 || present[0].value !== value;
  });
  if (wanted.length === 0) return null;
  const touched = new Set(wanted.map(([key]) => key));
  return {
    kept: entries.filter(({ key }) => !touched.has(key)),
    added: wanted.filter((entry): entry is [string, string] => entry[1] !== null),
  };
}

function assertKnownRoot(model: Table): void {
  for (let field = MODEL_FIELDS; field < model.fieldCount; field++) {
    if (model.position(field, 1) !== null) {
      throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { fields: { field }, message: 'The root has unknown fields.' });
    }
  }
}

const ROOT_LIST_BYTES = 4 + 2 * MODEL_FIELDS;
const ROOT_BYTES = 4 + 4 * MODEL_FIELDS;
/** One field list serves metadata (name, buffer) and buffers (data): a table, and fields at 4 and 8 or at 4. */
const METADATA_LIST = [8, 12, 4, 8];
const BUFFER_LIST = [6, 8, 4];

/** Bytes that stand from HEAD_BYTES on; `shift` is how far everything else moves. */
function toBlock(context: TfliteContext, model: Table, changes: Changes, shift: number): Buffer {
  const { buffers } = context;
  const out = new BlockWriter(HEAD_BYTES);
  const rootAt = out.reserve(ROOT_LIST_BYTES) + ROOT_LIST_BYTES;
  out.reserve(ROOT_BYTES);
  const metadataListAt = out.u16s(METADATA_LIST);
  const bufferListAt = out.u16s(BUFFER_LIST);
  const bufferSlots = out.list(buffers.length + changes.added.length);
  const metadataSlots = out.list(changes.kept.length + changes.added.length);
  buffers.forEach(({ at }, i) => {
    out.offset(bufferSlots + 4 * i, at + shift);
  });
  changes.kept.forEach(({ at }, i) => {
    out.offset(metadataSlots + 4 * i, at + shift);
  });
  changes.added.forEach(([key, value], i) => {
    const entryAt = out.table(metadataListAt, 12);
    out.offset(metadataSlots + 4 * (changes.kept.length + i), entryAt);
    out.u32(entryAt + 8, buffers.length + i);
    out.offset(entryAt + 4, out.bytes(utf8(`${key}\0`), 1, 4));
    const bufferAt = out.table(bufferListAt, 8);
    out.offset(bufferSlots + 4 * (buffers.length + i), bufferAt);
    out.offset(bufferAt + 4, out.bytes(utf8(value), 0, 16));
  });
  const lists = { buffers: bufferSlots - 4, metadata: metadataSlots - 4 };
  writeRoot(context, out, model, { rootAt, shift, ...lists });
  return out.finish();
}

/** The root again, with two lists replaced. */
function writeRoot(
  { flat }: TfliteContext,
  out: BlockWriter,
  model: Table,
  at: { readonly rootAt: number; readonly shift: number; readonly buffers: number; readonly metadata: number },
): void {
  const { rootAt, shift } = at;
  const list = [ROOT_LIST_BYTES, ROOT_BYTES];
  for (let field = 0; field < MODEL_FIELDS; field++) {
    const place = 4 + 4 * field;
    const old = model.position(field, 4);
    const isNew = field === MODEL.buffers || field === MODEL.metadata;
    list.push(old === null && !isNew ? 0 : place);
    if (field === MODEL.buffers) out.offset(rootAt + place, at.buffers);
    else if (field === MODEL.metadata) out.offset(rootAt + place, at.metadata);
    else if (field === MODEL.version) out.u32(rootAt + place, model.int(MODEL.version, 'u32'));
    else if (old !== null) out.offset(rootAt + place, flat.follow(old) + shift);
  }
  out.u32(rootAt, ROOT_LIST_BYTES);
  out.u16sAt(rootAt - ROOT_LIST_BYTES, list);
}

/** Bytes by the position that they will have in the file. */
class BlockWriter {
  readonly #base: number;
  #bytes = Buffer.alloc(4096);
  #length = 0;

  constructor(base: number) {
    this.#base = base;
  }

  /** @returns the position of `count` zeros, which `alignBytes` divides `after` bytes later */
  reserve(count: number, alignBytes = 4, after = 0): number {
    let at = this.#base + this.#length;
    while ((at + after) % alignBytes !== 0) at++;
    this.#length = at - this.#base + count;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }

  u16sAt(at: number, values: readonly number[]): void {
    values.forEach((value, i) => this.#bytes.writeUInt16LE(value, at - this.#base + 2 * i));
  }

  u16s(values: readonly number[]): number {
    const at = this.reserve(2 * values.length);
    this.u16sAt(at, values);
    return at;
  }

  u32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value, at - this.#base);
  }

  /** An offset at `at` that leads to `target`. */
  offset(at: number, target: number): void {
    // Without a shift, a block is only measured; its offsets then mean nothing.
    this.u32(at, Math.max(0, target - at));
  }

  /** @returns the position of the first of `count` places for offsets */
  list(count: number): number {
    const at = this.reserve(4 + 4 * count);
    this.u32(at, count);
    return at + 4;
  }

  table(fieldList: number, bytes: number): number {
    const at = this.reserve(bytes);
    this.u32(at, at - fieldList);
    return at;
  }

  /** A list of bytes whose last `hidden` its length leaves out (the end of a text). @returns the list's position */
  bytes(content: Uint8Array, hidden: number, alignBytes: number): number {
    const at = this.reserve(4 + content.length, alignBytes, 4);
    this.u32(at, content.length - hidden);
    this.#bytes.set(content, at - this.#base + 4);
    return at;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
