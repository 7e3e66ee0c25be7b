/** What a broker decided about attested machines, read back from the ledger. */
import type { Session } from '../session.ts';

export interface ReleaseRow {
  readonly index: number;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly resource: string;
  readonly outcome: 'released' | 'refused';
  /** Why not; the policy's own reasons follow the code. */
  readonly codes: readonly string[];
  readonly tee: string;
  /** Thumbprint of the key that it was encrypted to. */
  readonly recipient: string;
  readonly policyDigestHex: string;
  readonly evidenceDigestHex: string;
}

/** What the ledger's schema says of the entry. */
interface ReleaseDetail {
  readonly outcome: 'released' | 'refused';
  readonly code?: string;
  readonly reasons?: readonly string[];
  readonly tee: string;
  readonly recipient: string;
}

/** Newest last. @throws LedgerError */
export function listReleases({ recorder }: Session): ReleaseRow[] {
  const rows: ReleaseRow[] = [];
  for (const { type, seq, ts, subject, digests, detail } of recorder.reader().entries()) {
    if (type !== 'key-release') continue;
    const { code, reasons = [], outcome, tee, recipient } = detail as unknown as ReleaseDetail;
    rows.push({
      ...{ index: seq, time: ts, resource: subject },
      outcome,
      codes: code === undefined ? [] : [code, ...reasons],
      ...{ tee, recipient },
      ...{ policyDigestHex: digests.policy, evidenceDigestHex: digests.evidence },
    });
  }
  return rows;
}
