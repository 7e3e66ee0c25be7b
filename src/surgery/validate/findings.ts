/** Collects problems, up to a cap. */
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import type { NodeRecord } from '../../model/document.ts';
import { type Problem, type RuleId, RULES } from './rules.ts';

export class Findings {
  readonly problems: Problem[] = [];
  /** Problems beyond the cap are counted only. */
  count = 0;

  add(rule: RuleId, scope: string, name: string, node: NodeRecord | null = null): void {
    this.count++;
    if (this.problems.length >= SURGERY_LIMITS.problemsMax) return;
    const { severity } = RULES[rule];
    this.problems.push({ rule, severity, scope, name, node: node === null ? '' : toLabel(node) });
  }
}

function toLabel(node: NodeRecord): string {
  return node.name !== '' ? node.name : (node.outputs.find((output) => output !== '') ?? node.op);
}
