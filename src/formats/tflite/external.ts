/** External buffers: data in other files of the model's folder, by group (a file name), offset and length. */
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { findContainedParts } from '../../source/names.ts';
import type { ExternalPlace, TfliteContext } from './context.ts';
import { EXTERNAL_BUFFER, EXTERNAL_GROUP, MODEL } from './fields.ts';
import type { Table } from './flat.ts';

/** External buffers by their number. @throws FormatError TFLITE_EXTERNAL */
export function readExternalBuffers(context: TfliteContext, model: Table): Map<number, ExternalPlace> {
  const { flat } = context;
  const groups: string[] = [];
  for (const table of model.tables(MODEL.externalBufferGroups)) groups.push(table.text(EXTERNAL_GROUP.name) ?? '');
  const places = new Map<number, ExternalPlace>();
  for (const table of model.tables(MODEL.externalBuffers)) {
    flat.spend(200, table.at);
    const id = table.int(EXTERNAL_BUFFER.id, 'u32');
    const fileName = groups.at(table.int(EXTERNAL_BUFFER.group, 'u32')) ?? '';
    if (id === 0 || places.has(id) || fileName === '') throw flat.fail('TFLITE_EXTERNAL', table.at, { id, fileName });
    places.set(id, {
      at: table.at,
      fileName,
      offset: table.long(EXTERNAL_BUFFER.offset, 'u64'),
      length: table.long(EXTERNAL_BUFFER.length, 'u64'),
      packing: table.text(EXTERNAL_BUFFER.packing) ?? '',
    });
  }
  return places;
}

/**
 * The file and span of external buffer `id`.
 * @throws FormatError TFLITE_EXTERNAL | TFLITE_BUFFER_BOUNDS | FORMAT_FOLDER_MISSING | FORMAT_FILE_COUNT
 * @throws SourceError when the group's name leaves the folder or cannot be opened
 */
export function toExternalSpan(
  context: TfliteContext,
  id: number,
  at: number,
): { readonly fileIndex: number; readonly start: number; readonly end: number } {
  const place = context.external.get(id);
  if (place === undefined) throw context.flat.fail('TFLITE_EXTERNAL', at, { id });
  const { fileName, offset, length, packing } = place;
  if (packing !== '' && packing !== 'unpacked') throw context.flat.fail('TFLITE_EXTERNAL', place.at, { id, packing });
  const fileIndex = toFileIndex(context, fileName, place.at);
  const { size } = context.files[fileIndex].source;
  if (offset + length > BigInt(size)) {
    const fields = { fileName, start: offset.toString(), length: length.toString(), size };
    throw context.flat.fail('TFLITE_BUFFER_BOUNDS', place.at, fields);
  }
  return { fileIndex, start: Number(offset), end: Number(offset + length) };
}

function toFileIndex({ files, fileIndexes, flat, folder }: TfliteContext, fileName: string, at: number): number {
  // "./w.bin" and "w.bin" are one file; a second source over it would make edits of the two collide.
  const name = findContainedParts(fileName)?.join('/') ?? fileName;
  const known = fileIndexes.get(name);
  if (known === 0) throw flat.fail('TFLITE_EXTERNAL', at, { fileName, problem: 'the model file itself' });
  if (known !== undefined) return known;
  const fields = { file: files[0].name, offset: at };
  if (folder === null) throw new FormatError('FORMAT_FOLDER_MISSING', { fields });
  if (files.length >= FORMAT_LIMITS.filesMax) throw new FormatError('FORMAT_FILE_COUNT', { fields });
  const index = files.push({ name, source: folder.open(name) }) - 1;
  fileIndexes.set(name, index);
  return index;
}
