/** Proof files: an inclusion proof with its checkpoint, checkable offline (C2SP tlog-proof v1). */
import { findBase64Bytes, toBase64, toHex } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import { hashLeaf, isInclusionProven } from '../core/merkle.ts';
import { type TreeHead, verifyCheckpoint } from './checkpoint.ts';
import { type Cosignature, verifyCosignatures, type WitnessPolicy } from './cosignature.ts';
import type { VerifierKey } from './note-key.ts';

/** The parts of a proof file; only what `verifyProof` returned may be relied on. */
export interface LedgerProof {
  readonly index: number;
  /** From the leaf's sibling up, 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
  /** The signed checkpoint, text. */
  readonly checkpoint: string;
  /** Opaque and unauthenticated. */
  readonly extra?: Uint8Array | undefined;
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';

/** Text of a `.tlog-proof` file. */
export function encodeProof(proof: LedgerProof): string {
  const lines = [FIRST_LINE];
  if (proof.extra !== undefined) lines.push(`extra ${toBase64(proof.extra)}`);
  lines.push(`index ${proof.index}`, ...proof.hashes.map(toBase64), '', proof.checkpoint);
  return lines.join('\n');
}

/**
 * @throws LedgerError LEDGER_PROOF_MALFORMED
 * @see https://c2sp.org/tlog-proof
 */
export function parseProof(text: string): LedgerProof {
  const split = text.indexOf('\n\n');
  if (text.length > LEDGER_LIMITS.proofBytesMax || split < 0) throw malformed('layout');
  const [first, ...lines] = text.slice(0, split).split('\n');
  if (first !== FIRST_LINE) throw malformed('version');
  const extra = lines.length > 0 && lines[0].startsWith('extra ') ? findBase64Bytes(lines.shift()!.slice(6)) : null;
  if (extra === undefined) throw malformed('extra');
  const indexText = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1];
  const index = Number(indexText);
  if (indexText === undefined || !Number.isSafeInteger(index)) throw malformed('index');
  if (lines.length > LEDGER_LIMITS.proofHashesMax) throw malformed('too many hashes');
  const hashes = lines.map((line) => {
    const hash = findBase64Bytes(line);
    if (hash?.length !== 32) throw malformed('hash');
    return hash;
  });
  return { index, hashes, checkpoint: text.slice(split + 2), ...(extra === null ? {} : { extra }) };
}

/**
 * Verifies that the ledger of `key` signed a tree that holds `entry` at the index that the proof names.
 * @param proof text of a proof file
 * @param entry bytes of the entry as stored
 * @param witnesses whose cosignatures the checkpoint may or must bear; none without it
 * @throws LedgerError LEDGER_PROOF_MALFORMED | LEDGER_PROOF_INVALID | LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED |
 * LEDGER_CHECKPOINT_MALFORMED | LEDGER_COSIGNATURE_INVALID | LEDGER_WITNESSES_MISSING
 */
export function verifyProof(options: {
  readonly proof: string;
  readonly entry: Uint8Array;
  readonly key: VerifierKey;
  readonly witnesses?: WitnessPolicy | undefined;
}): { readonly index: number; readonly head: TreeHead; readonly cosignatures: readonly Cosignature[] } {
  const { index, hashes, checkpoint } = parseProof(options.proof);
  const head = verifyCheckpoint(checkpoint, options.key);
  const leafHash = hashLeaf(options.entry);
  if (!isInclusionProven({ leafHash, index, size: head.size, proof: hashes, root: head.root })) {
    throw new LedgerError('LEDGER_PROOF_INVALID', { fields: { index, size: head.size, leafHash: toHex(leafHash) } });
  }
  const { witnesses } = options;
  return { index, head, cosignatures: witnesses === undefined ? [] : verifyCosignatures(checkpoint, witnesses) };
}

function malformed(part: string): LedgerError {
  return new LedgerError('LEDGER_PROOF_MALFORMED', { fields: { part } });
}
