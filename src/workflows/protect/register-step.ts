/** Registers a recipient's copy: recorded before the output folder gets its name. */
import { toHex } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { LedgerError, WorkflowError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { Claim } from '../../watermark/index.ts';
import { type RecipientBody, toNameCommitment } from '../../watermark/recipient/index.ts';
import { findAnnexRecord, recordAnnex } from '../annexes.ts';
import { readRegister, type RegisterEntry, storeName } from '../recipients/register.ts';
import type { Services } from '../services.ts';
import type { RecipientResult } from './options.ts';
import type { Protection } from './protection.ts';
import type { RecipientChoice } from './recipient-step.ts';

/**
 * Registers the copy: name and annex are durable and recorded before the caller gives the output its name.
 * @param releasedDigest of the copy as written, 32 bytes
 * @throws WorkflowError RECIPIENT_EXISTS when the ID was given another copy; RECIPIENT_NUMBER_TAKEN when another run was
 *   faster; LedgerError LEDGER_LOCKED | LEDGER_LOCK_FAILED | LEDGER_LOCK_LOST; as `readRegister` and `recordAnnex`
 */
export async function registerRecipient(
  { services, session, names, marked }: Protection,
  claim: Claim,
  releasedDigest: Uint8Array,
): Promise<RecipientResult | null> {
  const release = marked?.release ?? null;
  if (release === null) return null;
  const { choice, order, payload } = release;
  const body: RecipientBody = {
    v: 1,
    number: choice.number,
    name: toNameCommitment(choice.salt, choice.id),
    releasedDigest: toHex(releasedDigest),
    order,
    payload,
  };
  const codes = [...(order === null ? [] : ['order']), ...(payload === null ? [] : ['payload'])];
  return withRegisterLock(services, async (assertHeld) => {
    const earlier = findEarlier(readRegister(services, claim), choice, body);
    const recorded = earlier && findAnnexRecord(session.recorder.reader(), earlier.stored.digest);
    // A run that died between file and entry left the annex alone; what is in no ledger proves nothing.
    if (recorded) return { number: body.number, annex: earlier.stored.path, leafIndex: null, codes };
    assertHeld();
    storeName(services, { name: body.name, id: choice.id, salt: choice.salt });
    const about = { claim: earlier?.claim.claim ?? claim, type: 'recipient', body, subject: names.stem } as const;
    const stored = await recordAnnex(services, session, about);
    return { number: body.number, annex: stored.path, leafIndex: stored.leafIndex, codes };
  });
}

/** The entry of an earlier run for the very same copy; null where there is none, and the number is free. */
function findEarlier(
  register: readonly RegisterEntry[],
  { id, number, earlier }: RecipientChoice,
  body: RecipientBody,
): RegisterEntry | null {
  const own = register.find((entry) => entry.id === id);
  if (own !== undefined && earlier === null) throw new WorkflowError('RECIPIENT_NUMBER_TAKEN', { fields: { number } });
  if (own !== undefined) {
    if (own.isAmbiguous || toCanonicalJson(own.body) !== toCanonicalJson(body)) {
      throw new WorkflowError('RECIPIENT_EXISTS', { fields: { number } });
    }
    return own;
  }
  const isTaken = register.some((entry) => entry.body.number === number);
  if (isTaken) throw new WorkflowError('RECIPIENT_NUMBER_TAKEN', { fields: { number } });
  return null;
}

/** Numbers are given away by one run at a time: between reading the register and recording, no other run writes to it. */
async function withRegisterLock<T>(services: Services, act: (assertHeld: () => void) => Promise<T>): Promise<T> {
  const { ledgerLock, home } = services;
  const held = await ledgerLock.acquire({ folder: home.annexesFolder, waitMs: LEDGER_LIMITS.lockWaitMs });
  try {
    return await act(() => {
      if (!held.isHeld()) throw new LedgerError('LEDGER_LOCK_LOST');
    });
  } finally {
    held.release();
  }
}
