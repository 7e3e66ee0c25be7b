/** What differs between two models, and what was done: graph, tensors to the bit, classes, signs of poisoning. */
import { DIFF_LIMITS } from '../../core/limits/diff.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { compareTensor, type Compared } from './compare-tensor.ts';
import { toGraphDiff } from './graph-changes.ts';
import { matchGraphs } from './graph-match.ts';
import { findHints } from './hints.ts';
import { findClassShift, readLastLayer } from './last-layer.ts';
import { toLayerMove } from './layer-move.ts';
import { isLayerWeight, TRAINED, type Examined } from './layers.ts';
import { pairTensors, type Pairing, type TensorPair } from './pair-tensors.ts';
import { findPlaces, type TensorPlace } from './roles.ts';
import type {
  ChangeClass,
  ClassShift,
  EntryChange,
  LayerChange,
  ModelDiff,
  ModelSide,
  TensorDiff,
  TensorRole,
  TensorSide,
} from './types.ts';
import { isNumeric, openElements } from './values.ts';
import { followMajority, judgeModel } from './vote.ts';

export interface DiffOptions {
  readonly before: Model;
  readonly after: Model;
  readonly progress?: Progress;
}

/**
 * Compares two models of any formats. Memory: some MiB, whatever the size of the models; equal tensors are read once,
 * changed ones two or three times.
 * @throws FormatError | SourceError from the models' readers
 */
export function diffModels({ before, after, progress = silentProgress }: DiffOptions): ModelDiff {
  const graphs = before.format === after.format ? matchGraphs(before, after) : null;
  const pairing = pairTensors(before, after, graphs);
  const names = new Map(pairing.pairs.map((pair) => [pair.after.name, pair.before.name]));
  const graph = graphs === null ? null : toGraphDiff(graphs, names);
  const examined = examinePairs(before, after, pairing, progress);
  const paired = followMajority(examined.map(({ diff }) => diff));
  const changed = paired.filter((diff) => diff.class !== 'unchanged');
  const classShift = findLastShift(examined);
  const readBiasChange = toBiasReader(examined);
  const hints = findHints({ examined, graph, classShift, readBiasChange });
  const [removed, added] = [pairing.removed.map(toRemoved), pairing.added.map(toAdded)];
  const entries = listEntries(before, after);
  const counts = { added: added.length, removed: removed.length };
  const shared = findShared(before, after, pairing);
  return {
    before: toModelSide(before),
    after: toModelSide(after),
    verdict: judgeModel({ tensors: changed, graph, hints, entries: entries.length, ...counts, shared }),
    classes: countClasses(paired),
    ...counts,
    tensors: [...changed, ...removed, ...added],
    layers: toLayerChanges(paired),
    graph,
    entries,
    ...{ hints, classShift },
    notCompared: paired.filter((diff) => diff.class === null).map(({ before: side }) => side!.name),
  };
}

/** A compared pair with its tensors: the last layer is read once more, class by class. */
interface ExaminedPair extends Examined {
  readonly pair: TensorPair;
  readonly outputAxis: number;
}

function examinePairs(before: Model, after: Model, { pairs }: Pairing, progress: Progress): ExaminedPair[] {
  const places = findPlaces(before.graph === null && after.graph !== null ? after : before);
  const isByAfter = before.graph === null && after.graph !== null;
  progress.step(
    'compare',
    pairs.reduce((sum, pair) => sum + pair.before.elementCount, 0),
    'items',
  );
  let listMax: number = DIFF_LIMITS.elementsListedMax;
  const examined = pairs.map((pair): ExaminedPair => {
    const compared = comparePair(pair, Math.min(listMax, DIFF_LIMITS.elementsListedPerTensorMax), progress);
    listMax -= compared.listed.length;
    const place = places.get(isByAfter ? pair.after.name : pair.before.name);
    const { axes, ...record } = compared;
    const outputAxis = place?.outputAxis ?? 0;
    return { diff: toTensorDiff(pair, record, place), move: toLayerMove(axes, outputAxis), pair, outputAxis };
  });
  progress.done();
  return examined;
}

function findShared(before: Model, after: Model, { pairs }: Pairing): { before: number; after: number } {
  const common = countElements(pairs.filter(({ isComparable }) => isComparable).map((pair) => pair.before));
  const toShare = ({ tensors }: Model): number => {
    const all = countElements(tensors);
    return all === 0 ? 1 : common / all;
  };
  return { before: toShare(before), after: toShare(after) };
}

function countElements(tensors: readonly TensorRef[]): number {
  return tensors.reduce((sum, { elementCount }) => sum + elementCount, 0);
}

function findLast(examined: readonly ExaminedPair[]): ExaminedPair | undefined {
  const weights = examined.filter(({ diff }) => isLayerWeight(diff));
  return weights.sort((a, b) => a.diff.layer! - b.diff.layer!).at(-1);
}

