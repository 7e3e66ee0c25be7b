/** Rules G03, G05 (constants), G08 (use), G09, G10 and G11: parts of a graph that are worth a look by themselves. */
import type { PathStep, ScanFinding } from '../finding.ts';
import type { FlatNode } from '../flat.ts';
import { GATED } from '../flow.ts';
import { COMPARISONS, HASHES, RANDOMS, WRITES } from '../ops.ts';
import type { ScanRuleId } from '../rules.ts';
import { type GraphView, isAtOutput, isHeavy, toEvidence, toOrigin } from '../view.ts';

type Draft = Pick<ScanFinding, 'severity' | 'message'> & { readonly path?: readonly PathStep[] };

function toFinding(rule: ScanRuleId, { name, scope }: FlatNode, draft: Draft): ScanFinding {
  const subject = scope === '' ? name : `${scope}/${name}`;
  return { rule, subject, kind: 'node', path: [], offset: null, ...draft };
}

/** G03: outputs that an input reaches without weights. A threshold on the way makes it worth a look. */
export function findPassThrough(view: GraphView): ScanFinding[] {
  const { graph, flow } = view;
  return graph.outputs.flatMap((value): ScanFinding[] => {
    if (value === -1 || graph.values[value].producer === -1) return [];
    const cheapest = [0, 1, 2, 3].map((state) => ({ state, cost: flow.cost(value, 'value', state) }));
    // What only constants of arithmetic were added to crossed no weights.
    const open = cheapest.filter(({ cost }) => cost <= Math.min(16, view.tiny));
    if (open.length === 0) return [];
    const [{ state, cost }] = open.sort((a, b) => a.cost - b.cost || b.state - a.state);
    const isMixed = isHeavy(view, value, cost);
    const source = flow.source(value, 'value', state);
    // A number that only switches modes was judged where it switches.
    const isControl = view.facts.shapes[source]?.every((dim) => dim === 1) === true;
    const severity = isMixed && !isControl && open.some((one) => (one.state & GATED) !== 0) ? 'suspicious' : 'benign';
    const { producer, name } = graph.values[value];
    const path = toEvidence(view, { node: producer, operand: value, kind: 'value', state });
    const message = `Output "${name}" depends on an input by a path that crosses no weights${isMixed ? ', beside the network' : ''}.`;
    return [{ rule: 'G03', severity, message, subject: name, kind: 'node', path, offset: null }];
  });
}

/** G05: constants that are written over computed values whatever the input is. */
export function findOverwrites(view: GraphView): ScanFinding[] {
  return eachLive(view, (node, index) => {
    if (WRITES.has(node.op)) return judgeWrite(view, node, index);
    return node.op === 'Concat' ? judgeConcat(view, node, index) : null;
  });
}

function judgeWrite(view: GraphView, node: FlatNode, index: number): ScanFinding | null {
  const [data = -1, , updates = -1] = node.inputs;
  const isConstant = updates !== -1 && view.facts.isConstant[updates] === 1;
  if (!isConstant || !isHeavy(view, data, 0)) return null;
  const isLast = isAtOutput(view, index);
  const message = `${node.op} "${node.name}" writes constants over what the weights computed${isLast ? ', right at an output' : ''}.`;
  return toFinding('G05', node, { severity: isLast ? 'high' : 'benign', message });
}

/** A computed value is cut, and constants stand where the rest was. */
function judgeConcat(view: GraphView, node: FlatNode, index: number): ScanFinding | null {
  const { graph, facts } = view;
  const hasConstant = node.inputs.some((value) => value !== -1 && facts.isConstant[value] === 1);
  const isCut = node.inputs.some((value) => {
    if (value === -1 || !isHeavy(view, value, 0)) return false;
    const { producer } = graph.values[toOrigin(view, value)];
    return producer !== -1 && /^(?:Slice|Split|Gather)/.test(graph.nodes[producer].op);
  });
  if (!hasConstant || !isCut || !isAtOutput(view, index)) return null;
  const message = `Concat "${node.name}" puts constants beside parts of a computed value, right at an output.`;
  return toFinding('G05', node, { severity: 'suspicious', message });
}

