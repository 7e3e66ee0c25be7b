/** Which annex of a home is asked when none was named. */
import { RemoteError } from '../../core/errors.ts';
import type { Claim } from '../../watermark/index.ts';
import { findAnnexRecord, listAnnexes, type StoredAnnex } from '../annexes.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';

/**
 * The annex that the ledger of the home took in last; one that is in no ledger only when there is no other. Undefined
 * when there is none.
 * @param openSession null for whoever has no ledger of the owner: he names the annex where there are several
 * @throws RemoteError REMOTE_ANNEXES_SEVERAL; as `listAnnexes`
 */
export function findNewestAnnex(
  services: Services,
  openSession: (() => Session) | null,
  { claim, type }: { readonly claim: Claim; readonly type: 'probes' | 'triggers' },
): StoredAnnex | undefined {
  const annexes = listAnnexes(services, claim, type);
  if (annexes.length < 2) return annexes.at(0);
  if (openSession === null) {
    throw new RemoteError('REMOTE_ANNEXES_SEVERAL', { fields: { type, annexes: annexes.map(({ path }) => path) } });
  }
  const { recorder } = openSession();
  const dated = annexes.map((annex) => ({
    annex,
    leafIndex: findAnnexRecord(recorder.reader(), annex.digest)?.leafIndex ?? -1,
  }));
  return dated.reduce((newest, one) => (one.leafIndex > newest.leafIndex ? one : newest)).annex;
}
