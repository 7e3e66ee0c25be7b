/** What differs between two matched graphs: nodes inserted, deleted, rewired, renamed, attributes, interface, functions. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { GraphNode, ValueInfo } from '../../model/types.ts';
import type { FunctionChange, GraphMatch, ScopeMatch, TensorNames } from './graph-match.ts';
import { toGraphRows } from './graph-rows.ts';
import { toAttributeText, toNodeSide } from './graph-scope.ts';
import { findRewiring } from './graph-wiring.ts';
import type { Grade, GraphChange, GraphChangeKind, GraphDiff, NodeSide } from './types.ts';

/** Operators that converters and quantisers put in and take out; none of them computes anything new. */
const PLAIN_OPS = new Set([
  ...['Identity', 'Cast', 'Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout', 'Constant'],
  ...['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear', 'QUANTIZE', 'DEQUANTIZE', 'RESHAPE', 'CAST'],
]);
/** Folded into the weights before them, on export. */
const FOLDED_OPS = new Set(['BatchNormalization']);

/** Lists the changes of all scopes; counts go on when the list is full. */
export function toGraphDiff({ scopes, functions }: GraphMatch, tensorNames: TensorNames): GraphDiff {
  const counts: Record<GraphChangeKind, number> = {
    ...{ inserted: 0, deleted: 0, rewired: 0, 'attribute-changed': 0, renamed: 0, interface: 0, function: 0 },
  };
  const changes: GraphChange[] = [];
  const kinds = new Map<ScopeMatch, Map<string, GraphChangeKind>>();
  for (const scope of scopes) {
    const ofScope = new Map<string, GraphChangeKind>();
    kinds.set(scope, ofScope);
    for (const { change, key } of listChanges(scope, tensorNames)) {
      counts[change.kind] += 1;
      if (key !== null && change.kind !== 'renamed') ofScope.set(key, change.kind);
      if (changes.length < DIFF_LIMITS.graphChangesMax) changes.push(change);
    }
  }
  for (const change of functions.map(toFunctionChange)) {
    counts.function += 1;
    changes.push(change);
  }
  const [main] = scopes;
  return {
    nodesBefore: scopes.reduce((sum, { before }) => sum + before.nodes.length, 0),
    nodesAfter: scopes.reduce((sum, { after }) => sum + after.nodes.length, 0),
    matched: scopes.reduce((sum, { toAfter }) => sum + toAfter.filter((index) => index >= 0).length, 0),
    counts,
    changes: changes.sort((a, b) => RANK[a.grade] - RANK[b.grade]),
    rows: toGraphRows(main, kinds.get(main)!),
  };
}

/** What must be seen comes first. */
const RANK: Readonly<Record<Grade, number>> = { suspicious: 0, benign: 1, same: 2 };

interface Keyed {
  readonly change: GraphChange;
  /** "a3" for node 3 before, "b3" for node 3 after; null when it is no node. */
  readonly key: string | null;
}

function listChanges(scope: ScopeMatch, tensorNames: TensorNames): Keyed[] {
  const { before, after, path, toAfter, toBefore } = scope;
  const wiring = findRewiring(scope, tensorNames);
  const found: Keyed[] = listInterface(scope).map((change) => ({ change, key: null }));
  before.nodes.forEach((node, index) => {
    if (toAfter[index] < 0) found.push({ key: `a${index}`, change: toDeletion(path, node) });
    else {
      const now = after.nodes[toAfter[index]];
      for (const change of comparePair(path, node, now, wiring.rewired.get(toAfter[index]))) {
        found.push({ key: `b${toAfter[index]}`, change });
      }
    }
  });
  after.nodes.forEach((node, index) => {
    if (toBefore[index] >= 0) return;
    found.push({ key: `b${index}`, change: toInsertion(path, node, wiring.edges.get(index)) });
  });
  for (const detail of wiring.outputs) {
    found.push({
      key: null,
      change: { kind: 'rewired', scope: path, before: null, after: null, detail, grade: 'suspicious' },
    });
  }
  return found;
}

