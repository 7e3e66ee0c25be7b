/** Signs of deliberate edits: facts changed in few layers, flipped bits, hidden payloads, new nodes. */
import type { Examined, Layer } from './layers.ts';
import type { ChangeClass, GraphDiff, Hint } from './types.ts';

/** Below so many layers, an edit of one or two says nothing. */
const LAYERS_MIN = 3;

/** 8 to 10: classes that are edits by their nature. */
export function findEdits(examined: readonly Examined[], layers: readonly Layer[]): Hint[] {
  const hints: Hint[] = [];
  const named = (kind: ChangeClass) => examined.filter(({ diff }) => diff.class === kind);
  const add = (id: Hint['id'], found: readonly Examined[], text: string): void => {
    const tensor = found[0].diff.before?.name ?? null;
    hints.push({ id, grade: 'suspicious', text, tensor, value: found.length, threshold: null });
  };
  const lowRank = named('low-rank-edit');
  if (lowRank.length > 0 && lowRank.length <= 2 && layers.length > LAYERS_MIN) {
    add(
      'knowledge-edit',
      lowRank,
      `A change of few directions in ${lowRank.length} of ${layers.length} layers: edits of single facts look so, merged adapters touch more layers.`,
    );
  }
  const flipped = named('bit-flips');
  if (flipped.length > 0) {
    const count = flipped.reduce((sum, { diff }) => sum + (diff.figures?.changed ?? 0), 0);
    add(
      'fault-injection',
      flipped,
      `${count} ${count === 1 ? 'element' : 'elements'} in ${flipped.length} ${flipped.length === 1 ? 'tensor' : 'tensors'} with flipped bits: a fault of memory or storage, or an injected one.`,
    );
  }
  const payload = named('lsb-payload');
  if (payload.length > 0) {
    const bits = payload.reduce((sum, { diff }) => sum + (diff.figures?.changed ?? 0), 0);
    add(
      'hidden-payload',
      payload,
      `Only low bits differ, in ${bits} elements of ${payload.length} ${payload.length === 1 ? 'tensor' : 'tensors'}: data is hidden there, or a label.`,
    );
  }
  return hints;
}

/** 11: the graph computes something else. */
export function findGraphHints(graph: GraphDiff | null): Hint[] {
  const found = graph?.changes.filter(({ kind, grade }) => kind === 'inserted' && grade === 'suspicious') ?? [];
  if (found.length === 0) return [];
  const names = found.slice(0, 5).map(({ after }) => `${after?.op ?? ''} ${after?.name ?? ''}`.trim());
  const text = `${found.length} inserted ${found.length === 1 ? 'node computes' : 'nodes compute'} something new: ${names.join(', ')}${found.length > 5 ? ', …' : ''}.`;
  return [{ id: 'graph', grade: 'suspicious', text, tensor: null, value: found.length, threshold: null }];
}
