/** What the own mark showed with recipients' orders undone, beside what it showed without. */
import { CLAIM_BITS, type DetectResult, FLAG_BITS, type Verdict } from '../../watermark/detect.ts';
import type { RecipientReport } from './identify.ts';

/** Bits that each of two families of readings pays for the other. */
const FAMILY_BITS = 1;

/**
 * The stronger of both, each one bit poorer for the other.
 * @param claims that were read: each is a trial of the undone readings, too
 */
export function mergeUndone(result: DetectResult, recipient: RecipientReport | null, claims: number): DetectResult {
  const undone = recipient?.undone ?? null;
  if (recipient === null || undone === null) return result;
  const price = Math.log2(claims) + FAMILY_BITS;
  const undoneBits = Math.max(0, undone.evidenceBits - price);
  const ownBits = Math.max(0, result.evidenceBits - FAMILY_BITS);
  const trials = result.trials + undone.own.trials * recipient.recipients * claims;
  if (undoneBits <= ownBits) return { ...result, evidenceBits: ownBits, verdict: toVerdict(ownBits, result), trials };
  const taken = undone.own.evidenceBits - undoneBits;
  const schemes = undone.own.schemes.map((scheme) => ({
    ...scheme,
    name: `undone/${scheme.name}`,
    evidenceBits: Math.max(0, scheme.evidenceBits - taken),
  }));
  return {
    ...result,
    evidenceBits: undoneBits,
    verdict: toVerdict(undoneBits, undone.own),
    trials,
    schemes: [...result.schemes, ...schemes],
    coverage: Math.max(result.coverage, undone.own.coverage),
    reason: undone.own.reason,
    notes: [
      ...result.notes,
      `read with the neurons put back as recipient number ${undone.number} got them; every recipient was tried`,
    ],
  };
}

function toVerdict(evidenceBits: number, { verdict }: DetectResult): Verdict {
  if (evidenceBits >= CLAIM_BITS) return 'claim';
  if (evidenceBits >= FLAG_BITS) return 'flag';
  return verdict === 'inconclusive' ? 'inconclusive' : 'none';
}
