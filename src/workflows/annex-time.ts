/** When an annex was recorded, as the owner's ledger or a proof from it shows, and whether that was early enough. */
import { RemoteError } from '../core/errors.ts';
import { type AnnexRecord, findAnnexRecord, type StoredAnnex } from './annexes.ts';
import { checkProof } from './ledger.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface AnnexTimeOptions {
  /** Absolute path of a disclosed seed: a judge asks with it, and has no ledger of his own. */
  readonly seedPath?: string | undefined;
  /** For a judge: proof from the owner's ledger that the annex was recorded, and the key of that ledger. */
  readonly proof?: { readonly path: string; readonly verifierKey: string } | undefined;
  /** ISO 8601; the annex must have been recorded before. */
  readonly before?: string | undefined;
}

/**
 * An owner's own ledger must have the annex; a judge may pass a proof, and without one nothing is known: null.
 * @throws RemoteError REMOTE_ANNEX_NOT_RECORDED | REMOTE_ANNEX_TOO_LATE; LedgerError
 */
export function findAnnexTime(
  services: Services,
  openSession: () => Session,
  { digest }: StoredAnnex,
  { seedPath, proof, before }: AnnexTimeOptions,
): AnnexRecord | null {
  const found =
    proof !== undefined
      ? readProof(services, proof, digest)
      : seedPath === undefined
        ? findAnnexRecord(openSession().recorder.reader(), digest)
        : null;
  if (found === undefined) throw new RemoteError('REMOTE_ANNEX_NOT_RECORDED', { fields: { annex: digest } });
  if (before === undefined) return found;
  if (found === null) throw new RemoteError('REMOTE_ANNEX_NOT_RECORDED', { fields: { annex: digest, before } });
  if (Date.parse(found.time) >= Date.parse(before)) {
    throw new RemoteError('REMOTE_ANNEX_TOO_LATE', { fields: { annex: digest, recorded: found.time, before } });
  }
  return found;
}

/** What a judge saw of the time: the record, and a date that it lies before. Null for the owner, who knows his own ledger. */
export function toJudge(
  { seedPath, before }: AnnexTimeOptions,
  recorded: AnnexRecord | null,
): { readonly isBefore: boolean } | null {
  return seedPath === undefined ? null : { isBefore: recorded !== null && before !== undefined };
}

function readProof(
  services: Services,
  proof: NonNullable<AnnexTimeOptions['proof']>,
  digest: string,
): AnnexRecord | undefined {
  const { entry, index } = checkProof(services, proof);
  const isOurs = entry.type === 'annex' && entry.digests.annex === digest;
  return isOurs ? { leafIndex: index, time: entry.ts } : undefined;
}
