/** Places: the spans of ONNX fields, given to the records that are read from them. */
import type { Place } from '../../model/document.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Field, Fields, WireReader } from './wire.ts';

/** Gives `record`, which nobody else has yet, the span of `field` as its place. */
export function withPlace<T extends { place: Place | null }>(source: ByteSource, field: Field, record: T): T {
  const place = toPlace(source, field);
  record.place = place;
  place.record = record;
  return record;
}

export function toPlace(source: ByteSource, field: Field): Place & { record: unknown } {
  const { number, tagStart, lengthStart, start, end } = field;
  return { source, number, tagStart, lengthStart, start, end, record: null };
}

/** The fields of the message at `place`. Its depth does not count: it was read before. */
export function walkPlace(reader: WireReader, { lengthStart, start, end }: Place): Fields {
  return reader.walk({ parent: null, lengthStart, start, end, depth: 0 });
}
