/** Which tensor of one model is which of another: by name, by place in matched graphs, by likeness. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import type { GraphMatch } from './graph-match.ts';
import { drawTurned, drawValues, isLikeTurned, toCosine, toSqueezed } from './likeness.ts';
import { canTurn } from './turned.ts';
import type { TensorDiff } from './types.ts';
import { isNumeric } from './values.ts';

export interface TensorPair {
  readonly before: TensorRef;
  readonly after: TensorRef;
  readonly pairedBy: NonNullable<TensorDiff['pairedBy']>;
  readonly isTurned: boolean;
  /** False where the shapes have nothing in common. */
  readonly isComparable: boolean;
}

export interface Pairing {
  readonly pairs: readonly TensorPair[];
  readonly removed: readonly TensorRef[];
  readonly added: readonly TensorRef[];
}

/** Rules, in order: (1) equal names; (2) names equal but for a wrapper; (3) the same input of matched nodes; (4) likeness. */
export function pairTensors(before: Model, after: Model, graphs: GraphMatch | null): Pairing {
  const state = { removed: new Set(before.tensors), added: new Set(after.tensors), pairs: [] as TensorPair[] };
  const take = (a: TensorRef, b: TensorRef, pairedBy: TensorPair['pairedBy']): void => {
    state.removed.delete(a);
    state.added.delete(b);
    state.pairs.push({ before: a, after: b, pairedBy, ...toFit(a, b) });
  };
  for (const toKey of [(name: string) => name, toBareName]) {
    const named = toUnique(state.added, toKey);
    for (const [key, a] of toUnique(state.removed, toKey)) {
      const b = named.get(key);
      if (b !== undefined) take(a, b, 'name');
    }
  }
  for (const [a, b] of listPlaced(graphs)) {
    if (state.removed.has(a) && state.added.has(b) && toFit(a, b).isComparable) take(a, b, 'place');
  }
  for (const [a, b] of listAlike([...state.removed], [...state.added])) take(a, b, 'likeness');
  const order = new Map(before.tensors.map((tensor, index) => [tensor, index]));
  state.pairs.sort((x, y) => order.get(x.before)! - order.get(y.before)!);
  return { pairs: state.pairs, removed: [...state.removed], added: [...state.added] };
}

/** Without the prefixes that training frameworks wrap a model in. */
function toBareName(name: string): string {
  return name.replace(/^(?:(?:module|model|_orig_mod|base_model|network|net)\.)+/, '');
}

function toUnique(tensors: Iterable<TensorRef>, toKey: (name: string) => string): Map<string, TensorRef> {
  const byKey = new Map<string, TensorRef>();
  const twice = new Set<string>();
  for (const tensor of tensors) {
    const key = toKey(tensor.name);
    if (byKey.has(key)) twice.add(key);
    byKey.set(key, tensor);
  }
  for (const key of twice) byKey.delete(key);
  return byKey;
}

const isEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** Shapes that are equal but for axes of one index are read straight; those of a transpose, turned. */
function toFit(before: TensorRef, after: TensorRef): Pick<TensorPair, 'isTurned' | 'isComparable'> {
  if (before.elementCount !== after.elementCount) return { isTurned: false, isComparable: false };
  const [a, b] = [toSqueezed(before.shape), toSqueezed(after.shape)];
  if (!isEqual(a, b) && isEqual(a, [...b].reverse()) && canTurn(after)) return { isTurned: true, isComparable: true };
  return { isTurned: isLikeTurned(before, after), isComparable: true };
}

function* listPlaced(graphs: GraphMatch | null): Generator<readonly [TensorRef, TensorRef]> {
  for (const { before, after, toAfter } of graphs?.scopes ?? []) {
    for (const [index, node] of before.nodes.entries()) {
      if (toAfter[index] < 0) continue;
      const partner = after.nodes[toAfter[index]];
      for (const [slot, name] of node.inputs.entries()) {
        const a = before.graph.tensors.get(name);
        const b = after.graph.tensors.get(partner.inputs[slot] ?? '');
        if (a !== undefined && b !== undefined) yield [a, b];
      }
    }
  }
}

/** Below, two draws are strangers. */
const COSINE_MIN = 0.5;

/** The most alike pairs of one size first; where nothing is alike, tensors that are alone in their shape. */
function listAlike(removed: readonly TensorRef[], added: readonly TensorRef[]): [TensorRef, TensorRef][] {
  const usable = (list: readonly TensorRef[]) =>
    list.filter((tensor) => isNumeric(tensor) && tensor.elementCount > 0).slice(0, DIFF_LIMITS.likenessTensorsMax);
  const drawn = new Map<number, { tensor: TensorRef; values: Float64Array; turned: Float64Array | null }[]>();
  for (const tensor of usable(added)) {
    const list = drawn.get(tensor.elementCount) ?? [];
    list.push({ tensor, values: drawValues(tensor), turned: drawTurned(tensor) });
    drawn.set(tensor.elementCount, list);
  }
  let budget: number = DIFF_LIMITS.likenessPairsMax;
  const scored = usable(removed).flatMap((before) => {
    const others = drawn.get(before.elementCount) ?? [];
    budget -= others.length;
    if (budget < 0) return [];
    const values = drawValues(before);
    return others.flatMap(({ tensor, values: straight, turned }) => {
      const [a, b] = [toSqueezed(before.shape), toSqueezed(tensor.shape)];
      const ways = [
        ...(isEqual(a, b) ? [straight] : []),
        ...(turned !== null && isEqual(a, [...b].reverse()) ? [turned] : []),
      ];
      const score = Math.max(...ways.map((way) => toCosine(values, way)), -1);
      return ways.length === 0 ? [] : [{ before, after: tensor, score }];
    });
  });
  const taken = new Set<TensorRef>();
  const found: [TensorRef, TensorRef][] = [];
  const take = (before: TensorRef, after: TensorRef): void => {
    if (taken.has(before) || taken.has(after)) return;
    taken.add(before).add(after);
    found.push([before, after]);
  };
  for (const { before, after, score } of scored.sort((x, y) => y.score - x.score)) {
    if (score >= COSINE_MIN && before.elementCount >= 4) take(before, after);
  }
  const left = scored.filter(({ before, after }) => !taken.has(before) && !taken.has(after));
  const seen = new Map<TensorRef, number>();
  for (const { before, after } of left) {
    seen.set(before, (seen.get(before) ?? 0) + 1);
    seen.set(after, (seen.get(after) ?? 0) + 1);
  }
  for (const { before, after } of left) if (seen.get(before) === 1 && seen.get(after) === 1) take(before, after);
  return found;
}
