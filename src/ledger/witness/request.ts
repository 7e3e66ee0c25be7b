/** Bodies of the witness protocol: old size, proof lines, blank line, checkpoint (C2SP tlog-witness). */
import { findBase64Bytes, toBase64, utf8 } from '../../core/bytes.ts';
import { LedgerError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import { parseCheckpointText, type TreeHead } from '../checkpoint.ts';
import { type Note, parseNote } from '../note.ts';

/** What a witness is asked to cosign; nothing of it is verified. */
export interface AddCheckpoint {
  readonly oldSize: number;
  /** Consistency proof from the old size, 32 bytes each. */
  readonly proof: readonly Uint8Array[];
  readonly note: Note;
  readonly origin: string;
  readonly head: TreeHead;
}

/** @param options.checkpoint signed note, text */
export function encodeAddCheckpoint(options: {
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: string;
}): Uint8Array {
  const { oldSize, proof, checkpoint } = options;
  return utf8([`old ${oldSize}`, ...proof.map(toBase64), '', checkpoint].join('\n'));
}

/** @throws LedgerError WITNESS_REQUEST_MALFORMED */
export function parseAddCheckpoint(body: Uint8Array): AddCheckpoint {
  if (body.length > LEDGER_LIMITS.witnessRequestBytesMax) throw malformed('size');
  const text = Buffer.from(body).toString('latin1');
  const split = text.indexOf('\n\n');
  if (split < 0) throw malformed('no empty line');
  const [first, ...lines] = text.slice(0, split).split('\n');
  const oldText = /^old (0|[1-9][0-9]{0,15})$/.exec(first)?.[1];
  const oldSize = Number(oldText);
  if (oldText === undefined || !Number.isSafeInteger(oldSize)) throw malformed('old size');
  if (lines.length > LEDGER_LIMITS.witnessProofLinesMax) throw malformed('too many proof lines');
  const proof = lines.map((line) => {
    const hash = findBase64Bytes(line);
    if (hash?.length !== 32) throw malformed('proof line');
    return hash;
  });
  return { oldSize, proof, ...parseCheckpoint(body.subarray(split + 2)) };
}

function parseCheckpoint(bytes: Uint8Array): Pick<AddCheckpoint, 'note' | 'origin' | 'head'> {
  try {
    const note = parseNote(bytes);
    const { origin, size, root } = parseCheckpointText(note.text);
    return { note, origin, head: { size, root } };
  } catch (cause) {
    if (cause instanceof LedgerError) throw malformed('checkpoint', cause);
    throw cause;
  }
}

function malformed(part: string, cause?: unknown): LedgerError {
  return new LedgerError('WITNESS_REQUEST_MALFORMED', { fields: { part }, cause });
}
