/** Places: the spans of ONNX fields, given to the records that are read from them. */
import type { Place } from '../../model/document.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Field, Frame, WireReader } from './wire.ts';

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

/** The message at `place`, for reading its fields. Its depth does not count: it was read before. */
export function toFrame(place: Place): Frame {
  return { parent: null, lengthStart: place.lengthStart, start: place.start, end: place.end, depth: 0 };
}

/** Places of the fields of `frame` that have one of the `numbers`, in file order. */
export function listPlaces(reader: WireReader, frame: Frame, numbers: ReadonlySet<number>): Place[] {
  const places: Place[] = [];
  reader.eachField(frame, (field) => {
    if (numbers.has(field.number)) places.push(toPlace(reader.source, field));
  });
  return places;
}
