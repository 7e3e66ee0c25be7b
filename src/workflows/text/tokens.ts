/** Texts as token ids: from JSON, JSON lines, npy, or words with the list of a vocabulary. */
import { basename } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { readArrays } from '../../fidelity/index.ts';
import { openFileSource } from '../../source/index.ts';

/** Token ids of one text after another. */
export type Sequences = readonly ArrayLike<number>[];

export interface WordList {
  /** Word to token id; a word of several lines has the first. */
  readonly ids: ReadonlyMap<string, number>;
  /** SHA-256 of the words in their order, a line feed after each, hex. */
  readonly digest: string;
}

function toMalformed(file: string, reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TEXT_MALFORMED', { fields: { file: basename(file), reason } });
}

/** One word per line, in the order of their ids. @throws WatermarkError WATERMARK_TEXT_MALFORMED; SourceError */
export function readWordList(path: string): WordList {
  const lines = readText(path).split('\n');
  if (lines.length > WATERMARK_LIMITS.textVocabularyMax) throw toMalformed(path, 'the list is too long');
  const ids = new Map<string, number>();
  const words = lines.map((line) => line.trim());
  while (words.at(-1) === '') words.pop();
  words.forEach((word, id) => {
    if (word !== '' && !ids.has(word)) ids.set(word, id);
  });
  return { ids, digest: toHex(sha256(utf8(words.map((word) => `${word}\n`).join('')))) };
}

/**
 * The sequences of a file, told by its name: .npy (integers, [tokens] or [texts, tokens]), .json (an array of ids or of arrays of
 * ids), .jsonl (one array a line), anything else is text: words between blanks, a line a sequence, unknown words break it.
 * @throws WatermarkError WATERMARK_TEXT_MALFORMED; RuntimeError DATA_MALFORMED; SourceError
 */
export function readSequences(path: string, words: WordList | null): Sequences {
  const sequences = toSequences(path, words);
  const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
  if (tokens > WATERMARK_LIMITS.textTokensMax) throw toMalformed(path, 'there are too many tokens');
  return sequences;
}

function toSequences(path: string, words: WordList | null): Sequences {
  if (path.endsWith('.npy')) return readArray(path);
  const text = readText(path);
  if (path.endsWith('.jsonl')) {
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => toIds(path, parse(path, line)));
  }
  if (path.endsWith('.json')) {
    const value = parse(path, text);
    if (!Array.isArray(value)) throw toMalformed(path, 'it is no array');
    return value.length > 0 && Array.isArray(value[0]) ? value.map((one) => toIds(path, one)) : [toIds(path, value)];
  }
  if (words === null) throw toMalformed(path, 'text needs the list of words');
  return text.split('\n').map((line) => {
    const found = line.split(/\s+/).filter((word) => word !== '');
    return Int32Array.from(found, (word) => words.ids.get(word) ?? UNKNOWN);
  });
}

/** No token: what stands beside it is not read as a pair. */
const UNKNOWN = -1;

function readArray(path: string): Sequences {
  const array = readArrays(openFileSource(path)).get('');
  if (array === undefined || (array.shape.length !== 1 && array.shape.length !== 2)) {
    throw toMalformed(path, 'an npy has [tokens] or [texts, tokens]');
  }
  const ids = toNumbers(path, array.dtype, array.data);
  const width = array.shape.at(-1) ?? 0;
  const rows = array.shape.length === 1 ? 1 : array.shape[0];
  return Array.from({ length: rows }, (_, row) => ids.subarray(row * width, (row + 1) * width));
}

function toNumbers(path: string, dtype: string, data: Uint8Array): Float64Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const readers: Readonly<Record<string, readonly [number, (at: number) => number]>> = {
    i64: [8, (at) => Number(view.getBigInt64(at, true))],
    i32: [4, (at) => view.getInt32(at, true)],
    u32: [4, (at) => view.getUint32(at, true)],
    u16: [2, (at) => view.getUint16(at, true)],
    u8: [1, (at) => view.getUint8(at)],
  };
  if (!(dtype in readers)) throw toMalformed(path, `token ids are integers, not ${dtype}`);
  const [size, read] = readers[dtype];
  return Float64Array.from({ length: data.length / size }, (_, i) => read(i * size));
}

function readText(path: string): string {
  const source = openFileSource(path);
  try {
    if (source.size > WATERMARK_LIMITS.textBytesMax) throw toMalformed(path, 'the file is too large');
    const bytes = new Uint8Array(source.size);
    source.read(0, bytes);
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw toMalformed(path, 'it is no UTF-8 text');
    throw error;
  } finally {
    source.close();
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw toMalformed(path, 'it is no JSON');
  }
}

function toIds(path: string, value: unknown): Float64Array {
  const isIds = Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0);
  if (!isIds) throw toMalformed(path, 'a sequence is an array of token ids');
  return Float64Array.from(value as number[]);
}
