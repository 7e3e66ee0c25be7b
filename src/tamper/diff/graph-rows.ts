/** The main graphs side by side as lines: changes in full, long stretches without one as a number. */
import type { ScopeMatch } from './graph-match.ts';
import { toNodeSide } from './graph-scope.ts';
import type { GraphChangeKind, GraphRow } from './types.ts';

/** Lines of a picture that still fits a page or two. */
const ROWS_MAX = 80;
/** Unchanged nodes shown on each side of a change. */
const CONTEXT = 2;

/** @param kinds by "a" + node before, or "b" + node after */
export function toGraphRows(match: ScopeMatch, kinds: ReadonlyMap<string, GraphChangeKind>): readonly GraphRow[] {
  const all = alignNodes(match, kinds);
  const isShown = all.map(() => false);
  all.forEach(({ kind }, index) => {
    if (kind === 'same') return;
    for (let at = Math.max(0, index - CONTEXT); at <= Math.min(all.length - 1, index + CONTEXT); at++)
      isShown[at] = true;
  });
  const rows: GraphRow[] = [];
  let hidden = 0;
  const closeGap = (): void => {
    if (hidden > 0) rows.push({ kind: 'skipped', before: null, after: null, nodes: hidden });
    hidden = 0;
  };
  all.forEach((row, index) => {
    if (!isShown[index] || rows.length >= ROWS_MAX) hidden += 1;
    else {
      closeGap();
      rows.push(row);
    }
  });
  closeGap();
  return rows;
}

/** Later nodes in their order; deleted ones before the first later node that came after them. */
function alignNodes(
  { before, after, toBefore, toAfter }: ScopeMatch,
  kinds: ReadonlyMap<string, GraphChangeKind>,
): GraphRow[] {
  const rows: GraphRow[] = [];
  let next = 0;
  const flush = (end: number): void => {
    for (; next < end; next++) {
      if (toAfter[next] >= 0) continue;
      rows.push({ kind: 'deleted', before: toNodeSide(before.nodes[next]), after: null, nodes: 1 });
    }
  };
  after.nodes.forEach((node, index) => {
    const partner = toBefore[index];
    if (partner >= 0) flush(partner);
    const former = partner < 0 ? null : toNodeSide(before.nodes[partner]);
    rows.push({ kind: kinds.get(`b${index}`) ?? 'same', before: former, after: toNodeSide(node), nodes: 1 });
  });
  flush(before.nodes.length);
  return rows;
}
