/** Names the recipient of a suspect for the owner, with the original at hand or by undoing each recipient's order. */
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { openSubSeed } from '../../watermark/claim.ts';
import { CLAIM_BITS, FLAG_BITS } from '../../watermark/detect.ts';
import { deriveRecipientKeys, TAG_BITS } from '../../watermark/recipient/index.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import type { RecipientGroup } from './groups.ts';
import { nameIn, type NamingOptions, type RecipientReport, toNamed, withoutAmbiguous } from './naming.ts';
import { readUndone, type UndoneReading } from './undone.ts';

export type { RecipientReport } from './naming.ts';

/** @throws SignError | WatermarkError for the seed; FormatError | SourceError from the readers */
export function identifyIn(services: Services, session: Session, options: NamingOptions): RecipientReport {
  const { group } = options;
  const { claim } = group.claim;
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const seed = openSubSeed(claim, seedBox, 'recipient');
  const original = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const keys = deriveRecipientKeys(seed, original);
  try {
    const recipients = { order: toNumbers(group, 'order'), payload: toNumbers(group, 'payload') };
    const report = nameIn(services, options, keys, recipients);
    const { suspect, reference } = options;
    const undone = reference === undefined ? readUndone(services, session, { suspect, group, keys }) : null;
    return withNotes(undone === null ? report : withUndone(report, undone, options), group);
  } finally {
    zeroize(seed, keys.order, keys.positions, keys.ids);
  }
}

/** Every recipient is one more reading of the own mark; the payload read so names one of them. */
function withUndone(
  report: RecipientReport,
  { number, own, payload }: UndoneReading,
  { group, groups }: NamingOptions,
): RecipientReport {
  const priceBits = Math.log2(groups * report.recipients);
  const undone = { number, own, evidenceBits: Math.max(0, own.evidenceBits - priceBits) };
  // Two families of readings were looked at: each pays one bit for the other.
  const payloadBits = Math.max(0, (payload?.evidenceBits ?? 0) - Math.log2(groups) - 1);
  if (payload === null || payloadBits <= Math.max(FLAG_BITS, report.evidenceBits)) return { ...report, undone };
  return {
    ...report,
    undone,
    verdict: payloadBits >= CLAIM_BITS ? 'claim' : 'flag',
    ...toNamed(group, number),
    evidenceBits: payloadBits,
    payload: {
      decoded: payload.isDecoded,
      tagBits: TAG_BITS,
      tagErrors: payload.tagErrors,
      evidenceBits: payloadBits,
    },
  };
}

/** What this home knows of the one who is named. */
function withNotes(report: RecipientReport, group: RecipientGroup): RecipientReport {
  const checked = withoutAmbiguous(report, group);
  if (checked.number === null || checked.id !== null) return checked;
  return { ...checked, notes: [...checked.notes, 'this home does not know what the recipient is called'] };
}

function toNumbers({ entries }: RecipientGroup, code: 'order' | 'payload'): number[] {
  return [...new Set(entries.filter(({ body }) => body[code] !== null).map(({ body }) => body.number))];
}
