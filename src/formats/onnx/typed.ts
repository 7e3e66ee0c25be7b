/** Repeated scalar fields (float_data, int32_data, …), packed, unpacked or both, read as one list of entries. */
import type { ByteSource } from '../../source/ports.ts';
import type { TypedField } from './dtypes.ts';
import { toFloorIndex } from './floor-index.ts';
import { append, NOTHING } from './short-list.ts';
import { type Field, WIRE, type WireReader } from './wire.ts';

/** A run of entries: one packed field, or unpacked fields that follow each other without a gap. */
export interface TypedSegment {
  readonly packed: boolean;
  /** Offset of the (first) tag. */
  readonly tagStart: number;
  /** Span of the entries; in an unpacked run, tags are among them. */
  readonly start: number;
  end: number;
  /** Entries of the segments before. */
  readonly first: number;
  count: number;
}

/** Inside a segment, every so many entries, a place from which reading can start: varints have no fixed width. */
const CHECKPOINT_ENTRIES = 4096;

interface Checkpoint {
  readonly entry: number;
  readonly segment: number;
  readonly offset: number;
}

/** Collects the occurrences of one field of one message, in file order. */
export class TypedValues {
  readonly field: TypedField;
  segments: TypedSegment[] = NOTHING;
  count = 0;
  readonly #reader: WireReader;
  #checkpoints: Checkpoint[] = NOTHING;

  constructor(reader: WireReader, field: TypedField) {
    this.#reader = reader;
    this.field = field;
  }

  get source(): ByteSource {
    return this.#reader.source;
  }

  /**
   * Takes an occurrence of the field; other wire types are unknown fields to protobuf and are left out.
   * @param spend counts heap for a new segment
   * @throws FormatError ONNX_WIRE when a packed fixed-width field is not whole entries; ONNX_TRUNCATED
   */
  add(field: Field, spend: (bytes: number, offset: number) => void): void {
    if (field.wire === WIRE.bytes) {
      spend(128, field.tagStart);
      const { tagStart, start, end } = field;
      this.#open({ packed: true, tagStart, start, end, first: this.count, count: 0 });
      this.#countPacked(this.segments.length - 1);
    } else if (field.wire === this.field.wire) {
      this.#addUnpacked(field, spend);
    }
  }

  #addUnpacked(field: Field, spend: (bytes: number, offset: number) => void): void {
    let last = this.segments.at(-1);
    if (last === undefined || last.packed || last.end !== field.tagStart) {
      spend(128, field.tagStart);
      const { tagStart, end } = field;
      last = { packed: false, tagStart, start: tagStart, end, first: this.count, count: 0 };
      this.#open(last);
    } else if (last.count % CHECKPOINT_ENTRIES === 0) this.#mark(this.segments.length - 1, field.tagStart);
    last.end = field.end;
    last.count++;
    this.count++;
  }

  #open(segment: TypedSegment): void {
    this.segments = append(this.segments, segment);
  }

  #mark(segment: number, offset: number): void {
    this.#checkpoints = append(this.#checkpoints, { entry: this.count, segment, offset });
  }

  #countPacked(index: number): void {
    const segment = this.segments[index];
    const bytes = segment.end - segment.start;
    if (this.field.wire !== WIRE.varint) {
      const width = this.field.wire === WIRE.fixed32 ? 4 : 8;
      if (bytes % width !== 0) throw this.#reader.fail('ONNX_WIRE', segment.start, { problem: 'broken packed field' });
      segment.count = bytes / width;
      this.count += segment.count;
      return;
    }
    for (let at = segment.start; at < segment.end; ) {
      if (segment.count > 0 && segment.count % CHECKPOINT_ENTRIES === 0) this.#mark(index, at);
      at = this.#reader.varint(at, segment.end);
      segment.count++;
      this.count++;
    }
  }

  /** Visits entries [first, first + count) as two unsigned halves; fixed32 entries have high = 0. */
  forEach(first: number, count: number, visit: (low: number, high: number) => void): void {
    let { segment: index, offset: at, entry } = this.#toStart(first);
    const end = first + count;
    while (entry < end) {
      const segment = this.segments[index];
      if (at >= segment.end) {
        index++;
        at = this.segments[index].start;
        continue;
      }
      if (!segment.packed) at = this.#reader.varint(at, segment.end);
      if (entry < first && segment.packed && this.field.wire !== WIRE.varint) {
        const skipped = Math.min(first - entry, (segment.end - at) / this.#width());
        at += skipped * this.#width();
        entry += skipped;
        continue;
      }
      at = this.#readEntry(at, segment.end);
      if (entry >= first) visit(this.#reader.low, this.#reader.high);
      entry++;
    }
  }

  #width(): number {
    return this.field.wire === WIRE.fixed32 ? 4 : 8;
  }

  #readEntry(at: number, end: number): number {
    const reader = this.#reader;
    if (this.field.wire === WIRE.varint) return reader.varint(at, end);
    reader.low = reader.word(at);
    reader.high = this.field.wire === WIRE.fixed64 ? reader.word(at + 4) : 0;
    return at + this.#width();
  }

  /** The last place at or before `entry` from which reading can start. */
  #toStart(entry: number): Checkpoint {
    const { segments } = this;
    const points = this.#checkpoints;
    const index = toFloorIndex(segments.length, (i) => segments[i].first, entry);
    const point = points.at(toFloorIndex(points.length, (i) => points[i].entry, entry));
    if (point !== undefined && point.entry <= entry && point.segment === index) return point;
    return { entry: segments[index].first, segment: index, offset: segments[index].start };
  }
}
