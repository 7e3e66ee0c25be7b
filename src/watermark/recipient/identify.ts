/** Who was given the copy that a suspect comes from (docs/spec/recipient-code.md §7). */
import { CLAIM_BITS, FLAG_BITS } from '../detect.ts';
import { type OrderReading, readOrder, type SuspectOrder } from '../order/index.ts';
import type { RecipientKeys } from './keys.ts';
import { type PayloadReading, readPayload, type SuspectPayload } from './payload.ts';

export type RecipientVerdict = 'claim' | 'flag' | 'none' | 'inconclusive';

/** What of a suspect is read for all recipients, without looking at any. */
export interface SuspectReadings {
  /** Null when the suspect was not aligned, or no copy has an order of its own. */
  readonly order: SuspectOrder | null;
  /** One for each way in which the suspect was read. */
  readonly payloads: readonly SuspectPayload[];
}

export interface Identification {
  readonly verdict: RecipientVerdict;
  /** Number of the recipient; null when nobody is named. */
  readonly number: number | null;
  /** Of the code that says most, after all trials. */
  readonly evidenceBits: number;
  readonly order: (OrderReading & { readonly channels: number; readonly found: number }) | null;
  readonly payload: PayloadReading | null;
  /** Recipients × codes × readings: what was paid for. */
  readonly trials: number;
}

/** Recipients by the codes that their copies carry. */
export interface CodedRecipients {
  readonly order: readonly number[];
  readonly payload: readonly number[];
}

/**
 * The recipient that the codes name, if any.
 *
 * Null hypothesis: the suspect does not come from this recipient's copy; then it does not depend on his order, identifier
 * or tag, which are outputs of a PRF. False-alarm rate over all recipients, codes and readings: at most 2^-64 for "flag",
 * 2^-128 for "claim". The codes are never added.
 * @param groups registers that are searched, this one included
 */
export function identifyRecipient(
  { order, payloads }: SuspectReadings,
  keys: RecipientKeys,
  recipients: CodedRecipients,
  groups = 1,
): Identification {
  const looks = Math.max(1, Number(order !== null) + payloads.length);
  const price = Math.log2(looks * groups);
  const byOrder = order === null ? null : payFor(readOrder(order, keys.order, recipients.order), price);
  const byPayload = payloads
    .map((payload) => payFor(readPayload(payload, keys, recipients.payload), price))
    .reduce<PayloadReading | null>((a, b) => (a === null || (b?.evidenceBits ?? 0) > a.evidenceBits ? b : a), null);
  const best = [byOrder, byPayload].reduce((a, b) => ((b?.evidenceBits ?? 0) > (a?.evidenceBits ?? 0) ? b : a), null);
  const evidenceBits = best?.evidenceBits ?? 0;
  const verdict = toVerdict(evidenceBits, order !== null || payloads.length > 0);
  return {
    verdict,
    number: verdict === 'claim' || verdict === 'flag' ? best!.number : null,
    evidenceBits,
    order: byOrder === null ? null : { ...byOrder, channels: order!.channels, found: order!.found },
    payload: byPayload,
    trials: groups * looks * Math.max(1, new Set([...recipients.order, ...recipients.payload]).size),
  };
}

function payFor<T extends { readonly evidenceBits: number }>(reading: T | null, priceBits: number): T | null {
  return reading === null ? null : { ...reading, evidenceBits: Math.max(0, reading.evidenceBits - priceBits) };
}

function toVerdict(evidenceBits: number, isRead: boolean): RecipientVerdict {
  if (evidenceBits >= CLAIM_BITS) return 'claim';
  if (evidenceBits >= FLAG_BITS) return 'flag';
  return isRead ? 'none' : 'inconclusive';
}
