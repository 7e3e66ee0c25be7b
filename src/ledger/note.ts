/** Signed notes: text with signature lines (C2SP signed-note). */
import { concatBytes, findBase64Bytes, toBase64, u32be, utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import { isKeyName, isSignatureValid, type VerifierKey } from './note-key.ts';
import type { NoteSigner } from './ports.ts';

export interface NoteSignature {
  readonly name: string;
  readonly keyId: number;
  /** Algorithm-specific bytes, after the key id. */
  readonly bytes: Uint8Array;
}

export interface Note {
  /** Ends in a newline; the blank line after it is not part of it. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const SIGNATURE_START = '— ';

/**
 * The signed note over `text` by one key.
 * @param text ends in a newline, without control characters other than newlines
 */
export function signNote(text: string, signer: NoteSigner): string {
  if (!isNoteText(text)) throw new TypeError('the text of a note ends in a newline and has no control characters');
  const { name, keyId } = signer;
  return encodeNote({ text, signatures: [{ name, keyId, bytes: signer.sign(utf8(text)) }] });
}

/** Text, blank line, and a line for each signature. */
export function encodeNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(encodeSignature).join('')}`;
}

/** The line of a signature, with its newline. */
export function encodeSignature({ name, keyId, bytes }: NoteSignature): string {
  return `${SIGNATURE_START}${name} ${toBase64(concatBytes(u32be(keyId), bytes))}\n`;
}

/** Signature lines alone, each with its newline, as a witness answers. @throws LedgerError LEDGER_NOTE_MALFORMED */
export function parseSignatures(bytes: Uint8Array): NoteSignature[] {
  if (bytes.length > LEDGER_LIMITS.noteBytesMax) throw malformed('too large');
  const text = toText(bytes);
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length > LEDGER_LIMITS.noteSignaturesMax) throw malformed('no signature lines');
  return lines.map(parseSignature);
}

/**
 * Splits a note without judging its signatures.
 * @throws LedgerError LEDGER_NOTE_MALFORMED
 * @see https://c2sp.org/signed-note
 */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > LEDGER_LIMITS.noteBytesMax) throw malformed('too large');
  const whole = toText(bytes);
  const split = whole.lastIndexOf('\n\n');
  const text = whole.slice(0, split + 1);
  if (split < 0 || !whole.endsWith('\n') || !isNoteText(text)) throw malformed('no text, blank line and signatures');
  const lines = whole.slice(split + 2, -1).split('\n');
  if (lines.length > LEDGER_LIMITS.noteSignaturesMax) throw malformed('too many signatures');
  return { text, signatures: lines.map(parseSignature) };
}

/**
 * Parses a note and verifies the signature of one known key; signatures of other keys are ignored.
 * @returns the text that the key signed
 * @throws LedgerError LEDGER_NOTE_MALFORMED | LEDGER_NOTE_UNTRUSTED when the key did not sign, or one of its
 * signatures is wrong
 */
export function verifyNote(bytes: Uint8Array, key: VerifierKey): string {
  const note = parseNote(bytes);
  verifyNoteBy(note, [key]);
  return note.text;
}

/**
 * As `verifyNote`, for a note that any of several keys may have signed.
 * @throws LedgerError LEDGER_NOTE_UNTRUSTED when none did, or a signature of one of them is wrong
 */
export function verifyNoteBy(note: Note, keys: readonly VerifierKey[]): void {
  const text = utf8(note.text);
  const checks = note.signatures.flatMap(({ name, keyId, bytes }) => {
    const key = keys.find((known) => known.name === name && known.keyId === keyId);
    return key === undefined ? [] : [{ key, bytes }];
  });
  if (checks.length > 0 && checks.every(({ key, bytes }) => isSignatureValid(key, text, bytes))) return;
  const expectedKey = keys.map(({ name }) => name).join(', ');
  throw new LedgerError('LEDGER_NOTE_UNTRUSTED', { fields: { expectedKey, signatures: checks.length } });
}

function parseSignature(line: string): NoteSignature {
  const [name = '', encoded = '', ...rest] = line.slice(SIGNATURE_START.length).split(' ');
  const bytes = findBase64Bytes(encoded);
  const isWell = line.startsWith(SIGNATURE_START) && rest.length === 0 && isKeyName(name);
  if (!isWell || bytes === undefined || bytes.length < 5) throw malformed('a signature line is not one');
  return { name, keyId: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), bytes: bytes.subarray(4) };
}

function toText(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!hasControls(text)) return text;
  } catch (cause) {
    throw malformed('not UTF-8', cause);
  }
  throw malformed('control characters');
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && !hasControls(text);
}

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) return true;
  }
  return false;
}

function malformed(reason: string, cause?: unknown): LedgerError {
  return new LedgerError('LEDGER_NOTE_MALFORMED', { fields: { reason }, cause });
}
