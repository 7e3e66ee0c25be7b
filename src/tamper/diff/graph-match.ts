/** Which node of one graph is which of another: by operator, attributes and neighbourhood, in numbered steps; never by name alone. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Graph, Model } from '../../model/types.ts';
import { createPalette, type Palette, type Scope, toOpName, toScope } from './graph-scope.ts';

/** Former name of a tensor of the later model, by its name there. */
export type TensorNames = ReadonlyMap<string, string>;

/** Two scopes with their matched nodes. */
export interface ScopeMatch {
  /** "" for the main graph; "fn:domain::name"; "…/node#attribute". */
  readonly path: string;
  readonly before: Scope;
  readonly after: Scope;
  /** Node of the other side, or -1. */
  readonly toAfter: Int32Array;
  readonly toBefore: Int32Array;
  /** The scope around this one; null for the main graph and functions. */
  readonly outer: ScopeMatch | null;
}

export interface FunctionChange {
  readonly kind: 'added' | 'removed' | 'renamed';
  readonly before: string | null;
  readonly after: string | null;
}

export interface GraphMatch {
  /** The main graph first, then nested ones, then functions. */
  readonly scopes: readonly ScopeMatch[];
  readonly functions: readonly FunctionChange[];
}

/** Matches graph, subgraphs and functions of two models; null when one has no graph. */
export function matchGraphs(before: Model, after: Model): GraphMatch | null {
  if (before.graph === null || after.graph === null) return null;
  const palette = createPalette();
  const scopes: ScopeMatch[] = [];
  matchInto(scopes, { before: before.graph, after: after.graph, path: '', outer: null, depth: 0 }, palette);
  const functions = matchFunctions(before, after, palette, scopes);
  return { scopes, functions };
}

interface Pair {
  readonly before: Graph;
  readonly after: Graph;
  readonly path: string;
  readonly outer: ScopeMatch | null;
  readonly depth: number;
}

function matchInto(scopes: ScopeMatch[], pair: Pair, palette: Palette): void {
  const match = matchScope(toScope(pair.before, palette), toScope(pair.after, palette), pair);
  scopes.push(match);
  if (pair.depth >= DIFF_LIMITS.scopeDepthMax) return;
  match.before.nodes.forEach((node, index) => {
    const partner = match.after.nodes.at(match.toAfter[index]);
    if (match.toAfter[index] < 0 || partner === undefined) return;
    for (const [name, attribute] of node.attributes) {
      const other = partner.attributes.get(name);
      const inner =
        attribute.kind === 'graph' ? [attribute.graph] : attribute.kind === 'graphs' ? attribute.graphs : [];
      const now = other?.kind === 'graph' ? [other.graph] : other?.kind === 'graphs' ? other.graphs : [];
      for (let at = 0; at < Math.min(inner.length, now.length); at++) {
        const path = `${pair.path}/${node.name || (node.outputs[0] ?? '')}#${name}`;
        const next = { before: inner[at], after: now[at], path, outer: match, depth: pair.depth + 1 };
        matchInto(scopes, next, palette);
      }
    }
  });
}

/** Functions by name; those left over by equal bodies. */
function matchFunctions(before: Model, after: Model, palette: Palette, scopes: ScopeMatch[]): FunctionChange[] {
  const changes: FunctionChange[] = [];
  const added = new Map([...after.functions].filter(([name]) => !before.functions.has(name)));
  const into = (name: string, a: Graph, b: Graph) => {
    matchInto(scopes, { before: a, after: b, path: `fn:${name}`, outer: null, depth: 1 }, palette);
  };
  for (const [name, body] of before.functions) {
    const same = after.functions.get(name);
    if (same !== undefined) {
      into(name, body, same);
      continue;
    }
    const shape = toBodyText(toScope(body, palette));
    const renamed = [...added].find(([, other]) => toBodyText(toScope(other, palette)) === shape);
    if (renamed === undefined) changes.push({ kind: 'removed', before: name, after: null });
    else {
      added.delete(renamed[0]);
      changes.push({ kind: 'renamed', before: name, after: renamed[0] });
      into(name, body, renamed[1]);
    }
  }
  return [...changes, ...[...added.keys()].map((name) => ({ kind: 'added' as const, before: null, after: name }))];
}

