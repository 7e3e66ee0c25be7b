/** Rules G01, G02, G04, G05, G06 and G08: where a cheap yes-or-no signal takes part in what the weights compute. */
import type { PathStep, ScanFinding, ScanSeverity } from '../finding.ts';
import { GATED, PINCHED, type SourceKind, SOURCE_KINDS, TRIGGER } from '../flow.ts';
import { CUTS, isParameter, LAYOUTS, RANDOMS, SELECTS, WRITES } from '../ops.ts';
import type { ScanRuleId } from '../rules.ts';
import { type GraphView, isAtOutput, isHeavy, toCore, toEvidence, toOrigin } from '../view.ts';

/** A signal that enters a node at one operand. */
interface Join {
  readonly view: GraphView;
  readonly node: number;
  readonly at: number;
  readonly operand: number;
  readonly kind: SourceKind;
  /** State of the path that is told, and the weights on it. */
  readonly state: number;
  readonly cost: number;
}

interface Judgement {
  readonly severity: ScanSeverity;
  readonly what: string;
}

export function findJoins(view: GraphView): ScanFinding[] {
  const findings: ScanFinding[] = [];
  view.graph.nodes.forEach(({ inputs, op }, node) => {
    if (view.isLive[node] === 0 || LAYOUTS.has(op) || op === 'LoopCarry') return;
    const seen = new Set<number>();
    inputs.forEach((operand, at) => {
      if (operand === -1 || seen.has(operand)) return;
      seen.add(operand);
      for (const kind of SOURCE_KINDS) {
        const finding = judgeOperand(view, { node, at, operand, kind });
        if (finding !== null) findings.push(finding);
      }
    });
  });
  return findings;
}

function judgeOperand(
  view: GraphView,
  place: { readonly node: number; readonly at: number; readonly operand: number; readonly kind: SourceKind },
): ScanFinding | null {
  const { node, at, operand, kind } = place;
  const { flow, tiny, graph } = view;
  const { op } = graph.nodes[node];
  const state = toSignalState(view, place);
  const cost = flow.cost(operand, kind, state);
  const join: Join = { view, ...place, state, cost };
  if (!(cost <= tiny)) return judgeMask(join);
  // A signal that is mixed with the network's own values was reported where that happened.
  if (isHeavy(view, operand, cost)) return null;
  const selects = (SELECTS as Readonly<Record<string, readonly number[] | undefined>>)[op];
  const isSelecting = selects?.includes(at) === true;
  if (kind === 'shape' && isParameter(op, at)) return null;
  const judgement = isSelecting ? judgeSelect(join) : judgeMix(join);
  return judgement === null ? null : toFinding(join, judgement, isSelecting);
}

/** What decides an If is one yes or no, however it was made; elsewhere, a signal must have become one. */
function toSignalState({ flow, graph }: GraphView, { node, at, operand, kind }: Omit<Join, 'view' | 'state' | 'cost'>) {
  const { op } = graph.nodes[node];
  const states = at !== 0 || op !== 'If' ? [TRIGGER] : [TRIGGER, GATED, PINCHED, 0];
  return states.reduce((best, one) => (flow.cost(operand, kind, one) < flow.cost(operand, kind, best) ? one : best));
}

/** Operators with more operands pass on or add up; of their operands only the heaviest can matter. */
const OPERANDS_MAX = 64;

/** Operands other than the signal; the data of a select, when it is what decides. */
function toOthers({ view, node, operand }: Join): number[] {
  const { inputs, op } = view.graph.nodes[node];
  if (inputs.length > OPERANDS_MAX) return toHeaviest(view, node).filter((value) => value !== operand);
  const decides = (SELECTS as Readonly<Record<string, readonly number[] | undefined>>)[op] ?? [];
  return inputs.filter(
    (value, at) => value !== -1 && value !== operand && !decides.includes(at) && !isParameter(op, at),
  );
}

