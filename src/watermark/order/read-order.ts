/** Reads a recipient's order in a suspect that was aligned to the original (docs/spec/recipient-code.md §4). */
import { type Agreement, toOrderEvidenceBits } from './evidence.ts';
import { type CodedSpace, type Places, toPlaces, toRecipientOrderKey } from './places.ts';

/** For each channel of the original its place in the suspect, -1 without one: what an alignment gives for a space. */
export type FoundPlaces = Int32Array;

/** The order of a suspect, in the form that keys are compared with: made once, without any key. */
export interface SuspectOrder {
  readonly spaces: readonly { readonly coded: CodedSpace; readonly ranks: Int32Array }[];
  /** Channels that were found in the suspect, and all of them. */
  readonly found: number;
  readonly channels: number;
}

/**
 * The places of the channels that the suspect has, counted among themselves: neurons that were added or removed shift
 * all places behind them, but not the order of the others.
 * @param maps of the alignment, by space
 */
export function toSuspectOrder(coded: readonly CodedSpace[], maps: readonly (FoundPlaces | null)[]): SuspectOrder {
  const spaces = coded.flatMap((space) => {
    const map = maps.at(space.space) ?? null;
    return map === null ? [] : [{ coded: space, ranks: toRanks(map) }];
  });
  return {
    spaces,
    found: spaces.reduce((sum, { ranks }) => sum + ranks.reduce((count, rank) => count + Number(rank >= 0), 0), 0),
    channels: coded.reduce((sum, { channels }) => sum + channels, 0),
  };
}

/** Rank of each entry among those that are not -1; no two are equal. Counted, not sorted: this runs for every recipient. */
function toRanks(map: Int32Array): Int32Array {
  const ranks = new Int32Array(map.reduce((most, place) => Math.max(most, place), -1) + 1);
  for (const place of map) if (place >= 0) ranks[place] = 1;
  let count = 0;
  for (let place = 0; place < ranks.length; place++) {
    count += ranks[place];
    ranks[place] = count - 1;
  }
  return map.map((place) => (place < 0 ? -1 : ranks[place]));
}

/** Channels of each run that lie where `placesOf` puts them. */
export function toAgreements(order: SuspectOrder, placesOf: (space: CodedSpace) => Places): Agreement[] {
  return order.spaces.flatMap(({ coded, ranks }) => {
    const places = toRanks(placesOf(coded).map((place, channel) => (ranks[channel] < 0 ? -1 : place)));
    const length = coded.channels / coded.blocks;
    return Array.from({ length: coded.blocks }, (_, block) => {
      const run = { channels: 0, agreements: 0 };
      for (let channel = block * length; channel < (block + 1) * length; channel++) {
        if (ranks[channel] < 0) continue;
        run.channels++;
        run.agreements += Number(ranks[channel] === places[channel]);
      }
      return run;
    });
  });
}

/** What the order of a suspect says of one recipient. */
export interface OrderReading {
  readonly number: number;
  /** Channels that lie where this recipient's key puts them. */
  readonly agreements: number;
  /** After all trials. */
  readonly evidenceBits: number;
}

/**
 * The recipient whose order the suspect has most of; null without any.
 *
 * Null hypothesis: the suspect's order does not depend on the recipients' keys. False-alarm rate at b bits: at most 2^-b
 * for all recipients together.
 * @param orderKey 32 bytes
 * @param recipients numbers of the register, all of them
 */
export function readOrder(
  order: SuspectOrder,
  orderKey: Uint8Array,
  recipients: readonly number[],
): OrderReading | null {
  let best: { readonly number: number; readonly runs: Agreement[]; readonly score: number } | null = null;
  for (const number of recipients) {
    const key = toRecipientOrderKey(orderKey, number);
    const runs = toAgreements(order, (space) => toPlaces(key, space));
    const score = toScore(runs);
    if (best === null || score > best.score) best = { number, runs, score };
  }
  if (best === null) return null;
  return {
    number: best.number,
    agreements: toTotal(best.runs),
    evidenceBits: toOrderEvidenceBits(best.runs, recipients.length),
  };
}

export function toTotal(runs: readonly Agreement[]): number {
  return runs.reduce((sum, { agreements }) => sum + agreements, 0);
}

/** Which recipient is looked at closely: any rule will do, since all are paid for. */
function toScore(runs: readonly Agreement[]): number {
  return Math.max(toTotal(runs) / Math.max(1, runs.length), ...runs.map(({ agreements }) => agreements));
}
