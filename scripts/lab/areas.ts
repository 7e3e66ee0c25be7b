/** The areas of the battery: their rows under rows/, their part of docs/lab.md under report/. */
import { describeAnswers } from './report/answers.ts';
import { describeScores } from './report/scores.ts';
import { describeLineage } from './report/lineage.ts';
import { describeLlm } from './report/llm.ts';
import { describeAttacks } from './report/attack.ts';
import { describeDecoderTriggers } from './report/decoder-triggers.ts';
import { describeForm } from './report/form.ts';
import { describeMark } from './report/mark.ts';
import { describeOrder } from './report/order.ts';
import { describeProbes } from './report/probes.ts';
import { describeText } from './report/text.ts';
import { describeTriggers } from './report/triggers.ts';
import { listAnswerRows } from './rows/answers.ts';
import { listScoreRows } from './rows/scores.ts';
import { listLineageRows } from './rows/lineage.ts';
import { listLlmRows } from './rows/llm.ts';
import { listAttackRows } from './rows/attack.ts';
import { listMarkRows } from './rows/mark.ts';
import { listOrderRows } from './rows/order.ts';
import { listProbeRows } from './rows/probes.ts';
import { listTextRows } from './rows/text.ts';
import { listDecoderTriggerRows } from './rows/decoder-triggers.ts';
import { listTriggerRows } from './rows/triggers.ts';
import type { Area, Results, Row } from './types.ts';

const AREAS: readonly Area[] = [
  { listRows: listMarkRows, describe: describeMark },
  { listRows: listAttackRows, describe: (results) => [...describeAttacks(results), ...describeForm(results)] },
  { listRows: listOrderRows, describe: describeOrder },
  { listRows: listLineageRows, describe: describeLineage },
  { listRows: listAnswerRows, describe: describeAnswers },
  { listRows: listScoreRows, describe: describeScores },
  { listRows: listLlmRows, describe: describeLlm },
  { listRows: listProbeRows, describe: describeProbes },
  { listRows: listTextRows, describe: describeText },
  { listRows: listTriggerRows, describe: describeTriggers },
  { listRows: listDecoderTriggerRows, describe: describeDecoderTriggers },
];

export function listRows(): Row[] {
  return AREAS.flatMap((area) => area.listRows());
}

/** The whole of docs/lab.md. */
export function toMarkdown(results: Results): string {
  return `${AREAS.flatMap((area) => area.describe(results)).join('\n\n')}\n`;
}