/** G08: random numbers at inference. Where they decide something, the joining node is reported, too. */
export function findSampling(view: GraphView): ScanFinding[] {
  return eachLive(view, (node) => {
    const isTraining = node.op === 'Dropout' && node.inputs.length > 2 && view.facts.small(node.inputs[2])?.at(0) === 1;
    if (!RANDOMS.has(node.op) && !isTraining) return null;
    const message = `${node.op} "${node.name}" makes an output depend on chance${isTraining ? ' (training mode)' : ''}.`;
    return toFinding('G08', node, { severity: 'suspicious', message });
  });
}

/** G09: two or more mixing operations, one after the other, on values that cost no weights. */
export function findHashes(view: GraphView): ScanFinding[] {
  const { graph, flow, tiny } = view;
  const isMixing = (value: number): boolean => {
    const { producer } = value === -1 ? { producer: -1 } : graph.values[value];
    return producer !== -1 && HASHES.has(graph.nodes[producer].op) && flow.cost(value, 'value', GATED | 1) <= tiny;
  };
  return eachLive(view, (node) => {
    if (!HASHES.has(node.op)) return null;
    // Arithmetic between two mixing operations is part of the chain.
    const before = node.inputs.flatMap((value) => {
      const { producer } = value === -1 ? { producer: -1 } : graph.values[value];
      return producer === -1 ? [value] : [value, ...graph.nodes[producer].inputs];
    });
    if (!before.some(isMixing)) return null;
    const message = `${node.op} "${node.name}" ends a chain that mixes an input's integers without weights.`;
    return toFinding('G09', node, { severity: 'suspicious', message });
  });
}

/** G10: If with one side that is a constant. */
export function findConstantBranches(view: GraphView): ScanFinding[] {
  const { facts } = view;
  return eachLive(view, (node) => {
    if (node.op !== 'If') return null;
    const [condition = -1, ...sides] = node.inputs;
    if (condition === -1 || facts.isConstant[condition] === 1) return null;
    const hasConstant = sides.some((value) => value !== -1 && facts.isConstant[value] === 1);
    if (!hasConstant || !sides.some((value) => isHeavy(view, value, 0))) return null;
    const message = `One branch of If "${node.name}" gives a constant, the other one what the weights computed.`;
    return toFinding('G10', node, { severity: 'suspicious', message });
  });
}

/** Constants that comparisons have for good reasons: small integers, simple fractions, the ends of types. */
function isUsual(literal: number): boolean {
  const size = Math.abs(literal);
  if (!Number.isFinite(literal) || size <= 16 || size >= 1e30)
    return Number.isInteger(size * 100) || size < 1e-3 || size > 16;
  return Number.isInteger(Math.log2(size)) || Number.isInteger(Math.log2(size + 1)) || size % 100 === 0;
}

/** G11: comparisons of an input's content with a constant that nobody would expect. */
export function findLiterals(view: GraphView): ScanFinding[] {
  const { facts, flow, tiny } = view;
  return eachLive(view, (node) => {
    if (!COMPARISONS.has(node.op) || node.inputs.length !== 2) return null;
    const literal = node.inputs.map((value) => facts.small(value)).find((values) => values !== null);
    if (literal?.length !== 1 || isUsual(literal[0])) return null;
    const value = node.inputs.find((input) => input !== -1 && facts.isConstant[input] === 0);
    if (value === undefined || Math.min(...[0, 1, 2, 3].map((state) => flow.cost(value, 'value', state))) > tiny) {
      return null;
    }
    const message = `${node.op} "${node.name}" compares an input with ${String(literal[0])}.`;
    return toFinding('G11', node, { severity: 'suspicious', message });
  });
}

function eachLive(view: GraphView, judge: (node: FlatNode, index: number) => ScanFinding | null): ScanFinding[] {
  return view.graph.nodes.flatMap((node, index) => {
    const finding = view.isLive[index] === 1 ? judge(node, index) : null;
    return finding === null ? [] : [finding];
  });
}
