/** Where matched nodes get their inputs from: what an insertion or a deletion explains is not called rewired. */
import type { ScopeMatch, TensorNames } from './graph-match.ts';
import type { Scope } from './graph-scope.ts';

export interface Rewiring {
  /** By node of the later graph: which inputs come from elsewhere. */
  readonly rewired: ReadonlyMap<number, string>;
  /** By inserted node: the edge that it was put on, "conv1 -> relu1". */
  readonly edges: ReadonlyMap<number, string>;
  /** Outputs of the scope that come from elsewhere. */
  readonly outputs: readonly string[];
}

/** One value in terms of the earlier graph: equal texts, the same value. */
type Token = string;

export function findRewiring(match: ScopeMatch, tensorNames: TensorNames): Rewiring {
  const { before, after, toAfter } = match;
  const rewired = new Map<number, string>();
  const edges = new Map<number, string>();
  const check = (former: string, now: string, target: string): string | null => {
    const [a, b] = [toTokenBefore(match, former), toTokenAfter(match, now, tensorNames)];
    if (a === b) return null;
    const inserted = walkInserted(match, now, tensorNames);
    if (inserted.sources.has(a)) {
      for (const node of inserted.nodes) edges.set(node, `${toShown(before, former)} -> ${target}`);
      return null;
    }
    return walkDeleted(match, former).has(b) ? null : toMoveText(before, former, after, now);
  };
  before.nodes.forEach((node, index) => {
    const partner = toAfter[index];
    if (partner < 0) return;
    const now = after.nodes[partner];
    const details: string[] = [];
    for (let slot = 0; slot < Math.max(node.inputs.length, now.inputs.length); slot++) {
      const detail = check(node.inputs[slot] ?? '', now.inputs[slot] ?? '', now.name || (now.outputs[0] ?? ''));
      if (detail !== null) details.push(`input ${slot} ${detail}`);
    }
    if (details.length > 0) rewired.set(partner, details.join('; '));
  });
  const outputs = before.graph.outputs.flatMap(({ name }, index) => {
    const now = after.graph.outputs.at(index);
    const detail = now === undefined ? null : check(name, now.name, `output ${now.name}`);
    return detail === null ? [] : [`output "${now?.name ?? ''}" comes ${detail}`];
  });
  return { rewired, edges, outputs };
}

function toTokenBefore({ before, outer }: ScopeMatch, name: string): Token {
  if (name === '') return '';
  const from = before.producer.get(name);
  if (from !== undefined) return `n${from.node}.${from.slot}`;
  const tensor = before.graph.tensors.get(name);
  if (tensor !== undefined) return `t:${tensor.name}`;
  if (before.fed.has(name)) return `in${before.fed.get(name)!}`;
  return outer === null ? `free:${name}` : `outer/${toTokenBefore(outer, name)}`;
}

function toTokenAfter({ after, toBefore, outer }: ScopeMatch, name: string, tensorNames: TensorNames): Token {
  if (name === '') return '';
  const from = after.producer.get(name);
  if (from !== undefined) {
    return toBefore[from.node] < 0 ? `+${from.node}` : `n${toBefore[from.node]}.${from.slot}`;
  }
  const tensor = after.graph.tensors.get(name);
  if (tensor !== undefined) return `t:${tensorNames.get(tensor.name) ?? tensor.name}`;
  if (after.fed.has(name)) return `in${after.fed.get(name)!}`;
  return outer === null ? `free:${name}` : `outer/${toTokenAfter(outer, name, tensorNames)}`;
}

/** Inserted nodes behind a value, and the values of the earlier graph that they get. */
function walkInserted(
  match: ScopeMatch,
  name: string,
  tensorNames: TensorNames,
): { readonly nodes: ReadonlySet<number>; readonly sources: ReadonlySet<Token> } {
  const { after, toBefore } = match;
  const nodes = new Set<number>();
  const sources = new Set<Token>();
  const open = [name];
  for (const value of open) {
    const from = after.producer.get(value);
    if (from === undefined || toBefore[from.node] >= 0) sources.add(toTokenAfter(match, value, tensorNames));
    else if (!nodes.has(from.node)) {
      nodes.add(from.node);
      open.push(...after.nodes[from.node].inputs.filter((input) => input !== ''));
    }
  }
  return { nodes, sources };
}

/** Values of the earlier graph that reach `name` through deleted nodes. */
function walkDeleted(match: ScopeMatch, name: string): ReadonlySet<Token> {
  const { before, toAfter } = match;
  const seen = new Set<number>();
  const sources = new Set<Token>();
  const open = [name];
  for (const value of open) {
    const from = before.producer.get(value);
    if (from === undefined || toAfter[from.node] >= 0) sources.add(toTokenBefore(match, value));
    else if (!seen.has(from.node)) {
      seen.add(from.node);
      open.push(...before.nodes[from.node].inputs.filter((input) => input !== ''));
    }
  }
  return sources;
}

function toShown({ producer, nodes }: Scope, name: string): string {
  const from = producer.get(name);
  if (name === '') return 'nothing';
  return from === undefined ? `"${name}"` : nodes[from.node].name || name;
}

/** Names where they tell the two apart, else operators as well: a node may be replaced by another of its name. */
function toMoveText(before: Scope, former: string, after: Scope, now: string): string {
  const [a, b] = [toShown(before, former), toShown(after, now)];
  if (a !== b) return `from ${a} to ${b}`;
  return `from ${toOp(before, former)}${a} to ${toOp(after, now)}${b}`;
}

function toOp({ producer, nodes }: Scope, name: string): string {
  const from = producer.get(name);
  return from === undefined ? '' : `${nodes[from.node].op} `;
}
