/** A mark for those who still train: which weight serves which bit with which sign, and what the bits say (docs/spec/train-plan.md). */
import { type Topology, toTopology } from '../../align/index.ts';
import { zeroize } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { Model } from '../../model/types.ts';
import { deriveMarkKeys, toMessageBits } from '../seeds.ts';
import { type EmbeddedMark, SCHEME, TAU_DEFAULT } from '../spread/embed.ts';
import { type Layout, listMarkableLayers, listSegments, type MarkBits, toLayout } from '../spread/layout.ts';
import { createSlots } from '../spread/slots.ts';

export interface TrainPlanOptions {
  /** The model before training: as it was made, or as training starts from it. */
  readonly model: Model;
  /** S_own, 32 bytes. */
  readonly ownSeed: Uint8Array;
  readonly ownerId: string;
  /** Of `model`, 32 bytes: it salts the keys, since no other original exists yet. */
  readonly originalDigest: Uint8Array;
  readonly tau?: number;
  readonly bits?: MarkBits;
}

/** What training needs of one weight; both arrays have the weight's shape as it is stored. */
export interface PlannedLayer {
  readonly name: string;
  readonly shape: readonly number[];
  /** Bit that each weight serves, [elements]. */
  readonly block: Int32Array;
  /** +1 or -1, [elements]. */
  readonly chip: Int8Array;
}

export interface TrainPlan {
  readonly layers: readonly PlannedLayer[];
  /** +1 or -1 per bit. */
  readonly bits: Int8Array;
  /** Weights that serve each bit, over all layers. */
  readonly counts: Uint32Array;
  /** The margin that training should reach, in units of a layer's weight deviation. */
  readonly tau: number;
  /** What a claim commits to. */
  readonly mark: EmbeddedMark;
}

/**
 * The projection of the ownership mark, written out: y_i = (1/n_i) Σ chip_j · (w_j − mean) / deviation over the weights of bit
 * i. Detection is that of every mark (docs/spec/watermark.md §6); nothing of the plan is needed for it but the claim.
 * @throws WatermarkError WATERMARK_TOO_SMALL | WATERMARK_PLAN_TOO_LARGE
 */
export function planMark(options: TrainPlanOptions): TrainPlan {
  const { model, ownSeed, ownerId, originalDigest, tau = TAU_DEFAULT } = options;
  if (!(tau > 0 && tau <= 1)) throw new TypeError('tau must be in (0, 1]');
  const topology = toTopology(model);
  const keys = deriveMarkKeys(ownSeed, 'own', originalDigest);
  try {
    const layout = toLayout(listMarkableLayers(topology), keys.positions, options.bits);
    if (layout.sampled < layout.total) {
      throw new WatermarkError('WATERMARK_PLAN_TOO_LARGE', {
        fields: { weights: layout.total, weightsMax: WATERMARK_LIMITS.sampleWeightsMax },
      });
    }
    const bits = toMessageBits(keys.bits, ownerId, layout.bits);
    return { ...fillLayers(layout, keys.positions), bits, tau, mark: toPlannedMark(layout, topology, tau) };
  } finally {
    zeroize(keys.positions, keys.bits);
  }
}

/** Writes out which bit each weight serves, with which sign. */
function fillLayers(layout: Layout, positionsKey: Uint8Array): Pick<TrainPlan, 'layers' | 'counts'> {
  const layers = layout.layers.map(({ layer, elementCount }) => ({
    name: layer.name,
    shape: layer.storedShape,
    block: new Int32Array(elementCount),
    chip: new Int8Array(elementCount),
  }));
  const counts = new Uint32Array(layout.bits);
  const slots = createSlots(positionsKey, layout.bits, layout.tiles);
  for (const { layerIndex, first, count, tile, tileOffset } of listSegments(layout)) {
    const codes = slots.codes(tile);
    for (let i = 0; i < count; i++) {
      const code = codes[tileOffset + i];
      const block = code % layout.bits;
      layers[layerIndex].block[first + i] = block;
      layers[layerIndex].chip[first + i] = code < layout.bits ? 1 : -1;
      counts[block]++;
    }
  }
  return { layers, counts };
}

/** As an embedded mark is described, with nothing changed yet. */
function toPlannedMark(layout: Layout, topology: Topology, tau: number): EmbeddedMark {
  return {
    edits: [],
    topology,
    record: {
      ...{ scheme: SCHEME, bits: layout.bits, tau, weights: layout.sampled, calibration: null },
      ...{ relativeDistortion: 0, marginMin: 0 },
      perLayer: layout.layers.map(({ layer, elementCount }) => ({
        name: layer.name,
        weights: elementCount,
        sampled: elementCount,
        relativeDistortion: 0,
      })),
    },
  };
}
