/** Embeds the ownership mark: every block is moved until its margin holds after casting (docs/spec/watermark.md §4). */
import { type Topology, toTopology } from '../../align/index.ts';
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import { DTYPES } from '../../model/dtype.ts';
import { isFloatDType } from '../../model/floats.ts';
import type { Model, TensorEdit, TensorRef } from '../../model/types.ts';
import type { Calibration } from '../calibration/types.ts';
import { createElementSource, type ElementSource, readElements } from '../elements.ts';
import { deriveMarkKeys, toMessageBits } from '../seeds.ts';
import { createEdit, createMarkedView, type MarkShifts, raiseShifts, toChangeSquares } from './edit.ts';
import { type Layout, listMarkableLayers, type MarkBits, toLayout } from './layout.ts';
import { combineSums, type LayerScale, type LayerSums, type LayerView, toLayerSums, toScales } from './measure.ts';
import { toShapes } from './shape.ts';
import { createSlots } from './slots.ts';

/** The default strength of a calibrated mark: the margin of every bit in units of a layer's weight deviation. */
export const TAU_DEFAULT = 0.125;
/**
 * What noise of the weights does to a bit follows from tau · √(weights per bit) alone. The sample network with the least of
 * it, 1.68, met every bar of docs/lab.md; a third more is enough where nothing shows what a stronger mark would cost.
 */
const BLIND_MARGIN = 2.25;
export const SCHEME = 'spread/v1';
/** A margin may fall short by this share after casting. */
const MARGIN_SHARE = 0.95;
const PASSES_MAX = 8;
/** Fewer distinct values than this in a float tensor mean a mask or a table, not learned weights. */
const DISTINCT_MIN = 17;

export interface EmbedMarkOptions {
  readonly model: Model;
  /** S_own, 32 bytes. */
  readonly ownSeed: Uint8Array;
  readonly ownerId: string;
  /** 32 bytes. */
  readonly originalDigest: Uint8Array;
  /** Margin in standard deviations of a layer's weights, in (0, 1]; by default what {@link toDefaultTau} says. */
  readonly tau?: number;
  /** Of the default strength, in (0, 1], where `tau` is not given. */
  readonly tauShare?: number;
  /** 256 below a million weights, else 1,024. */
  readonly bits?: MarkBits;
  /** Of this model, when it is already known. */
  readonly topology?: Topology;
  /** What flows through the layers; without it, only what most layers have in common is kept out of. */
  readonly calibration?: Calibration | null;
  readonly progress?: Progress;
}

export interface MarkedLayerRecord {
  readonly name: string;
  /** Elements of the tensor, and how many of them were chosen as positions. */
  readonly weights: number;
  readonly sampled: number;
  /** Root mean square change over root mean square value, over all elements of the tensor. */
  readonly relativeDistortion: number;
}

/** What was embedded; the detector needs scheme, bits, tau and the layer names (they travel in the claim). */
export interface MarkRecord {
  readonly scheme: typeof SCHEME;
  readonly bits: MarkBits;
  readonly tau: number;
  /** Positions that carry the mark. */
  readonly weights: number;
  /** How many layers' changes keep out of what how many inputs of which kind use; null when none does. */
  readonly calibration: { readonly layers: number; readonly samples: number; readonly inputs: string } | null;
  /** Over all marked layers, like the layers' own. */
  readonly relativeDistortion: number;
  /** Smallest margin reached, in units of tau. */
  readonly marginMin: number;
  readonly perLayer: readonly MarkedLayerRecord[];
}

export interface EmbeddedMark {
  readonly edits: readonly TensorEdit[];
  readonly record: MarkRecord;
  readonly topology: Topology;
}

/**
 * 0.125; without a calibration less, the more weights there are: as much as stands what the sample networks were shown to
 * stand.
 */
