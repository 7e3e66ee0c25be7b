/** Turns the marked copy of a model into one recipient's copy (docs/spec/recipient-code.md §2, §6). */
import type { Layer, Topology } from '../../align/index.ts';
import { WatermarkError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { Calibration } from '../calibration/types.ts';
import {
  createOrderEdits,
  type OrderPlan,
  planOrder,
  toOrderRoomBits,
  toPlaces,
  toRecipientOrderKey,
} from '../order/index.ts';
import type { RecipientCode } from './codes.ts';
import type { RecipientKeys } from './keys.ts';
import { PAYLOAD_BITS } from './message.ts';
import { embedPayload, PAYLOAD_TAU_SHARE } from './payload.ts';
import type { RecipientBody } from './register.ts';

export interface ReleaseOptions {
  /** The copy that carries the own mark, in the original's order; it must stay open while the release is written. */
  readonly marked: Model;
  /** Of the original. */
  readonly topology: Topology;
  /** Layers that carry the own mark. */
  readonly layers: readonly Layer[];
  /** Strength of the own mark. */
  readonly tau: number;
  readonly calibration: Calibration | null;
  readonly keys: RecipientKeys;
  readonly number: number;
  readonly code: RecipientCode;
  /** A plan's output as a model, opened before any of it is written. */
  readonly open: (plan: RewritePlan) => Model;
  readonly progress?: Progress;
}

export interface Release {
  readonly plan: RewritePlan;
  /** The copy before its neurons were moved: it must answer as the release does. Null without the order code. */
  readonly unmoved: Model | null;
  readonly order: RecipientBody['order'];
  readonly payload: RecipientBody['payload'];
  /** Relative change of the weights by the payload; null without one. */
  readonly relativeDistortion: number | null;
}

/**
 * Payload first, in the original's order, then the order: a reader undoes them the other way round.
 * @throws WatermarkError RECIPIENT_NO_NEURONS, with the reasons; WATERMARK_TOO_SMALL and others of `embedPayload`
 */
export function releaseTo(options: ReleaseOptions): Release {
  const { marked, topology, layers, calibration, keys, number, code, open, progress = silentProgress } = options;
  const tau = Number((options.tau * PAYLOAD_TAU_SHARE).toPrecision(3));
  const hasPayload = code !== 'order';
  const embedded = hasPayload
    ? embedPayload({ model: marked, layers, keys, number, tau, calibration, progress })
    : null;
  const plan = marked.plan(embedded?.edits ?? []);
  const payload = hasPayload ? ({ tau, bits: PAYLOAD_BITS } as const) : null;
  const base = { payload, relativeDistortion: embedded?.record.relativeDistortion ?? null };
  if (code === 'payload') return { ...base, plan, unmoved: null, order: null };
  const unmoved = embedded === null ? marked : open(plan);
  const ordered = planOrder(unmoved, topology);
  assertRoom(ordered);
  const recipientKey = toRecipientOrderKey(keys.order, number);
  const places = new Map(ordered.coded.map((space) => [space.space, toPlaces(recipientKey, space)]));
  const moved = unmoved.plan(createOrderEdits(ordered.parts, places));
  return { ...base, plan: moved, unmoved, order: { spaces: [...ordered.coded] } };
}

function assertRoom({ coded, held }: OrderPlan): void {
  const sizes = coded.flatMap(({ channels, blocks }) => Array.from({ length: blocks }, () => channels / blocks));
  const roomBits = toOrderRoomBits(sizes);
  if (roomBits >= WATERMARK_LIMITS.orderRoomBitsMin) return;
  throw new WatermarkError('RECIPIENT_NO_NEURONS', {
    fields: {
      roomBits: Math.floor(roomBits),
      roomBitsNeeded: WATERMARK_LIMITS.orderRoomBitsMin,
      held: held.slice(0, 5).map(({ reason }) => reason),
    },
  });
}
