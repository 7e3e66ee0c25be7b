/** Embeds and reads the recipient payload: a second message over the weights of the own mark, under a key of its own (docs/spec/recipient-code.md §6). */
import type { Layer } from '../../align/index.ts';
import { toHex } from '../../core/bytes.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import { toHardEvidenceBits } from '../../core/stats.ts';
import type { Model } from '../../model/types.ts';
import type { Calibration } from '../calibration/types.ts';
import { type EmbeddedMark, embedMessage } from '../spread/embed.ts';
import { listSegmentsIn, toLayout } from '../spread/layout.ts';
import { matchLayers } from '../spread/match.ts';
import { combineSums, type LayerView, toLayerSums, toScales } from '../spread/measure.ts';
import { createSlots } from '../spread/slots.ts';
import { createSuspectView } from '../spread/suspect-view.ts';
import type { RecipientKeys } from './keys.ts';
import { toRecipientId } from './keys.ts';
import { PAYLOAD_BITS, receiveMessage, TAG_BITS, toRecipientMessage, toTag } from './message.ts';

/** Strength of the payload as a share of the own mark's. */
export const PAYLOAD_TAU_SHARE = 0.5;

export interface EmbedPayloadOptions {
  /** The copy that carries the own mark, in the original's order. */
  readonly model: Model;
  /** The own mark's layers. */
  readonly layers: readonly Layer[];
  readonly keys: RecipientKeys;
  /** The recipient's, 1..2^32 - 1. */
  readonly number: number;
  readonly tau: number;
  readonly calibration: Calibration | null;
  readonly progress?: Progress;
}

/**
 * Works out the edits that put the recipient's message into `model`.
 * @throws WatermarkError WATERMARK_TOO_SMALL | WATERMARK_NOT_EMBEDDED | WATERMARK_WEIGHTS_NOT_FINITE
 * @throws FormatError | SourceError from the tensors' readers
 */
export function embedPayload(options: EmbedPayloadOptions): Omit<EmbeddedMark, 'topology'> {
  const { model, layers, keys, number, tau, calibration, progress = silentProgress } = options;
  return embedMessage({
    model,
    layout: toLayout(layers, keys.positions, PAYLOAD_BITS),
    positionsKey: keys.positions,
    message: toRecipientMessage(keys, number),
    ...{ tau, calibration, step: 'recipient payload', progress },
  });
}

/** Block means of a suspect; made once, without looking at any recipient. */
export interface SuspectPayload {
  readonly means: Float64Array;
  /** Share of the positions that the suspect has, 0..1. */
  readonly coverage: number;
}

/** @param views the suspect's layers in the original's element order; null where it has none */
export function measurePayload(
  layers: readonly Layer[],
  positionsKey: Uint8Array,
  views: readonly (LayerView | null)[],
): SuspectPayload {
  const layout = toLayout(layers, positionsKey, PAYLOAD_BITS);
  const slots = createSlots(positionsKey, layout.bits, layout.tiles);
  const { sums, counts } = combineSums(layout.bits, toLayerSums(layout, slots, views, toScales(layout, views)));
  return {
    means: sums.map((sum, i) => (counts[i] === 0 ? 0 : sum / counts[i])),
    coverage: counts.reduce((total, count) => total + count, 0) / layout.sampled,
  };
}

/** The payload as the suspect's own order of tensors and neurons gives it: no original is needed. */
export function measurePayloadInOrder(
  layers: readonly Layer[],
  positionsKey: Uint8Array,
  suspect: Model,
): SuspectPayload {
  const layout = toLayout(layers, positionsKey, PAYLOAD_BITS);
  const views = matchLayers(layers, suspect).map(({ candidates }, index) => {
    const first = candidates.at(0);
    if (first === undefined) return null;
    const runs = listSegmentsIn(layout, index, 0, layout.layers[index].elementCount);
    return createSuspectView(first.tensor, first.order, runs);
  });
  return measurePayload(layers, positionsKey, views);
}

/** What the payload of a suspect says of one recipient. */
export interface PayloadReading {
  readonly number: number;
  /** True when the identifier was decoded, with the CRC right, and is this recipient's. */
  readonly isDecoded: boolean;
  /** Bits of the tag that disagree, of `TAG_BITS`. */
  readonly tagErrors: number;
  /** After the recipients and both statistics are counted; readings of one suspect are counted by the caller. */
  readonly evidenceBits: number;
}

/** The tag alone, and the tag of a recipient whose identifier was decoded. */
const PAYLOAD_STATISTICS = 2;

/**
 * The recipient whose message fits best; null without any.
 *
 * Null hypothesis: the suspect does not depend on the recipients' identifiers and tags. P[identifier decoded] = 2^-64 for
 * each, P[at most e of the tag's bits disagree] is binomial, and both are independent: false-alarm rate at b bits at most
 * 2^-b for all recipients together.
 */
export function readPayload(
  { means }: SuspectPayload,
  keys: RecipientKeys,
  recipients: readonly number[],
): PayloadReading | null {
  const { id, tag } = receiveMessage(keys.positions, means);
  const decoded = id === null ? null : toHex(id);
  let best: PayloadReading | null = null;
  for (const number of recipients) {
    const isDecoded = decoded !== null && toHex(toRecipientId(keys.ids, number).id) === decoded;
    const tagErrors = countErrors(toTag(keys.ids, number), tag);
    const raw = toHardEvidenceBits(TAG_BITS, tagErrors) + (isDecoded ? 64 : 0);
    const evidenceBits = Math.max(0, raw - Math.log2(recipients.length * PAYLOAD_STATISTICS));
    if (best === null || evidenceBits > best.evidenceBits) best = { number, isDecoded, tagErrors, evidenceBits };
  }
  return best;
}

/** A tie is an error. */
function countErrors(tag: Int8Array, means: Float64Array): number {
  return tag.reduce((errors, bit, i) => errors + Number(!(bit * means[i] > 0)), 0);
}
