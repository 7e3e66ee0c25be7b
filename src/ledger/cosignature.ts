/** Cosignatures of witnesses, Ed25519 (C2SP tlog-cosignature v1.0.1). */
import { concatBytes, toHex, u64be, utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import type { Cosigner, CosignerKey } from './cosigner-key.ts';
import { type Note, type NoteSignature, parseNote } from './note.ts';
import { isSignatureValid, type VerifierKey } from './note-key.ts';

const TIME_BYTES = 8;
const COSIGNATURE_BYTES = TIME_BYTES + 64;

/** That a witness had seen this tree at this time, and no larger one of the log. */
export interface Cosignature {
  readonly name: string;
  readonly keyId: number;
  /** Seconds since 1970-01-01T00:00:00Z, by the clock of the witness; at most the year 9999. */
  readonly timeSeconds: number;
}

/** Whose cosignatures count, and how many are enough. */
export interface WitnessPolicy {
  readonly keys: readonly CosignerKey[];
  /** 0..keys.length */
  readonly required: number;
}

/**
 * The signature of a witness over a checkpoint.
 * @param text text of the note, ending in a newline
 */
export function cosign(text: string, timeSeconds: number, cosigner: Cosigner): NoteSignature {
  const { name, keyId } = cosigner;
  return { name, keyId, bytes: concatBytes(u64be(timeSeconds), cosigner.sign(toMessage(text, timeSeconds))) };
}

/**
 * The cosignature of one witness; undefined when it gave none. Of several the oldest: it says most about the past.
 * @throws LedgerError LEDGER_COSIGNATURE_INVALID when one of this key is wrong
 */
export function findCosignature(note: Note, key: CosignerKey): Cosignature | undefined {
  const times = note.signatures
    .filter((signature) => isSignatureBy(signature, key))
    .map(({ bytes }) => {
      const timeSeconds = bytes.length === COSIGNATURE_BYTES ? readTime(bytes) : Number.POSITIVE_INFINITY;
      const isWell =
        timeSeconds <= LEDGER_LIMITS.cosignatureSecondsMax &&
        isSignatureValid(key, toMessage(note.text, timeSeconds), bytes.subarray(TIME_BYTES));
      if (!isWell) throw new LedgerError('LEDGER_COSIGNATURE_INVALID', { fields: { witness: key.name } });
      return timeSeconds;
    });
  return times.length === 0 ? undefined : { name: key.name, keyId: key.keyId, timeSeconds: Math.min(...times) };
}

/**
 * The cosignatures of the witnesses of a policy on a checkpoint, whose own signature is not judged here.
 * @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_COSIGNATURE_INVALID | LEDGER_WITNESSES_MISSING
 */
export function verifyCosignatures(checkpoint: string, { keys, required }: WitnessPolicy): Cosignature[] {
  const note = parseNote(utf8(checkpoint));
  const found = keys.map((key) => findCosignature(note, key)).filter((cosignature) => cosignature !== undefined);
  if (found.length >= required) return found;
  throw new LedgerError('LEDGER_WITNESSES_MISSING', {
    fields: { required, found: found.length, named: keys.map(({ name }) => name) },
  });
}

/**
 * The policy "so many of these witnesses". A cosignature does not name its witness, so one key under two names is one
 * witness; and the ledger's own key is none.
 * @param required default: all of them
 * @throws LedgerError WITNESS_POLICY_INVALID
 */
export function toWitnessPolicy(options: {
  readonly keys: readonly CosignerKey[];
  readonly required?: number | undefined;
  readonly ledgerKey: VerifierKey;
}): WitnessPolicy {
  const { keys, required = keys.length, ledgerKey } = options;
  const distinct = new Set([ledgerKey, ...keys].map(({ publicKey }) => toHex(publicKey)));
  const isCount = Number.isSafeInteger(required) && required >= 0 && required <= keys.length;
  if (distinct.size === keys.length + 1 && isCount) return { keys, required };
  throw new LedgerError('WITNESS_POLICY_INVALID', {
    fields: { named: keys.length, different: distinct.size - 1, required },
  });
}

/** True when the line claims to be of that key. */
export function isSignatureBy(
  signature: NoteSignature,
  key: { readonly name: string; readonly keyId: number },
): boolean {
  return signature.name === key.name && signature.keyId === key.keyId;
}

function toMessage(text: string, timeSeconds: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}

function readTime(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
}
