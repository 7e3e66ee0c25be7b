/**
 * Signs of poisoning and of deliberate edits in the weights alone, by numbered rules. Thresholds were drawn on the
 * development fixtures that docs/spec/change-classes.md names; each hint carries its figure and its threshold.
 */
import { toPercentText } from '../../core/quantities.ts';
import type { AxisTally } from './axes.ts';
import type { ChangeClass, GraphDiff, Hint, TensorDiff } from './types.ts';

/** A compared tensor with what its record leaves out. */
export interface Examined {
  readonly diff: TensorDiff;
  readonly axes: readonly AxisTally[];
  readonly outputAxis: number;
}

export interface HintOptions {
  readonly examined: readonly Examined[];
  readonly graph: GraphDiff | null;
}

/** One class row of the last layer holds more of its change than benign training leaves there (at most 0.40 in development). */
const ROW_SHARE = 0.43;
/** Two rows together, as relabelling one class as another does, when the last layer also moved more than the others. */
const TWO_ROWS_SHARE = 0.64;
const TWO_ROWS_LAST_RATIO = 1.05;
const CLASSES_MIN = 4;
/** The last layer against the median of the others. */
const LAST_RATIO = 5;
/** Any other layer against the median. */
const PROFILE_RATIO = 20;
const LAYERS_MIN = 3;
/** A twentieth of the channels holds nearly all of the change. */
const CHANNEL_PART = 0.05;
const CHANNEL_SHARE = 0.9;
const CHANNELS_MIN = 16;
/**
 * Of the change of a layer, one direction holds half; benign training leaves at most 0.39 there in development, 0.45
 * after pruning. First layers are left out: few inputs, few directions.
 */
const LEADING_SHARE = 0.5;
const SIDES_MIN = 16;
/** Running means moved by so many deviations in some channel. */
const NORM_DRIFT = 1;

/** Classes that training leaves behind; a cast or a quantisation moves rows for other reasons. */
const TRAINED: ReadonlySet<ChangeClass | null> = new Set<ChangeClass | null>([
  ...(['fine-tuned', 'pruned', 'low-rank-edit', 'row-edit', 'edited'] as const),
]);

export function findHints({ examined, graph }: HintOptions): Hint[] {
  const layers = toLayers(examined);
  return [
    ...findClassRow(layers),
    ...findLastLayer(layers),
    ...findProfile(layers),
    ...layers.flatMap((layer) => (layer === layers.at(-1) ? [] : findChannels(layer))),
    ...findSpectral(layers),
    ...findNormDrift(examined),
    ...findEdits(examined, layers),
    ...findGraph(graph),
  ];
}

/** Weights of rank two or more in the order of the layers, with how far each moved. */
interface Layer extends Examined {
  readonly name: string;
  /** Size of what training moved over the size before. */
  readonly moved: number;
}

function toLayers(examined: readonly Examined[]): Layer[] {
  return examined
    .filter(({ diff }) => diff.role === 'weight' && diff.layer !== null && diff.after!.shape.length >= 2)
    .sort((a, b) => a.diff.layer! - b.diff.layer!)
    .map((one) => ({ ...one, name: one.diff.before!.name, moved: toMoved(one) }));
}

function toMoved({ axes, diff }: Examined): number {
  const axis = axes.at(0);
  if (axis === undefined) return diff.figures?.relativeChange ?? 0;
  const base = toSum(axis.baseEnergy);
  return base === 0 ? 0 : Math.sqrt(toSum(axis.movedEnergy) / base);
}

const toSum = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

function toMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b).at(Math.floor(values.length / 2)) ?? 0;
}

/** 1: the change of the last layer lies in one class row, or in two. */
function findClassRow(layers: readonly Layer[]): Hint[] {
  const last = layers.at(-1);
  const axis = last?.axes.find((one) => one.axis === last.outputAxis);
  if (last === undefined || axis === undefined || axis.size < CLASSES_MIN || !TRAINED.has(last.diff.class)) return [];
  const total = toSum(axis.movedEnergy);
  if (total === 0) return [];
  const rows = [...axis.movedEnergy.keys()].sort((a, b) => axis.movedEnergy[b] - axis.movedEnergy[a]);
  const shares = rows.map((row) => axis.movedEnergy[row] / total);
  const ratio = last.moved / (toMedian(layers.slice(0, -1).map(({ moved }) => moved)) || last.moved);
  const isTwo = shares[0] + shares[1] >= TWO_ROWS_SHARE && ratio >= TWO_ROWS_LAST_RATIO;
  if (shares[0] < ROW_SHARE && !isTwo) return [];
  const text =
    shares[0] >= ROW_SHARE
      ? `Output ${rows[0]} of the last layer holds ${toPercentText(shares[0], 0)} of its change: training towards one class does that.`
      : `Outputs ${rows[0]} and ${rows[1]} of the last layer hold ${toPercentText(shares[0] + shares[1], 0)} of its change: relabelling one class as another does that.`;
  const [value, threshold] = shares[0] >= ROW_SHARE ? [shares[0], ROW_SHARE] : [shares[0] + shares[1], TWO_ROWS_SHARE];
  return [{ id: 'class-row', grade: 'suspicious', text, tensor: last.name, value, threshold }];
}

