/**
 * Signs of poisoning and of deliberate edits in the weights alone, by numbered rules. Thresholds were drawn on the
 * development fixtures that docs/spec/change-classes.md names; each hint carries its figure and its threshold.
 */
import { toPercentText } from '../../core/quantities.ts';
import { findClassHints } from './class-hints.ts';
import { findEdits, findGraphHints } from './edit-hints.ts';
import { type Examined, type Layer, TRAINED, toLayers, toMedian } from './layers.ts';
import type { ClassShift, GraphDiff, Hint } from './types.ts';

export interface HintOptions {
  readonly examined: readonly Examined[];
  readonly graph: GraphDiff | null;
  readonly classShift: ClassShift | null;
  /** Change of a bias of the last layer, by class; null without one. */
  readonly readBiasChange: (index: number) => number | null;
}

/** Any other layer against the median. */
const PROFILE_RATIO = 20;
const LAYERS_MIN = 3;
/** A twentieth of the channels holds nearly all of the change. */
const CHANNEL_SHARE = 0.9;
const CHANNELS_MIN = 16;
/**
 * Of the change of a layer, one direction holds more than half; ordinary training leaves at most 0.55 there in
 * development, training on data of another kind more. First layers are left out: few inputs, few directions.
 */
const LEADING_SHARE = 0.56;
const SIDES_MIN = 16;
/** Running means moved by so many deviations in some channel. */
const NORM_DRIFT = 1;

export function findHints({ examined, graph, classShift, readBiasChange }: HintOptions): Hint[] {
  const layers = toLayers(examined);
  return [
    ...findClassHints({ layers, classShift, readBiasChange }),
    ...findProfile(layers),
    ...layers.flatMap((layer) => (layer === layers.at(-1) ? [] : findChannels(layer))),
    ...findSpectral(layers),
    ...findNormDrift(examined),
    ...findEdits(examined, layers),
    ...findGraphHints(graph),
  ];
}

/** 4: one layer stands out from the profile of a benign fine-tune, in which all move alike. */
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

/** 5: few channels of an inner layer hold its change. */
function findChannels({ diff, outputs, name }: Layer): Hint[] {
  if (outputs === null || outputs.size < CHANNELS_MIN || diff.class !== 'fine-tuned') return [];
  const { fewShare: value, fewCount, size } = outputs;
  if (value < CHANNEL_SHARE) return [];
  const text = `${fewCount} of ${size} channels of ${name} hold ${toPercentText(value, 0)} of its change.`;
  return [{ id: 'channels', grade: 'suspicious', text, tensor: name, value, threshold: CHANNEL_SHARE }];
}

/** 6: training towards one answer moves inner layers in one direction (spectral signature). */
function findSpectral(layers: readonly Layer[]): Hint[] {
  const found = layers.slice(1, -1).flatMap(({ diff, name }) => {
    const sides = Math.min(...diff.after!.shape.filter((dim) => dim > 1));
    const value = diff.figures?.leadingShare ?? 0;
    const isTrained = diff.class === 'fine-tuned' || diff.class === 'pruned' || diff.class === 'quantised';
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

/** 7: statistics of batch norms moved: the inputs of training were of another kind. */
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