/** The two operands behind which most weights lie. */
function toHeaviest(view: GraphView, node: number): readonly number[] {
  let found = view.heaviest.get(node);
  if (found === undefined) {
    const inputs = new Set(view.graph.nodes[node].inputs.filter((value) => value !== -1));
    found = [...inputs].sort((a, b) => view.flow.heavy[b] - view.flow.heavy[a]).slice(0, 2);
    view.heaviest.set(node, found);
  }
  return found;
}

function judgeSelect(join: Join): Judgement | null {
  const { view, node, kind, cost } = join;
  const { op } = view.graph.nodes[node];
  const data = toOthers(join);
  const heavy = data.filter((value) => isHeavy(view, value, cost));
  const payload = data.filter((value) => !isHeavy(view, value, cost));
  if (WRITES.has(op))
    return heavy.length === 0 ? null : { severity: 'high', what: 'chooses where values are replaced' };
  if (CUTS.has(op)) return judgeCut(join, heavy);
  if (heavy.length === 0) return judgeBefore(join, data);
  if (kind === 'shape' && payload.length === 0) return judgeSizes(view, data);
  if (kind === 'value' && payload.length === 0 && isControl(join)) {
    return { severity: 'suspicious', what: 'switches between two computations; the input holds nothing else' };
  }
  const what =
    payload.length > 0
      ? 'chooses between what the weights computed and something that needs none'
      : 'chooses between two computations';
  return { severity: 'high', what };
}

/** A cut at a computed place: choosing among stacked alternatives is what a select does. */
function judgeCut({ view, node, cost }: Join, heavy: readonly number[]): Judgement | null {
  if (heavy.length === 0) return null;
  const data = toOrigin(view, view.graph.nodes[node].inputs[0]);
  const { producer } = view.graph.values[data];
  const stack = producer === -1 ? undefined : view.graph.nodes[producer];
  const isStack = stack?.op === 'Concat' || stack?.op === 'ConcatFromSequence' || stack?.op === 'SequenceConstruct';
  if (isStack && stack.inputs.some((value) => value !== -1 && !isHeavy(view, value, cost))) {
    return { severity: 'high', what: 'picks one of several stacked values, of which one needs no weights' };
  }
  return { severity: 'suspicious', what: 'chooses which part of a computed value goes on' };
}

/** In front of the network: replacing the input by a constant is an attack, guarding a statistic is not. */
function judgeBefore({ view, node, kind }: Join, data: readonly number[]): Judgement | null {
  const { facts, flow, tiny, isLive } = view;
  if (kind === 'shape' || isLive[node] === 0) return null;
  const isWhole = (value: number): boolean =>
    Math.min(flow.cost(value, 'value', 0), flow.cost(value, 'value', GATED)) <= tiny;
  if (!data.some(isWhole)) return null;
  const hasPayload = data.some((value) => facts.isConstant[value] === 1);
  return hasPayload
    ? { severity: 'high', what: 'replaces the input by a constant in front of the network' }
    : { severity: 'suspicious', what: 'chooses what the network gets' };
}

function judgeMix(join: Join): Judgement | null {
  const { view, node, at, kind, cost, operand } = join;
  const { op } = view.graph.nodes[node];
  // Counts and conditions of loops select; their data are mixed inside the body.
  if (op === 'Loop' || op === 'If' || op === 'Where') return null;
  const others = toOthers(join);
  if (others.some((value) => isHeavy(view, value, cost))) {
    if (WRITES.has(op)) return { severity: 'high', what: 'is written over what the weights computed' };
    if (op === 'Concat') return { severity: 'suspicious', what: 'stands beside what the weights computed' };
    return { severity: 'high', what: 'joins what the weights computed' };
  }
  // Statistics of the input scale the input in any preprocessing; a yes or no that is added to it does not.
  const isWhole = (value: number): boolean => view.flow.cost(value, 'value', 0) <= view.tiny;
  const isCheap = op === 'Add' || op === 'Sub' || op === 'Mul';
  const isInner = view.flow.cost(operand, 'value', PINCHED) <= cost && kind === 'value';
  if (kind === 'shape' || !isCheap || at > 1 || !others.some(isWhole) || isInner) return null;
  return { severity: 'suspicious', what: 'changes the input in front of the network' };
}

