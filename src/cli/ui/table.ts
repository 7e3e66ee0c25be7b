/** Tables for a terminal: aligned columns, cells from files made harmless, one flexible column cut to fit. */
import { toPrintable } from '../../core/printable.ts';
import type { Style } from '../../core/style.ts';
import { toColumns, toFitting, toPadded } from '../../core/columns.ts';

export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut when the table is too wide; at most one column should say so. */
  readonly isFlexible?: boolean;
}

export interface TableOptions {
  readonly columns: readonly TableColumn[];
  /** One text per column and row; missing cells are empty. */
  readonly rows: readonly (readonly string[])[];
  readonly style: Style;
  /** Columns of the terminal; undefined never cuts (output goes to a file). */
  readonly widthColumns?: number | undefined;
}

const GAP = '  ';
const FLEXIBLE_COLUMNS_MIN = 8;

/** The table as lines that end in "\n"; only its head when there are no rows. */
export function toTable(options: TableOptions): string {
  const rows = options.rows.map((row) => options.columns.map((_, index) => toPrintable(row[index] ?? '')));
  const widths = toWidths(options, rows);
  const toLine = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => toPadded(toFitting(cell, widths[index]), widths[index], options.columns[index].align))
      .join(GAP)
      .trimEnd();
  const head = options.style.dim(toLine(options.columns.map((column) => column.title)));
  return [head, ...rows.map(toLine)].map((line) => `${line}\n`).join('');
}

/** Pairs of name and value, names aligned: the shape of summaries. */
export function toPairs(pairs: readonly (readonly [string, string])[], style: Style, indent = '  '): string {
  const width = Math.max(0, ...pairs.map(([name]) => toColumns(name)));
  return pairs.map(([name, value]) => `${indent}${style.dim(toPadded(name, width))}  ${toPrintable(value)}\n`).join('');
}

function toWidths(options: TableOptions, rows: readonly (readonly string[])[]): number[] {
  const widths = options.columns.map((column, index) =>
    rows.reduce((width, row) => Math.max(width, toColumns(row[index])), toColumns(column.title)),
  );
  const flexible = options.columns.findIndex((column) => column.isFlexible === true);
  if (flexible < 0 || options.widthColumns === undefined) return widths;
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  const excess = Math.max(0, total - options.widthColumns);
  // A column that is narrow by nature is not widened to the minimum.
  const least = Math.min(widths[flexible], FLEXIBLE_COLUMNS_MIN);
  widths[flexible] = Math.max(least, widths[flexible] - excess);
  return widths;
}
