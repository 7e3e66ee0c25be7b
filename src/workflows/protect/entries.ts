/** The ledger entries of one protection. */
import { toHex } from '../../core/bytes.ts';
import type { EntryInput } from '../../ledger/ports.ts';
import { type SealedRecord, toSealEntry } from '../seal-model.ts';
import type { ClaimStep } from './claim-step.ts';
import type { FileRecord } from './options.ts';
import type { Protection } from './protection.ts';

/** What was embedded, and what was committed to. */
export function toMarkEntries({ session, names, marked, originalDigest }: Protection, claim: ClaimStep): EntryInput[] {
  if (marked === null) return [];
  const actor = session.owner.identity.ownerId;
  const subject = names.stem;
  const { scheme, bits, tau } = marked.mark.record;
  return [
    {
      type: 'mark',
      actor,
      subject,
      digests: { original: toHex(originalDigest), marked: toHex(claim.markedDigest) },
      detail: { scheme, bits, tau },
    },
    {
      type: 'commit',
      actor,
      subject,
      digests: { commitment: claim.claim.commitment.digest },
      detail: { version: 1 },
    },
  ];
}

/** All entries, in the order in which things were made. */
export function toEntries(
  protection: Protection,
  made: {
    claim: ClaimStep | null;
    signed: { baseline: FileRecord; signature: FileRecord };
    seal: SealedRecord;
    markedDigest: Uint8Array;
  },
): EntryInput[] {
  const actor = protection.session.owner.identity.ownerId;
  const { baseline, signature } = made.signed;
  const digests = { model: toHex(made.markedDigest), baseline: baseline.sha256, signature: signature.sha256 };
  return [
    ...(made.claim === null ? [] : toMarkEntries(protection, made.claim)),
    { type: 'baseline', actor, subject: protection.names.stem, digests, detail: {} },
    toSealEntry(actor, made.seal),
  ];
}
