/** Markdown tables and figures as text. */
import type { Figures } from '../types.ts';

export const line = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

export const rule = (columns: number): string => line(...Array<string>(columns).fill('---'));

/** One figure as text. */
export const show = (figures: Figures, key: string): string => String(figures[key]);