/** A select by a mask, element by element: usual inside a network, worth a look at its output. */
function judgeMask(join: Join): ScanFinding | null {
  const { view, node, at, operand, kind } = join;
  const { op } = view.graph.nodes[node];
  const cost = view.flow.cost(operand, kind, GATED);
  if (op !== 'Where' || at !== 0 || !(cost <= view.tiny) || kind === 'shape') return null;
  if (isHeavy(view, operand, cost)) return null;
  const data = toOthers(join);
  const hasPayload = data.some((value) => view.facts.isConstant[value] === 1);
  if (!hasPayload || !data.some((value) => isHeavy(view, value, cost))) return null;
  const isLast = isAtOutput(view, node);
  const severity = kind === 'random' ? 'high' : isLast ? 'suspicious' : 'benign';
  return toFinding({ ...join, state: GATED, cost }, { severity, what: 'masks computed values by a constant' }, true);
}

/** True when the signal comes from an input of its own that is a single number. */
function isControl({ view, operand, kind, state }: Join): boolean {
  const value = view.flow.source(operand, kind, state);
  const shape = view.facts.shapes[value];
  // What was never narrowed and is one number in the end was one from the start.
  const isNumber = shape === null ? (state & PINCHED) === 0 : shape.every((dim) => dim === 1);
  return view.graph.values[value].isInput && isNumber;
}

/** Exporters squeeze or keep by size, and begin with zeros where a state is empty. */
function judgeSizes(view: GraphView, data: readonly number[]): Judgement | null {
  if (new Set(data.map((value) => toOrigin(view, value))).size === 1) return null;
  if (new Set(data.map((value) => toCore(view, value))).size > 1) {
    return { severity: 'suspicious', what: 'chooses between two computations with weights of their own' };
  }
  return { severity: 'high', what: 'chooses whether a computed value goes on as it is' };
}

function toFinding(join: Join, { severity, what }: Judgement, isSelecting: boolean): ScanFinding {
  const { view, node, operand, kind, state, cost } = join;
  const { op, name, scope } = view.graph.nodes[node];
  const path = toEvidence(view, { node, operand, kind, state });
  const source = view.graph.values[view.flow.source(operand, kind, state)];
  const origin = { value: `Input "${source.name}"`, shape: `The size of "${source.name}"`, random: 'Chance' }[kind];
  const weights =
    cost === 0 ? 'without any weights' : `over ${Math.round(cost)} of ${Math.round(view.flow.total)} weights`;
  return {
    rule: toRule(join, isSelecting, path),
    severity,
    message: `${origin}, ${weights}, becomes a signal that at ${op} "${name}" ${what}.`,
    subject: scope === '' ? name : `${scope}/${name}`,
    kind: 'node',
    path,
    offset: null,
  };
}

/** Weights that make a detector of its own, beyond the constants of a comparison. */
const DETECTOR_WEIGHTS = 4;
const DETECTORS = /^(?:Conv|MatMul|Gemm|Einsum)/;

function toRule({ view, node, kind, cost }: Join, isSelecting: boolean, path: readonly PathStep[]): ScanRuleId {
  if (WRITES.has(view.graph.nodes[node].op)) return 'G05';
  if (kind === 'shape') return 'G06';
  if (kind === 'random' || RANDOMS.has(view.graph.nodes[node].op)) return 'G08';
  if (cost >= DETECTOR_WEIGHTS && path.some(({ op }) => DETECTORS.test(op))) return 'G04';
  return isSelecting ? 'G01' : 'G02';
}
