/** A zip writer for tests that can say every wrong thing. By default it writes as torch.save does. */
import { crc32, deflateRawSync } from 'node:zlib';
import { type Part, join } from './proto.ts';

export interface TestMember {
  readonly name: string;
  readonly content: Uint8Array;
  /** Compresses the content. */
  readonly deflate?: boolean;
  /** A data descriptor behind the data, as torch.save writes it; its length in bytes. */
  readonly descriptor?: 0 | 12 | 16 | 20 | 24;
  /** Changes fields of the central entry, by name. */
  readonly central?: Partial<Fields>;
  /** Changes fields of the local header. */
  readonly local?: Partial<Fields>;
  /** Bytes in front of the local header that no member has. */
  readonly before?: Uint8Array;
  /** Bytes behind the member. */
  readonly after?: Uint8Array;
}

export interface Fields {
  name: string | Uint8Array;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  offset: number;
  disk: number;
  extra: Uint8Array;
}

export interface ArchiveOptions {
  readonly prefix?: Uint8Array;
  readonly suffix?: Uint8Array;
  readonly comment?: Uint8Array;
  /** Without zip64 records, as other tools write small archives. */
  readonly zip64?: boolean;
  /** Bytes between the directory and the end records. */
  readonly gap?: Uint8Array;
  readonly end?: Partial<{ count: number; size: number; offset: number; disk: number }>;
  readonly end64?: Partial<{ count: number; countHere: number; size: number; offset: number; recordSize: number }>;
  readonly locator?: Partial<{ offset: number; disks: number }>;
}

const u16 = (value: number): Part => Uint8Array.of(value & 255, (value >> 8) & 255);
const u32 = (value: number): Part => join(u16(value & 0xffff), u16((value >>> 16) & 0xffff));
const u64 = (value: number): Part => join(u32(value % 2 ** 32), u32(Math.floor(value / 2 ** 32)));

/** The padding that aligns data: the field "FB" of torch.save. */
export function toPadding(length: number): Uint8Array {
  return join(u16(0x4246), u16(length), new Uint8Array(length).fill(0x5a));
}

interface Laid {
  readonly local: Part;
  readonly central: Part;
}

export function writeZip(members: readonly TestMember[], options: ArchiveOptions = {}): Uint8Array {
  const parts: Part[] = [options.prefix ?? new Uint8Array(0)];
  const entries: Part[] = [];
  let at = parts[0].length;
  for (const member of members) {
    const before = member.before ?? new Uint8Array(0);
    const laid = layMember(member, at + before.length);
    parts.push(before, laid.local, member.after ?? new Uint8Array(0));
    entries.push(laid.central);
    at += before.length + laid.local.length + (member.after?.length ?? 0);
  }
  // Not spread: an archive may have more members than a call has arguments.
  const directory = new Uint8Array(Buffer.concat(entries));
  parts.push(directory, options.gap ?? new Uint8Array(0));
  const recordAt = at + directory.length + (options.gap?.length ?? 0);
  const extent = { count: members.length, size: directory.length, offset: at };
  if (options.zip64 !== false) parts.push(toEnd64(extent, recordAt, options));
  const end = { ...extent, disk: 0, count: Math.min(extent.count, 0xffff), ...options.end };
  const comment = options.comment ?? new Uint8Array(0);
  parts.push(
    join(u32(0x06054b50), u16(end.disk), u16(end.disk), u16(end.count), u16(end.count), u32(end.size), u32(end.offset)),
    join(u16(comment.length), comment, options.suffix ?? new Uint8Array(0)),
  );
  return new Uint8Array(Buffer.concat(parts));
}

function toEnd64(extent: { count: number; size: number; offset: number }, at: number, options: ArchiveOptions): Part {
  const end = { ...extent, recordSize: 44, ...options.end64 };
  const locator = { offset: at, disks: 1, ...options.locator };
  return join(
    u32(0x06064b50),
    u64(end.recordSize),
    join(u16(0x31e), u16(45), u32(0), u32(0)),
    join(u64(options.end64?.countHere ?? end.count), u64(end.count), u64(end.size), u64(end.offset)),
    join(u32(0x07064b50), u32(0), u64(locator.offset), u32(locator.disks)),
  );
}

function layMember(member: TestMember, at: number): Laid {
  const packed = member.deflate === true ? new Uint8Array(deflateRawSync(member.content)) : member.content;
  const descriptorBytes = member.descriptor ?? 16;
  const base: Fields = {
    name: member.name,
    flags: 0x800 | (descriptorBytes > 0 ? 8 : 0),
    method: member.deflate === true ? 8 : 0,
    crc: crc32(member.content),
    packed: packed.length,
    size: member.content.length,
    offset: at,
    disk: 0,
    extra: new Uint8Array(0),
  };
  const central = { ...base, ...member.central };
  const deferred = descriptorBytes > 0 ? { crc: 0, packed: 0, size: 0 } : {};
  const local = { ...base, ...deferred, extra: toPadding(3), ...member.local };
  return {
    local: join(toLocalHeader(local), packed, toDescriptor(central, descriptorBytes)),
    central: toCentralEntry(central),
  };
}

const toName = (name: string | Uint8Array): Uint8Array =>
  typeof name === 'string' ? new Uint8Array(Buffer.from(name)) : name;

function toLocalHeader(fields: Fields): Part {
  const name = toName(fields.name);
  return join(
    join(u32(0x04034b50), u16(20), u16(fields.flags), u16(fields.method), u32(0)),
    join(u32(fields.crc), u32(fields.packed), u32(fields.size), u16(name.length), u16(fields.extra.length)),
    name,
    fields.extra,
  );
}

function toCentralEntry(fields: Fields): Part {
  const name = toName(fields.name);
  return join(
    join(u32(0x02014b50), u16(0x31e), u16(20), u16(fields.flags), u16(fields.method), u32(0)),
    join(u32(fields.crc), u32(fields.packed), u32(fields.size), u16(name.length), u16(fields.extra.length), u16(0)),
    join(u16(fields.disk), u16(0), u32(0), u32(fields.offset)),
    name,
    fields.extra,
  );
}

function toDescriptor({ crc, packed, size }: Fields, length: number): Part {
  if (length === 0) return new Uint8Array(0);
  const signature = length === 16 || length === 24 ? u32(0x08074b50) : new Uint8Array(0);
  const sizes = length >= 20 ? join(u64(packed), u64(size)) : join(u32(packed), u32(size));
  return join(signature, u32(crc), sizes);
}

/** Members of an archive of torch.save around a pickle and its storages. */
export function toTorchMembers(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>>): TestMember[] {
  const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));
  return [
    { name: 'm/data.pkl', content: pickle },
    { name: 'm/byteorder', content: text('little') },
    ...Object.entries(storages).map(([key, content]) => ({ name: `m/data/${key}`, content })),
    { name: 'm/version', content: text('3\n') },
    { name: 'm/.data/serialization_id', content: text('0'.repeat(40)) },
  ];
}

export function writeTorch(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return writeZip(toTorchMembers(pickle, storages));
}