function toDeletion(scope: string, node: GraphNode): GraphChange {
  const grade = PLAIN_OPS.has(node.op) || FOLDED_OPS.has(node.op) ? 'benign' : 'suspicious';
  return { kind: 'deleted', scope, before: toNodeSide(node), after: null, detail: 'has no counterpart', grade };
}

function toInsertion(scope: string, node: GraphNode, edge: string | undefined): GraphChange {
  const grade = PLAIN_OPS.has(node.op) ? 'benign' : 'suspicious';
  const detail = edge === undefined ? 'has no counterpart' : `on the edge ${edge}`;
  return { kind: 'inserted', scope, before: null, after: toNodeSide(node), detail, grade };
}

function comparePair(scope: string, before: GraphNode, after: GraphNode, rewired: string | undefined): GraphChange[] {
  const sides = { scope, before: toNodeSide(before), after: toNodeSide(after) };
  const changes: GraphChange[] = [];
  const attributes = listAttributes(before, after);
  if (attributes.length > 0) {
    changes.push({ ...sides, kind: 'attribute-changed', detail: attributes.join('; '), grade: 'suspicious' });
  }
  if (rewired !== undefined) changes.push({ ...sides, kind: 'rewired', detail: rewired, grade: 'suspicious' });
  if (before.name !== after.name) {
    changes.push({ ...sides, kind: 'renamed', detail: `"${before.name}" is now "${after.name}"`, grade: 'same' });
  }
  return changes;
}

const DETAIL_CHARACTERS_MAX = 80;

function listAttributes(before: GraphNode, after: GraphNode): string[] {
  const names = new Set([...before.attributes.keys(), ...after.attributes.keys()]);
  const toText = (node: GraphNode, name: string): string => {
    const attribute = node.attributes.get(name);
    return attribute === undefined ? 'absent' : toAttributeText(attribute);
  };
  const cut = (text: string): string =>
    text.length > DETAIL_CHARACTERS_MAX ? `${text.slice(0, DETAIL_CHARACTERS_MAX)}…` : text;
  return [...names].sort().flatMap((name) => {
    const [former, now] = [toText(before, name), toText(after, name)];
    return former === now ? [] : [`${name}: ${cut(former)} -> ${cut(now)}`];
  });
}

function toFunctionChange({ kind, before, after }: FunctionChange): GraphChange {
  const side = (name: string | null): NodeSide | null => (name === null ? null : { name, op: 'function' });
  return {
    ...{ kind: 'function', scope: `fn:${before ?? after ?? ''}`, before: side(before), after: side(after) },
    detail: kind === 'renamed' ? 'the same body under another name' : `function ${kind}`,
    grade: kind === 'renamed' ? 'same' : 'suspicious',
  };
}

/** Inputs and outputs by position: names may change, numbers and types may not. */
function listInterface({ before, after, path }: ScopeMatch): GraphChange[] {
  const toText = ({ dtype, shape }: ValueInfo): string =>
    `${dtype ?? '?'}[${shape === null ? '?' : shape.map((dim) => dim ?? '?').join(', ')}]`;
  const compare = (word: string, former: readonly ValueInfo[], now: readonly ValueInfo[]): GraphChange[] => {
    const changes: GraphChange[] = [];
    const add = (detail: string, grade: Grade): void => {
      changes.push({ kind: 'interface', scope: path, before: null, after: null, detail, grade });
    };
    for (const { name } of former.slice(now.length)) add(`${word} "${name}" is gone`, 'suspicious');
    for (const { name } of now.slice(former.length)) add(`${word} "${name}" is new`, 'suspicious');
    for (let i = 0; i < Math.min(former.length, now.length); i++) {
      if (path === '' && former[i].name !== now[i].name) {
        add(`${word} "${former[i].name}" is now "${now[i].name}"`, 'benign');
      }
      if (toText(former[i]) !== toText(now[i])) {
        add(`${word} "${now[i].name}": ${toText(former[i])} -> ${toText(now[i])}`, 'benign');
      }
    }
    return changes;
  };
  return [
    ...compare('input', before.graph.inputs, after.graph.inputs),
    ...compare('output', before.graph.outputs, after.graph.outputs),
  ];
}
