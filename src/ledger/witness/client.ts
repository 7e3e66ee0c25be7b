/** Asks a witness for its cosignature, from the size on that it knows (C2SP tlog-witness). */
import { utf8 } from '../../core/bytes.ts';
import { LedgerError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { Clock } from '../../core/ports.ts';
import { type Cosignature, findCosignature, isSignatureBy } from '../cosignature.ts';
import type { CosignerKey } from '../cosigner-key.ts';
import { type NoteSignature, parseNote, parseSignatures } from '../note.ts';
import type { WitnessLink, WitnessReply } from '../ports.ts';
import type { LedgerReader } from '../reader.ts';
import { encodeAddCheckpoint } from './request.ts';

export interface AskWitnessOptions {
  readonly link: WitnessLink;
  readonly key: CosignerKey;
  readonly reader: LedgerReader;
  /** Size that the witness is thought to know; 0 when it was never asked. */
  readonly oldSize: number;
  readonly clock: Clock;
}

/** What a witness gave, verified. */
export interface GivenCosignature {
  readonly cosignature: Cosignature;
  readonly signatures: readonly NoteSignature[];
}

/**
 * Gets the cosignature of a witness on the newest checkpoint of `reader`.
 * @throws LedgerError WITNESS_UNREACHABLE | WITNESS_REFUSED | WITNESS_CONFLICT when the witness knows another history or a
 *   larger one | WITNESS_ANSWER_MALFORMED | LEDGER_COSIGNATURE_INVALID | LEDGER_CORRUPT
 */
export async function askWitness(options: AskWitnessOptions): Promise<GivenCosignature> {
  const { link, reader } = options;
  const { checkpoint, head } = reader;
  let { oldSize } = options;
  for (let asks = 1; asks <= LEDGER_LIMITS.witnessAsksMax; asks += 1) {
    const proof = reader.consistency(oldSize, head.size);
    const reply = await link.addCheckpoint(encodeAddCheckpoint({ oldSize, proof, checkpoint }));
    if (reply.status === 200) return takeCosignature(options, reply.body);
    const known = findKnownSize(reply);
    const isOther = reply.status === 409 || reply.status === 422;
    // Larger than this ledger, or the size that was asked from: this folder is not what the witness saw.
    if (isOther && (known === undefined || known > head.size || known === oldSize)) {
      throw new LedgerError('WITNESS_CONFLICT', {
        fields: { status: reply.status, size: head.size, oldSize, witnessSize: known ?? null },
      });
    }
    if (known === undefined) throw new LedgerError('WITNESS_REFUSED', { fields: { status: reply.status } });
    oldSize = known;
  }
  throw new LedgerError('WITNESS_REFUSED', { fields: { status: 409, asks: LEDGER_LIMITS.witnessAsksMax } });
}

/** The size in a conflict that tells one. @throws LedgerError WITNESS_ANSWER_MALFORMED */
function findKnownSize({ status, contentType, body }: WitnessReply): number | undefined {
  if (status !== 409 || contentType?.split(';')[0].trim() !== 'text/x.tlog.size') return undefined;
  const text = /^(0|[1-9][0-9]{0,15})\n$/.exec(Buffer.from(body).toString('latin1'))?.[1];
  if (text !== undefined && Number.isSafeInteger(Number(text))) return Number(text);
  throw new LedgerError('WITNESS_ANSWER_MALFORMED', { fields: { part: 'size' } });
}

/** Lines of other keys are left out: they are nothing that this ledger asked for. */
function takeCosignature({ key, reader, clock }: AskWitnessOptions, body: Uint8Array): GivenCosignature {
  const signatures = findSignatures(body).filter((signature) => isSignatureBy(signature, key));
  const { text } = parseNote(utf8(reader.checkpoint));
  const cosignature = findCosignature({ text, signatures }, key);
  if (cosignature === undefined) {
    throw new LedgerError('WITNESS_ANSWER_MALFORMED', { fields: { part: 'no line of this key', witness: key.name } });
  }
  const { timeSeconds } = cosignature;
  const latest = Math.floor(clock.nowMs() / 1000) + LEDGER_LIMITS.cosignatureAheadSeconds;
  if (timeSeconds > latest) {
    throw new LedgerError('LEDGER_COSIGNATURE_INVALID', { fields: { witness: key.name, timeSeconds, latest } });
  }
  return { cosignature, signatures };
}

function findSignatures(body: Uint8Array): NoteSignature[] {
  try {
    return parseSignatures(body);
  } catch (cause) {
    if (!(cause instanceof LedgerError)) throw cause;
    throw new LedgerError('WITNESS_ANSWER_MALFORMED', { fields: { part: 'signature lines' }, cause });
  }
}
