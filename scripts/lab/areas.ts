/** The areas of the battery: their rows under rows/, their part of docs/lab.md under report/. */
import { describeMark } from './report/mark.ts';
import { listMarkRows } from './rows/mark.ts';
import type { Area, Results, Row } from './types.ts';

const AREAS: readonly Area[] = [{ listRows: listMarkRows, describe: describeMark }];

export function listRows(): Row[] {
  return AREAS.flatMap((area) => area.listRows());
}

/** The whole of docs/lab.md. */
export function toMarkdown(results: Results): string {
  return `${AREAS.flatMap((area) => area.describe(results)).join('\n\n')}\n`;
}
