/** A comparison of two models as SARIF: one result per changed tensor, per change of the graph, per sign of poisoning. */
import type { ChangeClass, Grade, Hint, ModelDiff, TensorDiff } from '../tamper/index.ts';
import type { DiffPage } from './diff-page.ts';
import { type SarifFinding, type SarifLevel, type SarifRule, toSarif } from './sarif.ts';

/** Results of one kind in a log; viewers stop reading long before. */
const RESULTS_MAX = 5000;

const LEVELS: Readonly<Record<Grade, SarifLevel>> = { same: 'none', benign: 'note', suspicious: 'warning' };

/** Classes that deserve a look wherever they stand; the others are told. */
const LOUD: ReadonlySet<ChangeClass | null> = new Set<ChangeClass | null>([
  ...(['bit-flips', 'lsb-payload', 'row-edit', 're-initialised', 'permuted', 'scaled', 'edited'] as const),
]);

/** @returns a JSON document that ends in a line end */
export function toDiffSarif({ names, toolVersion, diff, behaviour, grade, open }: DiffPage): string {
  const hints = [...diff.hints, ...(behaviour.kind === 'measured' ? behaviour.hints : [])];
  const findings = [
    ...hints.map((hint) => toHintFinding(hint, names.after)),
    ...diff.tensors.slice(0, RESULTS_MAX).map((tensor) => toTensorFinding(tensor, names.after)),
    ...toGraphFindings(diff, names.after),
  ];
  return toSarif({
    toolVersion,
    rules: toRules(findings),
    findings,
    notAnalysed: open,
    properties: { verdict: diff.verdict.class, grade, comparedWith: names.before },
  });
}

function toRules(findings: readonly SarifFinding[]): SarifRule[] {
  return [...new Set(findings.map(({ ruleId }) => ruleId))].sort().map((id) => {
    const [area, name] = id.split('/') as [string, string];
    const what =
      area === 'diff-tensor' ? 'A tensor reads' : area === 'diff-graph' ? 'A node of the graph is' : 'A sign:';
    return { id, name, summary: `${what} ${name}.`, help: null };
  });
}

function toHintFinding({ id, grade, text, tensor }: Hint, file: string): SarifFinding {
  const place = tensor === null ? null : { name: tensor, kind: 'tensor', note: null };
  return { ruleId: `diff-sign/${id}`, level: LEVELS[grade], message: text, file, bytes: null, place, flow: [] };
}

function toTensorFinding({ before, after, class: kind, reasons }: TensorDiff, file: string): SarifFinding {
  const state = kind ?? (before === null ? 'added' : after === null ? 'removed' : 'not-compared');
  const name = after?.name ?? before?.name ?? '';
  const level = kind === 're-encoded' ? 'none' : LOUD.has(kind) ? 'warning' : 'note';
  const message = `${name}: ${state}. ${reasons.join(' ')}`;
  const place = { name, kind: 'tensor', note: null };
  return { ruleId: `diff-tensor/${state}`, level, message, file, bytes: null, place, flow: [] };
}

function toGraphFindings({ graph }: ModelDiff, file: string): SarifFinding[] {
  const changes = graph?.changes.filter(({ kind }) => kind !== 'renamed').slice(0, RESULTS_MAX) ?? [];
  return changes.map(({ kind, scope, before, after, detail, grade }) => {
    const side = after ?? before;
    const name = side === null ? scope : `${scope}/${side.name}`;
    const message = `${side === null ? 'Graph' : `${side.op} ${side.name}`}: ${kind}, ${detail}.`;
    const place = { name, kind: 'node', note: null };
    return { ruleId: `diff-graph/${kind}`, level: LEVELS[grade], message, file, bytes: null, place, flow: [] };
  });
}
