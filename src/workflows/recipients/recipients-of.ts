/** The recipient that a suspect names, over all registers of the claims that were read. */
import type { Alignment, AlignOptions } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import type { DetectResult } from '../../watermark/detect.ts';
import { listClaims, type StoredClaim } from '../claims.ts';
import type { Originals } from '../originals.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { listRecipientGroups } from './groups.ts';
import { identifyIn, type RecipientReport } from './identify.ts';
import { hasSameRegister, type RegisterFault } from './register.ts';

export interface RecipientsOptions {
  readonly suspect: Model;
  readonly originals: Originals;
  /** Claims that were read, with what their own marks showed. */
  readonly readings: readonly { readonly stored: StoredClaim; readonly result: DetectResult }[];
  readonly align: (options: AlignOptions) => Alignment;
}

/**
 * Null when no copy was given to anybody.
 * @throws SignError | WatermarkError for the seed; a register that was tampered with is reported, and names nobody
 */
export function findRecipient(
  services: Services,
  openSession: () => Session,
  { suspect, originals, readings, align }: RecipientsOptions,
): RecipientReport | null {
  const claims = readings.map(({ stored }) => stored);
  const { groups, faults } = listRecipientGroups(services, claims, [
    ...listClaims(services),
    ...claims.filter(isElsewhere(services)),
  ]);
  const reports = groups.map((group) => {
    const own = readings
      .filter(({ stored }) => hasSameRegister(stored.claim, group.claim.claim))
      .reduce<DetectResult | null>(
        (a, b) => (a === null || b.result.evidenceBits > a.evidenceBits ? b.result : a),
        null,
      );
    const reference = originals.offer(group.claim)?.();
    return identifyIn(services, openSession(), { suspect, group, groups: groups.length, own, reference, align });
  });
  const best = reports.reduce<RecipientReport | null>((a, b) => (a === null || isBetter(b, a) ? b : a), null);
  return faults.length === 0 ? best : withFaults(best, faults);
}

const UNREAD: RecipientReport = {
  ...{ verdict: 'unreadable', number: null, id: null, evidenceBits: 0, trials: 0, recipients: 0, releasedDigest: null },
  ...{ orderState: 'unread', order: null, payload: null, undone: null, notes: [] },
};

/** A register at fault takes nothing from what the others name, nor from the own mark. */
function withFaults(best: RecipientReport | null, faults: readonly RegisterFault[]): RecipientReport {
  const codes = [...new Set(faults.map(({ error }) => error.code))].join(', ');
  const note = `a register of recipients cannot be read (${codes}), and nobody of it is named: modelward recipients list`;
  if (best === null) return { ...UNREAD, notes: [note] };
  const verdict = best.number === null && best.verdict !== 'ambiguous' ? 'unreadable' : best.verdict;
  return { ...best, verdict, notes: [...best.notes, note] };
}

/** A claim named by its path may lie outside of the home. */
function isElsewhere(services: Services): (stored: StoredClaim) => boolean {
  const known = new Set(listClaims(services).map(({ claim }) => claim.commitment.digest));
  return ({ claim }) => !known.has(claim.commitment.digest);
}

function isBetter(a: RecipientReport, b: RecipientReport): boolean {
  if (a.evidenceBits !== b.evidenceBits) return a.evidenceBits > b.evidenceBits;
  return a.orderState !== 'unread' && b.orderState === 'unread';
}
