/** Which nodes were added, removed or changed between two graphs, matched by structure before names. */
import type { NodeRecord } from './graph-digest.ts';

export interface NodeChange {
  readonly kind: 'added' | 'removed' | 'changed' | 'rewired';
  readonly scope: string;
  readonly op: string;
  readonly name: string;
  /** Former op of a changed node, where it differs. */
  readonly formerOp: string | null;
}

type Key = (node: NodeRecord) => string;

/** Pairs nodes of equal key, in order; what found no partner is left in both lists. */
function pairBy(
  before: NodeRecord[],
  after: NodeRecord[],
  key: Key,
  onPair: (a: NodeRecord, b: NodeRecord) => void,
): void {
  const waiting = new Map<string, NodeRecord[]>();
  for (const node of before) {
    const list = waiting.get(key(node));
    if (list === undefined) waiting.set(key(node), [node]);
    else list.push(node);
  }
  for (const list of waiting.values()) list.reverse();
  const unmatched: NodeRecord[] = [];
  const taken = new Set<NodeRecord>();
  for (const node of after) {
    const partner = waiting.get(key(node))?.pop();
    if (partner === undefined) {
      unmatched.push(node);
    } else {
      taken.add(partner);
      onPair(partner, node);
    }
  }
  replaceContent(after, unmatched);
  replaceContent(
    before,
    before.filter((node) => !taken.has(node)),
  );
}

function replaceContent<T>(list: T[], content: readonly T[]): void {
  list.length = 0;
  for (const item of content) list.push(item);
}

/**
 * The difference of two node lists. Rules, in this order: (1) equal op, attributes and names: the same node; (2) equal
 * op, attributes and everything that feeds it: the same node under other names; (3) same first output: changed or
 * rewired; (4) equal op and attributes in the same scope: rewired; the rest was removed or added.
 */
export function diffNodes(before: readonly NodeRecord[], after: readonly NodeRecord[]): NodeChange[] {
  const old = [...before];
  const now = [...after];
  const changes: NodeChange[] = [];
  const same = () => undefined;
  const pair = (a: NodeRecord, b: NodeRecord) => {
    changes.push({
      kind: a.local === b.local ? 'rewired' : 'changed',
      scope: b.scope,
      op: b.op,
      name: b.name,
      formerOp: a.op === b.op ? null : a.op,
    });
  };
  pairBy(old, now, (node) => `${node.scope}\0${node.exact}`, same);
  pairBy(old, now, (node) => node.deep, same);
  pairBy(old, now, (node) => `${node.scope}\0${node.output}`, pair);
  pairBy(old, now, (node) => `${node.scope}\0${node.local}`, pair);
  for (const { scope, op, name } of old) changes.push({ kind: 'removed', scope, op, name, formerOp: null });
  for (const { scope, op, name } of now) changes.push({ kind: 'added', scope, op, name, formerOp: null });
  return changes;
}
