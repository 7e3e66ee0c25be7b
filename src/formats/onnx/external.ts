/** External data of ONNX tensors: location, offset and length, checked against the file before anything is read. */
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { findContainedParts } from '../../source/names.ts';
import type { SourceFolder } from '../../source/ports.ts';
import type { ExternalFiles, OnnxContext } from './context.ts';

export interface ExternalSpan {
  readonly fileIndex: number;
  readonly start: number;
  readonly end: number;
}

/**
 * Where the data of an external tensor lies.
 * @param entries key and value pairs in file order; unknown keys are ignored, never assigned (CVE-2026-34445)
 * @param byteLength what dtype and shape need
 * @param at offset of the tensor, for messages
 * @throws FormatError ONNX_EXTERNAL | ONNX_EXTERNAL_BOUNDS | FORMAT_FOLDER_MISSING | FORMAT_FILE_COUNT
 * @throws SourceError when the location leaves the folder or cannot be opened
 */
export function toExternalSpan(
  context: OnnxContext,
  entries: readonly (readonly [string, string])[],
  byteLength: number,
  at: number,
): ExternalSpan {
  const { reader } = context;
  const known = new Map<string, string>();
  for (const [key, value] of entries) {
    if (key !== 'location' && key !== 'offset' && key !== 'length') continue;
    // Readers differ in which of two entries they take.
    if (known.has(key)) throw reader.fail('ONNX_EXTERNAL', at, { key, problem: 'given twice' });
    known.set(key, value);
  }
  const location = known.get('location');
  if (location === undefined || location === '') {
    throw reader.fail('ONNX_EXTERNAL', at, { key: 'location', problem: 'missing' });
  }
  const start = toCount(context, 'offset', known.get('offset') ?? '0', at);
  const length = known.has('length') ? toCount(context, 'length', known.get('length')!, at) : byteLength;
  if (length !== byteLength) {
    throw reader.fail('ONNX_TENSOR_SIZE', at, { expected: byteLength, actual: length });
  }
  const fileIndex = toFileIndex(context, location, at);
  const { size } = context.external.files[fileIndex].source;
  if (start + length > size) {
    throw reader.fail('ONNX_EXTERNAL_BOUNDS', at, { location, start, length, size });
  }
  return { fileIndex, start, end: start + length };
}

function toCount(context: OnnxContext, key: string, text: string, at: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw context.reader.fail('ONNX_EXTERNAL', at, { key, problem: 'not a number' });
  return value;
}

function toFileIndex(context: OnnxContext, location: string, at: number): number {
  const { external, folder, reader } = context;
  // "./w.bin" and "w.bin" are one file; a second source over it would make edits of the two collide.
  const name = findContainedParts(location)?.join('/') ?? location;
  const known = external.byName.get(name);
  if (known === 0) throw reader.fail('ONNX_EXTERNAL', at, { key: 'location', problem: 'the model file itself' });
  if (known !== undefined) return known;
  if (folder === null) {
    throw new FormatError('FORMAT_FOLDER_MISSING', { fields: { file: reader.source.label, offset: at } });
  }
  if (external.files.length >= FORMAT_LIMITS.filesMax) {
    throw new FormatError('FORMAT_FILE_COUNT', { fields: { file: reader.source.label, offset: at } });
  }
  return addFile(external, name, folder);
}

function addFile(external: ExternalFiles, name: string, folder: SourceFolder): number {
  const index = external.files.push({ name, source: folder.open(name) }) - 1;
  external.byName.set(name, index);
  return index;
}