function findLastShift(examined: readonly ExaminedPair[]): ClassShift | null {
  const last = findLast(examined);
  if (last === undefined || !TRAINED.has(last.diff.class) || !last.pair.isComparable) return null;
  const layer = readLastLayer({ ...last.pair, outputAxis: last.outputAxis });
  return layer === null ? null : findClassShift(layer);
}

/** Reads the change of single biases of the last layer: one for each class. */
function toBiasReader(examined: readonly ExaminedPair[]): (index: number) => number | null {
  const last = findLast(examined);
  const bias = examined.find(
    ({ diff, pair }) =>
      diff.role === 'bias' &&
      diff.layer === last?.diff.layer &&
      pair.isComparable &&
      pair.before.elementCount === last.move.outputs?.size &&
      isNumeric(pair.before) &&
      isNumeric(pair.after),
  );
  if (bias === undefined) return () => null;
  const readers = [openElements(bias.pair.before), openElements(bias.pair.after)];
  return (index) => {
    const [before, after] = readers.map((reader) => {
      const value = new Float64Array(1);
      reader.readValues(index, value);
      return value[0];
    });
    return after - before;
  };
}

function comparePair(pair: TensorPair, listMax: number, progress: Progress): Compared {
  if (pair.isComparable) return compareTensor({ ...pair, listMax, progress });
  const [a, b] = [pair.before.shape.join(', '), pair.after.shape.join(', ')];
  return {
    ...{ class: null, reasons: [`The shape changed from [${a}] to [${b}].`], figures: null, bitHistogram: null },
    ...{ lines: [], listed: [], axes: [] },
  };
}

function toTensorDiff(
  { before, after, pairedBy, isTurned }: TensorPair,
  compared: Omit<Compared, 'axes'>,
  place: TensorPlace | undefined,
): TensorDiff {
  return {
    before: toTensorSide(before),
    after: toTensorSide(after),
    ...{ pairedBy, isTurned, role: place?.role ?? 'constant', layer: place?.layer ?? null },
    ...compared,
  };
}

function toTensorSide({ name, dtype, shape }: TensorRef): TensorSide {
  return { name, dtype, shape };
}

function toLayerChanges(tensors: readonly TensorDiff[]): LayerChange[] {
  const layers = new Map<number, { name: string; moved: Partial<Record<TensorRole, number>> }>();
  for (const { layer, role, before, figures } of tensors) {
    if (layer === null || before === null) continue;
    const entry = layers.get(layer) ?? { name: before.name, moved: {} };
    if (role === 'weight' && !('weight' in entry.moved)) entry.name = before.name;
    entry.moved[role] = Math.max(entry.moved[role] ?? 0, figures?.relativeChange ?? 0);
    layers.set(layer, entry);
  }
  return [...layers].sort(([a], [b]) => a - b).map(([layer, entry]) => ({ layer, ...entry }));
}

/** Opsets tell something only where both files have graphs. */
function listEntries(before: Model, after: Model): EntryChange[] {
  const compare = <T>(kind: EntryChange['kind'], a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): EntryChange[] =>
    [...new Set([...a.keys(), ...b.keys()])].flatMap((key) => {
      if (a.get(key) === b.get(key)) return [];
      return [{ kind, key, change: !b.has(key) ? 'removed' : a.has(key) ? 'changed' : 'added' }];
    });
  const hasGraphs = before.graph !== null && after.graph !== null && before.format === after.format;
  return [
    ...(before.format === after.format ? compare('metadata', before.metadata, after.metadata) : []),
    ...(hasGraphs ? compare('opset', before.opsets, after.opsets) : []),
  ];
}

const ALONE: Omit<TensorDiff, 'before' | 'after' | 'reasons'> = {
  ...{ pairedBy: null, isTurned: false, role: 'constant', layer: null, class: null, figures: null },
  ...{ bitHistogram: null, lines: [], listed: [] },
};

function toRemoved(tensor: TensorRef): TensorDiff {
  return { ...ALONE, before: toTensorSide(tensor), after: null, reasons: ['The later model has no such tensor.'] };
}

function toAdded(tensor: TensorRef): TensorDiff {
  return { ...ALONE, before: null, after: toTensorSide(tensor), reasons: ['The earlier model has no such tensor.'] };
}

function toModelSide({ format, tensors, graph }: Model): ModelSide {
  return { format, tensors: tensors.length, parameters: countElements(tensors), nodes: graph?.nodes.length ?? null };
}

function countClasses(tensors: readonly TensorDiff[]): Partial<Record<ChangeClass, number>> {
  const counts: Partial<Record<ChangeClass, number>> = {};
  for (const { class: kind } of tensors) if (kind !== null) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
