/** Writes FlatBuffers from a tree of tables, front to back, and tells where every number lies, so that tests can break it. */

export type FlatScalar = 'i8' | 'u8' | 'bool' | 'u16' | 'i32' | 'u32' | 'f32' | 'i64' | 'u64';

export type FlatField =
  | { readonly kind: FlatScalar; readonly value: number | bigint }
  | { readonly kind: 'ref'; readonly to: FlatNode };

export type FlatNode =
  | { readonly kind: 'table'; readonly fields: Map<number, FlatField> }
  | { readonly kind: 'list'; readonly of: FlatScalar; readonly values: readonly (number | bigint)[] }
  | { readonly kind: 'tables'; readonly items: FlatNode[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'data'; readonly bytes: Uint8Array; readonly alignBytes: number };

export type FlatTable = Extract<FlatNode, { kind: 'table' }>;

/** A number that holds the structure together. */
export interface FlatSite {
  readonly at: number;
  readonly what: 'offset' | 'length' | 'field list' | 'to field list' | 'scalar';
  readonly bytes: number;
}

export interface FlatFile {
  readonly bytes: Uint8Array;
  readonly sites: readonly FlatSite[];
  /** Where a node lies. A node that several fields share is written once. */
  readonly places: ReadonlyMap<FlatNode, number>;
}

const SIZES: Readonly<Record<FlatScalar, number>> = {
  i8: 1,
  u8: 1,
  bool: 1,
  u16: 2,
  i32: 4,
  u32: 4,
  f32: 4,
  i64: 8,
  u64: 8,
};

export const table = (fields: Readonly<Record<number, FlatField | null>>): FlatTable => ({
  kind: 'table',
  fields: new Map(
    Object.entries(fields).flatMap(([slot, field]) => (field === null ? [] : [[Number(slot), field] as const])),
  ),
});
export const scalar = (kind: FlatScalar, value: number | bigint): FlatField => ({ kind, value });
export const ref = (to: FlatNode): FlatField => ({ kind: 'ref', to });
export const list = (of: FlatScalar, ...values: readonly (number | bigint)[]): FlatField =>
  ref({ kind: 'list', of, values });
export const tables = (items: readonly FlatNode[]): FlatField => ref({ kind: 'tables', items: [...items] });
export const text = (value: string): FlatField => ref({ kind: 'text', text: value });
export const data = (bytes: Uint8Array, alignBytes = 16): FlatField => ref({ kind: 'data', bytes, alignBytes });

export interface WriteFlatOptions {
  readonly identifier?: string;
  /** Equal field lists are written once, as builders do; default true. */
  readonly sharesFieldLists?: boolean;
  /** Zeros in front of every table, to move things about. */
  readonly gapBytes?: number;
  readonly trailing?: Uint8Array;
}

export function writeFlat(root: FlatTable, options: WriteFlatOptions = {}): FlatFile {
  const writer = new FlatWriter(options);
  writer.start(root);
  return writer.finish();
}

/** How often one node is written at most. */
const COPIES_MAX = 3;

class FlatWriter {
  readonly #options: WriteFlatOptions;
  readonly #sites: FlatSite[] = [];
  readonly #places = new Map<FlatNode, number>();
  readonly #copies = new Map<FlatNode, number>();
  readonly #fieldLists = new Map<string, number>();
  /** Offsets to fill in when their targets are placed: offsets lead forward. */
  readonly #queue: { readonly at: number; readonly to: FlatNode }[] = [];
  #bytes = Buffer.alloc(1024);
  #end = 0;

  constructor(options: WriteFlatOptions) {
    this.#options = options;
  }

  start(root: FlatTable): void {
    this.#reserve(8);
    this.#bytes.write(this.#options.identifier ?? 'TFL3', 4, 'latin1');
    this.#refer(0, root);
    // The queue grows while it is read; taking from its front would copy it every time.
    for (const next of this.#queue) {
      const known = this.#places.get(next.to);
      const copies = this.#copies.get(next.to) ?? 0;
      // Offsets cannot lead back: a node that lies behind is written again. In a circle, the last offset stays 0.
      if (known !== undefined && known > next.at) this.#bytes.writeUInt32LE(known - next.at, next.at);
      else if (copies < COPIES_MAX) {
        this.#copies.set(next.to, copies + 1);
        const at = this.#place(next.to);
        this.#bytes.writeUInt32LE(at - next.at, next.at);
      }
    }
  }

  finish(): FlatFile {
    const trailing = this.#options.trailing ?? new Uint8Array(0);
    const bytes = new Uint8Array(Buffer.concat([this.#bytes.subarray(0, this.#end), trailing]));
    return { bytes, sites: this.#sites, places: this.#places };
  }

  #reserve(bytes: number, alignBytes = 1, after = 0): number {
    while ((this.#end + after) % alignBytes !== 0) this.#end++;
    const at = this.#end;
    this.#end += bytes;
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.alloc(2 * this.#end);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }

  #refer(at: number, to: FlatNode): void {
    this.#queue.push({ at, to });
    this.#sites.push({ at, what: 'offset', bytes: 4 });
  }

  #place(node: FlatNode): number {
    const at = this.#write(node);
    this.#places.set(node, at);
    return at;
  }

  #write(node: FlatNode): number {
    switch (node.kind) {
      case 'table':
        return this.#table(node);
      case 'tables': {
        const at = this.#length(node.items.length, 4 * node.items.length, 4);
        node.items.forEach((item, i) => {
          this.#refer(at + 4 + 4 * i, item);
        });
        return at;
      }
      case 'list': {
        const size = SIZES[node.of];
        const at = this.#length(node.values.length, size * node.values.length, Math.max(4, size));
        node.values.forEach((value, i) => {
          this.#scalar(at + 4 + size * i, node.of, value);
        });
        return at;
      }
      case 'text': {
        const bytes = Buffer.from(node.text);
        const at = this.#length(bytes.length, bytes.length + 1, 4);
        this.#bytes.set(bytes, at + 4);
        return at;
      }
      case 'data': {
        const at = this.#length(node.bytes.length, node.bytes.length, node.alignBytes);
        this.#bytes.set(node.bytes, at + 4);
        return at;
      }
    }
  }

  #length(count: number, bytes: number, alignBytes: number): number {
    const at = this.#reserve(4 + bytes, Math.max(4, alignBytes), 4);
    this.#bytes.writeUInt32LE(count, at);
    this.#sites.push({ at, what: 'length', bytes: 4 });
    return at;
  }

  /** Fields are laid out widest first behind the way to the field list. */
  #table({ fields }: FlatTable): number {
    const order = [...fields].sort((a, b) => toSize(b[1]) - toSize(a[1]));
    const slots = fields.size === 0 ? 0 : Math.max(...fields.keys()) + 1;
    const hasWide = order.some(([, field]) => toSize(field) === 8);
    const offsets = new Array<number>(slots).fill(0);
    let bytes = hasWide ? 8 : 4;
    for (const [slot, field] of order) {
      offsets[slot] = bytes;
      bytes += toSize(field);
    }
    this.#reserve(this.#options.gapBytes ?? 0);
    const entries = [4 + 2 * slots, Math.ceil(bytes / 4) * 4, ...offsets];
    const key = entries.join();
    const shared = (this.#options.sharesFieldLists ?? true) ? this.#fieldLists.get(key) : undefined;
    const fieldList = shared ?? this.#fieldList(entries);
    this.#fieldLists.set(key, fieldList);
    const at = this.#reserve(entries[1], 8);
    this.#bytes.writeInt32LE(at - fieldList, at);
    this.#sites.push({ at, what: 'to field list', bytes: 4 });
    for (const [slot, field] of order) {
      if (field.kind === 'ref') this.#refer(at + offsets[slot], field.to);
      else {
        this.#scalar(at + offsets[slot], field.kind, field.value);
        this.#sites.push({ at: at + offsets[slot], what: 'scalar', bytes: SIZES[field.kind] });
      }
    }
    return at;
  }

  #fieldList(entries: readonly number[]): number {
    const at = this.#reserve(2 * entries.length, 2);
    entries.forEach((entry, i) => {
      this.#bytes.writeUInt16LE(entry, at + 2 * i);
      this.#sites.push({ at: at + 2 * i, what: 'field list', bytes: 2 });
    });
    return at;
  }

  #scalar(at: number, kind: FlatScalar, value: number | bigint): void {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    if (kind === 'i64' || kind === 'u64') view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else if (kind === 'f32') view.setFloat32(at, Number(value), true);
    else if (SIZES[kind] === 4) view.setUint32(at, Number(value) >>> 0, true);
    else if (SIZES[kind] === 2) view.setUint16(at, Number(value) & 0xffff, true);
    else view.setUint8(at, Number(value) & 0xff);
  }
}

function toSize(field: FlatField): number {
  return field.kind === 'ref' ? 4 : SIZES[field.kind];
}
