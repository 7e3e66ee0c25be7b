/** Metadata entries: names, and buffers that hold text or something packed. */
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { LONE_SURROGATE } from '../edits.ts';
import { toText } from '../text.ts';
import type { TfliteContext } from './context.ts';
import { METADATA, MODEL } from './fields.ts';
import type { Table } from './flat.ts';

export interface MetadataEntry {
  readonly key: string;
  readonly value: string;
  /** Of its table. */
  readonly at: number;
}

/** Control characters that no text has; tabs and line ends are fine. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/**
 * Entries in file order. A value is the text of its buffer without zeros at its end (writers pad), or, when the buffer
 * is no text, "binary, N bytes, SHA-256 …".
 * @throws FormatError TFLITE_INDEX | TFLITE_BUDGET
 */
export function readMetadata(context: TfliteContext, model: Table): MetadataEntry[] {
  const { flat, buffers } = context;
  const entries: MetadataEntry[] = [];
  let bytesRead = 0;
  for (const table of model.tables(MODEL.metadata)) {
    flat.spend(200, table.at);
    const key = table.text(METADATA.name) ?? '';
    const index = table.int(METADATA.buffer, 'u32');
    const place = buffers.at(index);
    if (place === undefined) throw flat.fail('TFLITE_INDEX', table.at, { buffer: index, buffers: buffers.length });
    bytesRead += place.end - place.start;
    if (bytesRead > FORMAT_LIMITS.tfliteMetadataBytesMax) {
      throw flat.fail('TFLITE_BUDGET', table.at, { metadataBytesMax: FORMAT_LIMITS.tfliteMetadataBytesMax });
    }
    const value = toValue(flat.pages.bytes(place.start, place.end));
    flat.spend(2 * value.length, table.at);
    entries.push({ key, value, at: table.at });
  }
  for (const index of model.ints(MODEL.metadataBuffer)) {
    if (index < 0 || index >= buffers.length) throw flat.fail('TFLITE_INDEX', model.at, { buffer: index });
  }
  return entries;
}

function toValue(bytes: Buffer): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = end > FORMAT_LIMITS.tfliteStringBytesMax ? '\0' : toText(bytes.subarray(0, end));
  if (!CONTROL.test(text) && !LONE_SURROGATE.test(text)) return text;
  return `binary, ${bytes.length} bytes, SHA-256 ${toHex(sha256(bytes))}`;
}
