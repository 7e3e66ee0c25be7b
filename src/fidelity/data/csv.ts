/** Comma-separated tables (RFC 4180) with one column of labels. */
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type { ByteSource } from '../../source/ports.ts';
import { readWhole } from './inflate.ts';
import { type LabelledData, type Labels, malformed, tooLarge } from './types.ts';

/** Header words that name the label column, in any case. */
const LABEL_HEADERS: readonly string[] = ['label', 'labels', 'class', 'target', 'y'];

/** A first or last column counts as labels when it holds at least two and at most this many different texts. */
const autoClassesMax = 1000;

export interface CsvOptions {
  /** Which column holds labels; 'auto' takes a named one, else the last, else the first that looks like labels. */
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
}

/**
 * Parses a table into memory. A first row is a header, and skipped, when one of its cells in a numeric column is text,
 * or when its width differs (scikit-learn writes counts and class names there).
 * @throws RuntimeError DATA_MALFORMED with the row; DATA_TOO_LARGE
 */
export function openCsv(source: ByteSource, options: CsvOptions = {}): LabelledData {
  const { label } = source;
  const text = Buffer.from(readWhole(source, FIDELITY_LIMITS.csvBytesMax).buffer).toString('utf8');
  source.close();
  const rows = splitCsv(label, text.replace(/^\uFEFF/, ''));
  const header = takeHeader(rows);
  const width = rows[0]?.length ?? 0;
  if (rows.length === 0 || width < 2) throw malformed(label, 'the table needs a row, a label and a feature');
  const ragged = rows.findIndex((row) => row.length !== width);
  if (ragged >= 0) throw malformed(label, `row ${ragged} has ${rows[ragged]?.length ?? 0} cells, not ${width}`);
  const labelAt = findLabelColumn(rows, header, options.labelColumn ?? 'auto');
  if (labelAt === undefined) throw malformed(label, 'no column looks like labels; name one "label"');
  const features = toFeatures(label, rows, labelAt);
  const sampleWidth = width - 1;
  return {
    format: 'csv',
    count: rows.length,
    sampleShape: [sampleWidth],
    isBytes:
      features.every((value) => Number.isInteger(value) && value >= 0 && value <= 255) && findMax(features) > 127,
    labels: toCsvLabels(rows.map((row) => row[labelAt] ?? '')),
    read: (index) => features.slice(index * sampleWidth, (index + 1) * sampleWidth),
    readImage: () => {
      throw new TypeError('only image files are resized');
    },
    findImageSize: () => undefined,
    close() {
      // The table is in memory.
    },
  };
}

function findMax(values: Float64Array): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}

/** Cells of every row that is not blank; quotes may hold commas, line ends and doubled quotes. */
function splitCsv(label: string, text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length; ) {
    const cell = findCell(text, at);
    if (cell === undefined) throw malformed(label, `row ${rows.length} has a stray quote`, at);
    at = cell.next;
    row.push(cell.text.trim());
    if (row.length > FIDELITY_LIMITS.csvColumnsMax) {
      throw tooLarge(label, 'columns', row.length, FIDELITY_LIMITS.csvColumnsMax);
    }
    if (!cell.isLast && at < text.length) continue;
    if (!cell.isLast) row.push('');
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  }
  return rows;
}

/** The cell at `at` and where the next one begins; `isLast` of its row. Undefined where a quote is out of place. */
function findCell(text: string, at: number): { text: string; next: number; isLast: boolean } | undefined {
  const isQuoted = text[at] === '"';
  const end = isQuoted ? findClosingQuote(text, at + 1) : findPlainEnd(text, at);
  if (end === undefined) return undefined;
  const content = isQuoted ? text.slice(at + 1, end).replaceAll('""', '"') : text.slice(at, end);
  const rest = isQuoted ? end + 1 : end;
  const separator = /,|\r\n|\n|\r|$/y;
  separator.lastIndex = rest;
  const found = separator.exec(text);
  return found === null ? undefined : { text: content, next: separator.lastIndex, isLast: found[0] !== ',' };
}

// Searched, not matched: an alternation over every character of a cell of megabytes overflows the stack of the regular
// expression engine.
function findClosingQuote(text: string, from: number): number | undefined {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return undefined;
}

function findPlainEnd(text: string, at: number): number {
  const plain = /[^",\r\n]*/y;
  plain.lastIndex = at;
  plain.exec(text);
  return plain.lastIndex;
}

function isNumeric(cell: string): boolean {
  return cell !== '' && Number.isFinite(Number(cell));
}

function takeHeader(rows: string[][]): readonly string[] | null {
  if (rows.length < 2) return null;
  const [first, second] = rows as [string[], string[]];
  const isOther = first.length !== second.length;
  const isText = first.some((cell, column) => !isNumeric(cell) && isNumeric(second[column] ?? ''));
  if (!isOther && !isText) return null;
  rows.shift();
  return isOther ? null : first;
}

function findLabelColumn(
  rows: readonly (readonly string[])[],
  header: readonly string[] | null,
  choice: 'auto' | 'first' | 'last',
): number | undefined {
  const last = (rows[0]?.length ?? 1) - 1;
  if (choice !== 'auto') return choice === 'first' ? 0 : last;
  const named = header?.findIndex((cell) => LABEL_HEADERS.includes(cell.toLowerCase())) ?? -1;
  if (named >= 0) return named;
  return [last, 0].find((column) => {
    const texts = new Set(rows.map((row) => row[column] ?? ''));
    const isWhole = [...texts].every((text) => !isNumeric(text) || Number.isInteger(Number(text)));
    return isWhole && texts.size >= 2 && texts.size <= autoClassesMax;
  });
}

function toFeatures(label: string, rows: readonly (readonly string[])[], labelAt: number): Float64Array {
  const width = (rows[0]?.length ?? 1) - 1;
  const features = new Float64Array(rows.length * width);
  let at = 0;
  rows.forEach((row, index) => {
    row.forEach((cell, column) => {
      if (column === labelAt) return;
      if (!isNumeric(cell)) throw malformed(label, `row ${index}, column ${column} is no number`);
      features[at++] = Number(cell);
    });
  });
  return features;
}

/** Whole numbers stay; anything else is numbered in the order of its text. */
export function toCsvLabels(texts: readonly string[]): Labels {
  const numbers = texts.map(Number);
  const isNumbered = texts.every(
    (text, index) => isNumeric(text) && Math.abs(numbers[index] ?? 0) <= FIDELITY_LIMITS.classesMax,
  );
  if (isNumbered && numbers.every(Number.isInteger)) return { values: Int32Array.from(numbers), names: null };
  const names = [...new Set(texts)].sort();
  const numberOf = new Map(names.map((name, index) => [name, index]));
  return { values: Int32Array.from(texts, (text) => numberOf.get(text) ?? -1), names };
}
