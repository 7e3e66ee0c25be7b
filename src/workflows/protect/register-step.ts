/** Registers a recipient's copy: recorded before the output folder gets its name. */
import { toHex } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { WorkflowError } from '../../core/errors.ts';
import type { Claim } from '../../watermark/index.ts';
import { type RecipientBody, toNameCommitment } from '../../watermark/recipient/index.ts';
import { recordAnnex } from '../annexes.ts';
import { storeName } from '../recipients/register.ts';
import type { RecipientResult } from './options.ts';
import type { Protection } from './protection.ts';

/**
 * Registers the copy: name and annex are durable and recorded before the caller gives the output its name.
 * @param releasedDigest of the copy as written, 32 bytes
 * @throws WorkflowError RECIPIENT_EXISTS when the ID was given another copy; as `recordAnnex`
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
  const { earlier, id, number, salt } = choice;
  if (earlier !== null) {
    if (toCanonicalJson(earlier.body) !== toCanonicalJson(body)) {
      throw new WorkflowError('RECIPIENT_EXISTS', { fields: { number } });
    }
    return { number, annex: earlier.stored.path, leafIndex: null, codes };
  }
  storeName(services, { name: body.name, id, salt });
  const stored = await recordAnnex(services, session, {
    ...{ claim, type: 'recipient', body, subject: names.stem },
  });
  return { number, annex: stored.path, leafIndex: stored.leafIndex, codes };
}