/** 2: the last layer moved alone, or far more than the others. */
function findLastLayer(layers: readonly Layer[]): Hint[] {
  const last = layers.at(-1);
  if (last === undefined || layers.length < LAYERS_MIN || !TRAINED.has(last.diff.class)) return [];
  const others = layers.slice(0, -1).map(({ moved }) => moved);
  const median = toMedian(others);
  if (last.moved < LAST_RATIO * median || last.moved === 0) return [];
  const isAlone = others.every((moved) => moved === 0);
  const text = isAlone
    ? 'Of all layers only the last changed: a new head, or an edit of its classes.'
    : `The last layer moved ${(last.moved / median).toFixed(0)} times as far as the median layer.`;
  const value = median === 0 ? null : last.moved / median;
  return [{ id: 'last-layer', grade: 'benign', text, tensor: last.name, value, threshold: LAST_RATIO }];
}

/** 3: one layer stands out from the profile of a benign fine-tune, in which all move alike. */
function findProfile(layers: readonly Layer[]): Hint[] {
  if (layers.length <= LAYERS_MIN) return [];
  const moved = layers.filter((layer) => layer.moved > 0);
  const inner = layers.slice(0, -1);
  if (moved.length === 1 && inner.includes(moved[0]) && TRAINED.has(moved[0].diff.class)) {
    const text = `Of ${layers.length} layers only ${moved[0].name} changed, and it is not the last.`;
    return [{ id: 'update-profile', grade: 'suspicious', text, tensor: moved[0].name, value: null, threshold: null }];
  }
  const median = toMedian(layers.map((layer) => layer.moved));
  return inner.flatMap((layer): Hint[] => {
    if (median === 0 || layer.moved < PROFILE_RATIO * median || !TRAINED.has(layer.diff.class)) return [];
    const value = layer.moved / median;
    const text = `${layer.name} moved ${value.toFixed(0)} times as far as the median layer.`;
    return [{ id: 'update-profile', grade: 'suspicious', text, tensor: layer.name, value, threshold: PROFILE_RATIO }];
  });
}

/** 4: few channels of an inner layer hold its change. */
function findChannels({ diff, axes, name, outputAxis }: Layer): Hint[] {
  const axis = axes.find((one) => one.axis === outputAxis);
  if (axis === undefined || axis.size < CHANNELS_MIN || diff.class !== 'fine-tuned') return [];
  const total = toSum(axis.movedEnergy);
  const count = Math.max(1, Math.floor(CHANNEL_PART * axis.size));
  const top = [...axis.movedEnergy].sort((a, b) => b - a).slice(0, count);
  const value = total === 0 ? 0 : top.reduce((sum, energy) => sum + energy, 0) / total;
  if (value < CHANNEL_SHARE) return [];
  const text = `${count} of ${axis.size} channels of ${name} hold ${toPercentText(value, 0)} of its change.`;
  return [{ id: 'channels', grade: 'suspicious', text, tensor: name, value, threshold: CHANNEL_SHARE }];
}

/** 5: training towards one answer moves inner layers in one direction (spectral signature). */
function findSpectral(layers: readonly Layer[]): Hint[] {
  const found = layers.slice(1, -1).flatMap(({ diff, name }) => {
    const sides = Math.min(...diff.after!.shape.filter((dim) => dim > 1));
    const value = diff.figures?.leadingShare ?? 0;
    const isTrained = diff.class === 'fine-tuned' || diff.class === 'pruned';
    return isTrained && value >= LEADING_SHARE && sides >= SIDES_MIN ? [{ name, value }] : [];
  });
  const worst = found.reduce((a, b) => (b.value > a.value ? b : a), { name: '', value: 0 });
  if (found.length === 0) return [];
  const text = `One direction holds ${toPercentText(worst.value, 0)} of the change of ${worst.name}: training towards one answer does that.`;
  return [
    {
      id: 'spectral-signature',
      grade: 'suspicious',
      text,
      tensor: worst.name,
      value: worst.value,
      threshold: LEADING_SHARE,
    },
  ];
}

/** 6: statistics of batch norms moved: the inputs of training were of another kind. */
function findNormDrift(examined: readonly Examined[]): Hint[] {
  let worst: { name: string; value: number } | undefined;
  for (const { diff } of examined) {
    if (diff.role !== 'running-mean' || !TRAINED.has(diff.class)) continue;
    const value = diff.figures?.relativeChange ?? 0;
    if (value > (worst?.value ?? 0)) worst = { name: diff.before!.name, value };
  }
  if (worst === undefined || worst.value < NORM_DRIFT) return [];
  const text = `Running means moved by ${toPercentText(worst.value, 0)} of their size: the model was trained on inputs of another kind.`;
  return [
    { id: 'norm-statistics', grade: 'benign', text, tensor: worst.name, value: worst.value, threshold: NORM_DRIFT },
  ];
}

/** 7 to 9: classes that are edits by their nature. */
function findEdits(examined: readonly Examined[], layers: readonly Layer[]): Hint[] {
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

/** 10: the graph computes something else. */
function findGraph(graph: GraphDiff | null): Hint[] {
  const found = graph?.changes.filter(({ kind, grade }) => kind === 'inserted' && grade === 'suspicious') ?? [];
  if (found.length === 0) return [];
  const names = found.slice(0, 5).map(({ after }) => `${after?.op ?? ''} ${after?.name ?? ''}`.trim());
  const text = `${found.length} inserted ${found.length === 1 ? 'node computes' : 'nodes compute'} something new: ${names.join(', ')}${found.length > 5 ? ', …' : ''}.`;
  return [{ id: 'graph', grade: 'suspicious', text, tensor: null, value: found.length, threshold: null }];
}