export function toDefaultTau({ sampled, bits }: Pick<Layout, 'sampled' | 'bits'>, isCalibrated: boolean): number {
  const needed = BLIND_MARGIN / Math.sqrt(sampled / bits);
  return isCalibrated ? TAU_DEFAULT : Math.min(TAU_DEFAULT, needed);
}

/**
 * Works out the edits that put the ownership mark into `model`. Reads the chosen tiles only (at most 16 M weights, some
 * passes), in flat memory; the model is written by `model.plan(edits)`.
 * @throws WatermarkError WATERMARK_TOO_SMALL with the size needed
 * @throws WatermarkError WATERMARK_NOT_EMBEDDED when a margin is out of reach in the tensor's type
 * @throws WatermarkError WATERMARK_WEIGHTS_NOT_FINITE
 * @throws FormatError | SourceError from the tensors' readers
 */
export function embedMark(options: EmbedMarkOptions): EmbeddedMark {
  const { model, tauShare = 1, calibration = null, progress = silentProgress } = options;
  for (const share of [options.tau ?? 1, tauShare]) {
    if (!(share > 0 && share <= 1)) throw new TypeError('tau must be in (0, 1]');
  }
  const topology = options.topology ?? toTopology(model);
  const keys = deriveMarkKeys(options.ownSeed, 'own', options.originalDigest);
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  const layers = listMarkableLayers(topology).filter((layer) => isLearned(tensors.get(layer.name)!));
  const layout = toLayout(layers, keys.positions, options.bits);
  const tau = options.tau ?? Number((tauShare * toDefaultTau(layout, calibration !== null)).toPrecision(3));
  const message = toMessageBits(keys.bits, options.ownerId, layout.bits);
  const given = { model, layout, positionsKey: keys.positions, message, tau, calibration };
  return { ...embedMessage({ ...given, step: 'ownership mark', progress }), topology };
}

export interface EmbedMessageOptions {
  readonly model: Model;
  readonly layout: Layout;
  /** 32 bytes, the one that `layout` was made with. */
  readonly positionsKey: Uint8Array;
  /** +1 or -1 per bit of the layout. */
  readonly message: Int8Array;
  readonly tau: number;
  readonly calibration: Calibration | null;
  /** What the progress calls it. */
  readonly step: string;
  readonly progress: Progress;
}

/** Works out the edits that put a message into the layers of a layout. @throws as `embedMark` */
export function embedMessage(options: EmbedMessageOptions): Omit<EmbeddedMark, 'topology'> {
  const { model, layout, positionsKey, message, tau, calibration, progress } = options;
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  progress.step(options.step, PASSES_MAX + 1, 'items');
  const plain = layout.layers.map(({ layer }) => createElementSource(tensors.get(layer.name)!));
  const scales = toScales(layout, plain);
  assertFinite(layout, scales);
  const shifts: MarkShifts = {
    layout,
    slots: createSlots(positionsKey, layout.bits, layout.tiles),
    deviations: Float64Array.from(scales, (scale) => scale.deviation),
    byCode: new Float64Array(2 * layout.bits),
    shapes: toShapes(layout, scales, calibration),
    changes: layout.layers.map(() => null),
  };
  const reached = reachMargins({ shifts, plain, scales, message, tau, progress });
  progress.done();
  const record = toRecord({ shifts, plain, scales, tau, reached, calibration });
  return { edits: toEdits(shifts), record };
}

/** A float tensor of few distinct values is a mask or a table, whatever its operator. */
function isLearned(tensor: TensorRef): boolean {
  if (!isFloatDType(tensor.dtype) || DTYPES[tensor.dtype].bits < 16) return true;
  const head = new Float64Array(Math.min(tensor.elementCount, WATERMARK_LIMITS.tileWeights));
  readElements(tensor, 0, head);
  return new Set(head).size >= DISTINCT_MIN;
}

