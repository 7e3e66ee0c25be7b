/** Tables for a terminal: aligned columns, cells from files made harmless, flexible columns cut to fit. */
import { toPrintable } from '../../core/printable.ts';
import type { Style } from '../../core/style.ts';
import { toColumns, toFitting, toPadded } from '../../core/columns.ts';

export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut when the table is too wide; of several, the widest is cut first. */
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
  if (options.widthColumns === undefined) return widths;
  const total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  cutWidest(options.columns, widths, total - options.widthColumns);
  return widths;
}

/** Takes `excess` columns off, always where the most are left; a column that is narrow by nature stays as it is. */
function cutWidest(columns: readonly TableColumn[], widths: number[], excess: number): void {
  const flexible = columns.flatMap(({ isFlexible }, index) => (isFlexible === true ? [index] : []));
  for (let left = excess; left > 0; ) {
    const ordered = [...flexible].sort((a, b) => widths[b] - widths[a]);
    const widest = ordered.at(0);
    if (widest === undefined || widths[widest] <= FLEXIBLE_COLUMNS_MIN) return;
    const second = ordered.length > 1 ? widths[ordered[1]] : 0;
    // Down to the second, and one further, so that two of a width take turns.
    const step = Math.min(left, widths[widest] - Math.max(FLEXIBLE_COLUMNS_MIN, Math.min(second, widths[widest] - 1)));
    widths[widest] -= step;
    left -= step;
  }
}
