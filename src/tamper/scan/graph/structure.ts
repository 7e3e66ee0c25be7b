/** Rules G07, G12, G13 and G14: loops, dead parts, foreign operators, and files that blow themselves up. */
import { toByteText, toCountText } from '../../../core/quantities.ts';
import type { Model } from '../../../model/types.ts';
import type { ScanFinding } from '../finding.ts';
import type { FlatGraph, FlatNode } from '../flat.ts';
import { KNOWN_DOMAINS } from '../ops.ts';
import type { GraphView } from '../view.ts';

/** Rounds that no sequence has; below, a loop is a loop. */
const ROUNDS_MANY = 1e5;
const ROUNDS_BOMB = 1e7;
/** What exporters write for "until the condition ends it". */
const ROUNDS_OPEN = 2 ** 62;

const toSubject = ({ name, scope }: FlatNode): string => (scope === '' ? name : `${scope}/${name}`);

/** G07. One finding a loop, whichever of its outputs shows it. */
export function findLoops(view: GraphView): ScanFinding[] {
  const found = new Map<string, ScanFinding>();
  for (const node of view.graph.nodes) {
    const judged = node.op === 'Loop' ? judgeLoop(view, node) : null;
    if (judged === null) continue;
    const subject = toSubject(node);
    const finding: ScanFinding = { rule: 'G07', ...judged, subject, kind: 'node', path: [], offset: null };
    if (found.get(subject)?.severity !== 'high') found.set(subject, finding);
  }
  return [...found.values()];
}

function judgeLoop({ facts, flow }: GraphView, node: FlatNode): Pick<ScanFinding, 'severity' | 'message'> | null {
  const [count = -1, , isRunning = -1] = node.inputs;
  const rounds = facts.small(count)?.at(0);
  const isCountConstant = count === -1 || facts.isConstant[count] === 1;
  const isEndless = isRunning === -1 || facts.isConstant[isRunning] === 1;
  const title = `Loop "${node.name}"`;
  if (isCountConstant && isEndless && (rounds === undefined || rounds >= ROUNDS_MANY)) {
    const isBomb = rounds === undefined || rounds >= ROUNDS_BOMB;
    const often = rounds === undefined ? 'without end' : `${toCountText(Math.min(rounds, 2 ** 53 - 1))} times`;
    return {
      severity: isBomb ? 'high' : 'suspicious',
      message: `${title} runs ${often}; no condition ends it earlier.`,
    };
  }
  if (rounds !== undefined && rounds >= ROUNDS_BOMB && rounds < ROUNDS_OPEN) {
    return { severity: 'suspicious', message: `${title} may run ${toCountText(rounds)} times.` };
  }
  const byValue = Math.min(...[0, 1, 2, 3].map((state) => flow.cost(count, 'value', state)));
  if (byValue < Infinity) {
    return { severity: 'suspicious', message: `${title} runs as often as the content of an input says.` };
  }
  return null;
}

/** Bytes in dead tensors from which a left-over looks like a place to hide something. */
const DEAD_BYTES = 64 * 1024;

/** G12: nodes, functions and tensors that no output needs; one finding for each kind. */
export function findDeadParts(model: Model, view: GraphView): ScanFinding[] {
  const { graph, isLive } = view;
  const findings: ScanFinding[] = [];
  // Counters and carried values of loops stand for inputs of a body, not for nodes of the file.
  const dead = graph.nodes.filter(({ op }, index) => isLive[index] === 0 && op !== 'LoopIndex' && op !== 'LoopCarry');
  if (dead.length > 0) {
    const names = toList(dead.map(({ op, name }) => `${op} "${name}"`));
    findings.push(toDead('benign', `${dead.length} nodes lead to no output: ${names}.`, toSubject(dead[0]), 'node'));
  }
  const idle = [...model.functions.keys()].filter((id) => !graph.called.has(id));
  if (idle.length > 0) {
    findings.push(toDead('benign', `${idle.length} functions are never run: ${toList(idle)}.`, idle[0], 'node'));
  }
  const used = new Set([
    ...graph.values.flatMap(({ tensor }) => tensor ?? []),
    ...graph.nodes.flatMap(({ attributes }) =>
      [...attributes.values()].flatMap((attribute) => (attribute.kind === 'tensor' ? attribute.tensor : [])),
    ),
  ]);
  const unused = model.tensors.filter((tensor) => !used.has(tensor) && !isInside(tensor.name, model));
  if (unused.length > 0) {
    const bytes = unused.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const text = `${unused.length} tensors (${toByteText(bytes)}) are read by no node: ${toList(unused.map(({ name }) => name))}.`;
    findings.push(toDead(bytes >= DEAD_BYTES ? 'suspicious' : 'benign', text, unused[0].name, 'tensor'));
  }
  return findings;
}

/** Tensors of training graphs and idle functions are in scopes that nothing lays out. */
function isInside(name: string, { functions }: Model): boolean {
  const scope = name.split('/', 1)[0];
  return name.startsWith('training_info[') || functions.has(scope);
}

function toDead(severity: ScanFinding['severity'], message: string, subject: string, kind: ScanFinding['kind']) {
  return { rule: 'G12', severity, message, subject, kind, path: [], offset: null } as const satisfies ScanFinding;
}

const NAMES_SHOWN = 5;

function toList(names: readonly string[]): string {
  const rest = names.length - NAMES_SHOWN;
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** G13: one finding for each foreign domain. */
export function findDomains(model: Model, graph: FlatGraph): ScanFinding[] {
  const ops = new Map<string, Map<string, FlatNode>>();
  for (const node of graph.nodes) {
    const { domain } = node;
    const id = `${domain}::${node.op}`;
    if (domain === '' || KNOWN_DOMAINS.has(domain) || model.functions.has(id)) continue;
    const known = ops.get(domain) ?? new Map<string, FlatNode>();
    if (!known.has(node.op)) known.set(node.op, node);
    ops.set(domain, known);
  }
  return [...ops].map(([domain, nodes]) => ({
    rule: 'G13',
    severity: 'suspicious',
    message: `Operators of "${domain}" come from a library that is not in the file: ${toList([...nodes.keys()])}.`,
    subject: toSubject([...nodes.values()][0]),
    kind: 'node',
    path: [],
    offset: null,
  }));
}

/** G14. */
export function findBombs(graph: FlatGraph): ScanFinding[] {
  if (!graph.isCut) return [];
  const message = `Functions and subgraphs, put in place, make more than ${toCountText(graph.nodes.length)} nodes.`;
  return [{ rule: 'G14', severity: 'high', message, subject: null, kind: 'file', path: [], offset: null }];
}