function assertFinite(layout: Layout, scales: readonly LayerScale[]): void {
  const index = scales.findIndex((scale) => scale.badCount > 0);
  if (index === -1) return;
  const tensor = layout.layers[index].layer.name;
  throw new WatermarkError('WATERMARK_WEIGHTS_NOT_FINITE', { fields: { tensor, count: scales[index].badCount } });
}

interface Reached {
  /** In units of tau. */
  readonly marginMin: number;
  readonly layers: readonly LayerSums[];
}

/** Raises `shifts.byCode` until every margin, re-read as stored and re-normalised, is at least 0.95 tau; returns the least. */
function reachMargins(work: {
  readonly shifts: MarkShifts;
  readonly plain: readonly ElementSource[];
  readonly scales: readonly LayerScale[];
  readonly message: Int8Array;
  readonly tau: number;
  readonly progress: Progress;
}): Reached {
  const { shifts, plain, message, tau } = work;
  const { layout, slots } = shifts;
  let views: readonly LayerView[] = plain;
  let marginMin = 0;
  for (let pass = 0; pass <= PASSES_MAX; pass++) {
    const scales = pass === 0 ? work.scales : toScales(layout, views);
    const layers = toLayerSums(layout, slots, views, scales);
    const { sums, counts } = combineSums(layout.bits, layers);
    marginMin = Number.POSITIVE_INFINITY;
    const missing = new Float64Array(layout.bits);
    for (let i = 0; i < layout.bits; i++) {
      const margin = (message[i] * sums[i]) / counts[i];
      marginMin = Math.min(marginMin, margin / tau);
      // A first shift only goes where a margin is short of tau; later ones also pay back what casting took.
      if (margin < (pass === 0 ? tau : MARGIN_SHARE * tau)) missing[i] = message[i] * (tau - margin);
    }
    work.progress.advance(1);
    if (marginMin >= MARGIN_SHARE) return { marginMin, layers };
    raiseShifts(shifts, missing);
    views = layout.layers.map((_, index) => createMarkedView(shifts, index, plain[index]));
  }
  throw new WatermarkError('WATERMARK_NOT_EMBEDDED', { fields: { marginMin, tau, bits: layout.bits } });
}

function toEdits(shifts: MarkShifts): TensorEdit[] {
  return shifts.layout.layers.map((_, index) => createEdit(shifts, index));
}

/** Distortion is measured on the sampled positions and scaled to the whole tensor; unsampled weights do not change. */
function toRecord({
  shifts,
  plain,
  scales,
  tau,
  reached,
  calibration,
}: {
  readonly shifts: MarkShifts;
  readonly plain: readonly ElementSource[];
  readonly scales: readonly LayerScale[];
  readonly tau: number;
  readonly reached: Reached;
  readonly calibration: Calibration | null;
}): MarkRecord {
  const { layout, shapes } = shifts;
  const calibrated =
    calibration === null || shapes === null
      ? 0
      : layout.layers.filter(({ layer }) => calibration.layers.has(layer.name)).length;
  const changes = toChangeSquares(shifts, plain, reached.layers);
  let change = 0;
  let power = 0;
  const perLayer = layout.layers.map(({ layer, elementCount }, index) => {
    const { mean, deviation, count } = scales[index];
    const layerPower = (mean * mean + deviation * deviation) * elementCount;
    change += changes[index];
    power += layerPower;
    return {
      name: layer.name,
      weights: elementCount,
      sampled: count,
      relativeDistortion: layerPower === 0 ? 0 : Math.sqrt(changes[index] / layerPower),
    };
  });
  return {
    scheme: SCHEME,
    bits: layout.bits,
    tau,
    weights: layout.sampled,
    calibration:
      calibration === null || calibrated === 0
        ? null
        : { layers: calibrated, samples: calibration.samples, inputs: calibration.inputs },
    relativeDistortion: power === 0 ? 0 : Math.sqrt(change / power),
    marginMin: reached.marginMin,
    perLayer,
  };
}
