/** One message written from the fields it had and the fields it shall have: what is the same stays a span. */
import { utf8 } from '../../core/bytes.ts';
import type { Place } from '../../model/document.ts';
import type { ByteSource } from '../../source/ports.ts';
import { OpList } from './op-list.ts';
import { walkPlace } from './place.ts';
import { toLengthLike } from './splice.ts';
import { toLengthVarint, toTag } from './varint.ts';
import { WIRE, type WireReader } from './wire.ts';

/** All fields of one number: the items that shall be there, in order. Fields of other numbers are kept as they are. */
export interface FieldPlan {
  readonly number: number;
  readonly items: readonly FieldItem[];
  /** True for numbers, packed or not. Of messages and texts, a field of another wire type is unknown, and kept. */
  readonly isAnyWire?: true;
}

export interface FieldItem {
  /** Where the item was read; null for a new one. */
  readonly place: Place | null;
  /** True when the bytes at the place are still right. */
  readonly isSame: boolean;
  /** Appends the content without tag and length, or `whole` fields. Called when it is not the same. */
  write(out: OpList): void;
  readonly whole?: true;
}

/** The reader of a source: records may come from several models. */
export type FindReader = (source: ByteSource) => WireReader;

/**
 * Appends the content of a message.
 *
 * Items appear in their order. An item that was in this message stays where it was unless a later one had to come before
 * it; new items follow their predecessor; those behind the last one that was there follow directly.
 * @param place the message as it was, null for a new one
 */
export function weaveMessage(
  findReader: FindReader,
  place: Place | null,
  plans: readonly FieldPlan[],
  out: OpList,
): void {
  if (place === null) {
    for (const { items, number } of plans) for (const item of items) writeItem(item, number, out);
    return;
  }
  const weaves = plans.map((plan): Weave => ({ ...plan, next: 0, left: 0, positions: null }));
  const byNumber = new Map(weaves.map((weave) => [weave.number, weave]));
  const found = listFields(findReader(place.source), place, byNumber);
  for (const { number } of found) byNumber.get(number)!.left++;
  let kept = place.start;
  for (const { number, tagStart, end } of found) {
    const weave = byNumber.get(number)!;
    weave.left--;
    const position = findPosition(weave, place, tagStart);
    const until = weave.left === 0 ? weave.items.length : position === undefined ? weave.next : position + 1;
    out.keep(place.source, kept, tagStart);
    kept = end;
    for (; weave.next < until; weave.next++) writeItem(weave.items[weave.next], number, out);
  }
  out.keep(place.source, kept, place.end);
  for (const weave of weaves) {
    for (; weave.next < weave.items.length; weave.next++) writeItem(weave.items[weave.next], weave.number, out);
  }
}

/** A plan while its items are written. */
interface Weave extends FieldPlan {
  /** Index of the next item. */
  next: number;
  /** How many fields of the message are still to come. */
  left: number;
  positions: ReadonlyMap<number, number> | null;
}

interface FoundField {
  readonly number: number;
  readonly tagStart: number;
  readonly end: number;
}

function listFields(reader: WireReader, place: Place, plans: ReadonlyMap<number, FieldPlan>): FoundField[] {
  const found: FoundField[] = [];
  const fields = walkPlace(reader, place);
  while (fields.next()) {
    const { number, wire, tagStart, end } = fields;
    const plan = plans.get(number);
    if (plan !== undefined && (wire === WIRE.bytes || plan.isAnyWire === true)) found.push({ number, tagStart, end });
  }
  return found;
}

/** Position of the item that was the field with its tag at `tagStart`. */
function findPosition(weave: Weave, place: Place, tagStart: number): number | undefined {
  if (weave.positions === null) {
    // Usually it is the next item, or the next but for new ones.
    let next = weave.next;
    while (weave.items.at(next)?.place === null) next++;
    const at = weave.items.at(next)?.place;
    if (at?.source === place.source && at.tagStart === tagStart) return next;
    weave.positions = toPositions(place, weave.items);
  }
  return weave.positions.get(tagStart);
}

/** Position of each item that comes from this very message, by the offset of its tag. */
function toPositions(place: Place, items: readonly FieldItem[]): ReadonlyMap<number, number> {
  const positions = new Map<number, number>();
  items.forEach((item, i) => {
    const at = item.place;
    if (at?.source !== place.source || at.tagStart < place.start || at.end > place.end) return;
    if (!positions.has(at.tagStart)) positions.set(at.tagStart, i);
  });
  return positions;
}

function writeItem(item: FieldItem, number: number, out: OpList): void {
  const { place } = item;
  if (place !== null && item.isSame) {
    if (place.number === number) out.keep(place.source, place.tagStart, place.end);
    else {
      out.bytes(toTag(number, WIRE.bytes), toLengthVarint(place.end - place.start));
      out.keep(place.source, place.start, place.end);
    }
    return;
  }
  if (item.whole === true) {
    item.write(out);
    return;
  }
  const body = new OpList();
  item.write(body);
  if (place !== null && place.number === number) {
    out.keep(place.source, place.tagStart, place.lengthStart);
    out.bytes(toLengthLike(place, body.size));
  } else out.bytes(toTag(number, WIRE.bytes), toLengthVarint(body.size));
  out.push(body.toOps());
}

/** New length-delimited fields with these contents. */
export function toBytesPlan(number: number, contents: readonly Uint8Array[]): FieldPlan {
  return {
    number,
    items: contents.map((content) => ({
      place: null,
      isSame: false,
      write: (out) => {
        out.bytes(content);
      },
    })),
  };
}

/** New fields, written tag and all: varints and other numbers. */
export function toWholePlan(number: number, ...contents: readonly Uint8Array[]): FieldPlan {
  const write = (out: OpList): void => {
    out.bytes(...contents);
  };
  const items: FieldItem[] = contents.length === 0 ? [] : [{ place: null, isSame: false, write, whole: true }];
  return { number, items, isAnyWire: true };
}

/** New string fields. */
export function toTextPlan(number: number, texts: readonly string[]): FieldPlan {
  return toBytesPlan(number, texts.map(toNameBytes));
}

/** The bytes of a name as the reader gave it: U+DC80 to U+DCFF stand for single bytes that were not UTF-8. */
function toNameBytes(name: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(name)) return utf8(name);
  return new Uint8Array(
    Buffer.concat(
      Array.from(name, (char) => {
        const code = char.charCodeAt(0);
        return char.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(char);
      }),
    ),
  );
}
