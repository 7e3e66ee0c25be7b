/** Salted commitments: one field of an entry can be disclosed without the others (docs/spec/ledger.md §5). */
import { allocSecret, concatBytes, findHexBytes, isEqualConstantTime, toHex, utf8 } from '../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LedgerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { Random } from '../core/ports.ts';

const SALT_BYTES = 32;
const LABEL = utf8('ledger/field/v1/');

/** What opens one commitment: whoever has it can show the value, and show no other. */
export interface Disclosure {
  readonly index: number;
  readonly field: string;
  readonly value: Json;
  /** 32 bytes, hex. */
  readonly saltHex: string;
}

/**
 * SHA-256("ledger/field/v1/" ‖ salt ‖ JCS({field, value})), hex. Without the salt a short value cannot be guessed.
 * @param salt 32 random bytes, fresh for every field of every entry
 */
export function commitField(options: {
  readonly field: string;
  readonly value: Json;
  readonly salt: Uint8Array;
}): string {
  const { field, value, salt } = options;
  if (salt.length !== SALT_BYTES) throw new TypeError('a salt has 32 bytes');
  return toHex(sha256(concatBytes(LABEL, salt, toCanonicalJsonBytes({ field, value }))));
}

export function drawSalt(random: Random): Uint8Array {
  const salt = allocSecret(SALT_BYTES);
  random.fill(salt);
  return salt;
}

/**
 * Checks a disclosed field against the commitments of its entry.
 * @throws LedgerError LEDGER_DISCLOSURE_MISMATCH
 */
export function verifyDisclosure(
  entry: { readonly seq: number; readonly commitments?: Readonly<Record<string, string>> | undefined },
  disclosure: Disclosure,
): void {
  const { index, field, value, saltHex } = disclosure;
  const commitments = entry.commitments ?? {};
  const committed = Object.hasOwn(commitments, field) ? findHexBytes(commitments[field]) : undefined;
  const salt = findHexBytes(saltHex);
  const isWell = committed !== undefined && salt?.length === SALT_BYTES && entry.seq === index;
  if (isWell && isEqualConstantTime(utf8(commitField({ field, value, salt })), utf8(toHex(committed)))) return;
  throw new LedgerError('LEDGER_DISCLOSURE_MISMATCH', { fields: { index, field } });
}
