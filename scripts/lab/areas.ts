/** The areas of the battery: their rows under rows/, their part of docs/lab.md under report/. */
import { describeAnswers } from './report/answers.ts';
import { describeLineage } from './report/lineage.ts';
import { describeLlm } from './report/llm.ts';
import { describeMark } from './report/mark.ts';
import { describeProbes } from './report/probes.ts';
import { describeText } from './report/text.ts';
import { listAnswerRows } from './rows/answers.ts';
import { listLineageRows } from './rows/lineage.ts';
import { listLlmRows } from './rows/llm.ts';
import { listMarkRows } from './rows/mark.ts';
import { listProbeRows } from './rows/probes.ts';
import { listTextRows } from './rows/text.ts';
import type { Area, Results, Row } from './types.ts';

const AREAS: readonly Area[] = [
  { listRows: listMarkRows, describe: describeMark },
  { listRows: listLineageRows, describe: describeLineage },
  { listRows: listAnswerRows, describe: describeAnswers },
  { listRows: listLlmRows, describe: describeLlm },
  { listRows: listProbeRows, describe: describeProbes },
  { listRows: listTextRows, describe: describeText },
];

export function listRows(): Row[] {
  return AREAS.flatMap((area) => area.listRows());
}

/** The whole of docs/lab.md. */
export function toMarkdown(results: Results): string {
  return `${AREAS.flatMap((area) => area.describe(results)).join('\n\n')}\n`;
}