const toBodyText = ({ upward }: Scope): string => [...upward].sort((a, b) => a - b).join(' ');

/**
 * Steps: (1) equal above and below; (2) equal in all that feeds them; (3) equal in all that they feed; (4) equal
 * neighbourhoods of three, two and one steps; (5) neighbours of matched nodes at the same place with the same operator;
 * (6) equal operator and attributes; (7) equal operator and name; (8) neighbours again.
 */
function matchScope(before: Scope, after: Scope, { path, outer }: Pair): ScopeMatch {
  const match = {
    ...{ path, before, after, outer },
    toAfter: new Int32Array(before.nodes.length).fill(-1),
    toBefore: new Int32Array(after.nodes.length).fill(-1),
  };
  const both = ({ upward, downward }: Scope, index: number) => `${upward[index]} ${downward[index]}`;
  pairBy(match, both, 'any');
  pairBy(match, (scope, index) => String(scope.upward[index]), 'any');
  pairBy(match, (scope, index) => String(scope.downward[index]), 'any');
  for (let round = before.rounds.length - 1; round >= 0; round--) {
    pairBy(match, (scope, index) => String(scope.rounds[round][index]), 'even');
  }
  pairNeighbours(match);
  pairBy(match, (scope, index) => String(scope.label[index]), 'even');
  pairBy(match, ({ nodes }, index) => `${toOpName(nodes[index])} ${nodes[index].name}`, 'even');
  pairNeighbours(match);
  return match;
}

/** Pairs nodes of one key in order; 'even' only where both sides have as many of them. */
function pairBy(match: ScopeMatch, key: (scope: Scope, index: number) => string, rule: 'any' | 'even'): void {
  const groups = new Map<string, { readonly before: number[]; readonly after: number[] }>();
  const add = (side: 'before' | 'after', scope: Scope, other: Int32Array): void => {
    scope.nodes.forEach((_, index) => {
      if (other[index] >= 0) return;
      const text = key(scope, index);
      const group = groups.get(text) ?? { before: [], after: [] };
      group[side].push(index);
      groups.set(text, group);
    });
  };
  add('before', match.before, match.toAfter);
  add('after', match.after, match.toBefore);
  for (const group of groups.values()) {
    if (rule === 'even' && group.before.length !== group.after.length) continue;
    const count = Math.min(group.before.length, group.after.length);
    for (let i = 0; i < count; i++) setPair(match, group.before[i], group.after[i]);
  }
}

function setPair({ toAfter, toBefore }: ScopeMatch, before: number, after: number): void {
  toAfter[before] = after;
  toBefore[after] = before;
}

/** From every matched pair to its producers and consumers at the same places; each new pair is walked from as well. */
function pairNeighbours(match: ScopeMatch): void {
  const { before, after, toAfter, toBefore } = match;
  const open = [...toAfter.keys()].filter((index) => toAfter[index] >= 0);
  const tryPair = (a: number | undefined, b: number | undefined): void => {
    if (a === undefined || b === undefined || toAfter[a] >= 0 || toBefore[b] >= 0) return;
    if (toOpName(before.nodes[a]) !== toOpName(after.nodes[b])) return;
    setPair(match, a, b);
    open.push(a);
  };
  for (const index of open) {
    const [a, b] = [before.nodes[index], after.nodes[toAfter[index]]];
    a.inputs.forEach((name, slot) => {
      tryPair(before.producer.get(name)?.node, after.producer.get(b.inputs[slot] ?? '')?.node);
    });
    a.outputs.forEach((name, slot) => {
      const [fed, now] = [before.consumers.get(name) ?? [], after.consumers.get(b.outputs[slot] ?? '') ?? []];
      const free = now.filter((port) => toBefore[port.node] < 0);
      for (const port of fed.filter(({ node }) => toAfter[node] < 0)) {
        tryPair(
          port.node,
          free.find(
            (other) =>
              other.slot === port.slot &&
              toBefore[other.node] < 0 &&
              toOpName(after.nodes[other.node]) === toOpName(before.nodes[port.node]),
          )?.node,
        );
      }
    });
  }
}
