/** The buffers of a model: data inside the tables' part of the file, or by offset and size beyond it. */
import { BUFFER, MODEL } from './fields.ts';
import type { BufferPlace, TfliteContext } from './context.ts';
import type { FlatReader, Table } from './flat.ts';

/**
 * The buffers in order. Data is not read.
 * @throws FormatError TFLITE_BUFFER | TFLITE_BUFFER_BOUNDS
 */
export function readBuffers(context: TfliteContext, model: Table): BufferPlace[] {
  const places: BufferPlace[] = [];
  for (const table of model.tables(MODEL.buffers)) {
    context.flat.spend(384, table.at);
    const place = readBuffer(context, table);
    // Every tensor without data says "buffer 0".
    if (places.length === 0 && place.end > place.start)
      throw context.flat.fail('TFLITE_BUFFER', table.at, { buffer: 0 });
    places.push(place);
  }
  return places;
}

function readBuffer(context: TfliteContext, table: Table): BufferPlace {
  const { flat } = context;
  const inside = table.data(BUFFER.data);
  if (inside !== null) flat.mark(inside.start - 4, inside.start);
  const beyond = readAbsoluteSpan(context, table, BUFFER.offset, BUFFER.size);
  if (inside === null || inside.count === 0) return { at: table.at, ...(beyond ?? { start: 0, end: 0 }) };
  // Which of the two counts differs between runtimes.
  if (beyond !== null) throw flat.fail('TFLITE_BUFFER', table.at, { inside: inside.start, beyond: beyond.start });
  return { at: table.at, start: inside.start, end: inside.end };
}

/** A span that is given by its offset from the beginning of the file; offsets 0 and 1 mean "none". */
export function readAbsoluteSpan(
  context: TfliteContext,
  table: Table,
  offsetField: number,
  sizeField: number,
): { readonly start: number; readonly end: number } | null {
  const start = table.long(offsetField, 'u64');
  const size = table.long(sizeField, 'u64');
  if (start <= 1n) return null;
  const { flat } = context;
  if (start + size > BigInt(flat.pages.source.size)) {
    throw flat.fail('TFLITE_BUFFER_BOUNDS', table.at, { start: start.toString(), length: size.toString() });
  }
  flat.spend(16, table.at);
  context.absoluteOffsets.push(table.position(offsetField, 8)!);
  return { start: Number(start), end: Number(start + size) };
}

/** Edits of such data would change the tables. @throws FormatError TFLITE_OVERLAP */
export function assertApart(flat: FlatReader, buffers: readonly BufferPlace[]): void {
  for (const [index, { at, start, end }] of buffers.entries()) {
    if (flat.structure.meets(start, end)) throw flat.fail('TFLITE_OVERLAP', at, { buffer: index, start, end });
  }
}
