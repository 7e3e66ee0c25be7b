/** Salted commitments: one field of an entry can be disclosed without the others (docs/spec/ledger.md §5). */
import { z } from 'zod';
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

const disclosuresSchema = z.array(
  z.strictObject({
    index: z.int().min(0),
    field: z.string(),
    value: z.json(),
    saltHex: z.string().regex(/^[0-9a-f]{64}$/),
  }),
);

/** Reads a disclosure file; nothing in it is trusted before `verifyDisclosure`. @throws LedgerError LEDGER_ENTRY_MALFORMED */
export function parseDisclosures(bytes: Uint8Array): Disclosure[] {
  const part = 'disclosures';
  try {
    const result = disclosuresSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    if (result.success) return result.data;
  } catch (cause) {
    throw new LedgerError('LEDGER_ENTRY_MALFORMED', { fields: { part }, cause });
  }
  throw new LedgerError('LEDGER_ENTRY_MALFORMED', { fields: { part } });
}

/**
 * Checks a disclosed field against the commitments of its entry.
 * @returns the disclosure, which may be relied on now
 * @throws LedgerError LEDGER_DISCLOSURE_MISMATCH
 */
export function verifyDisclosure(
  entry: { readonly seq: number; readonly commitments?: Readonly<Record<string, string>> | undefined },
  disclosure: Disclosure,
): Disclosure {
  const { index, field, value, saltHex } = disclosure;
  const commitments = entry.commitments ?? {};
  const committed = Object.hasOwn(commitments, field) ? findHexBytes(commitments[field]) : undefined;
  const salt = findHexBytes(saltHex);
  const isWell = committed !== undefined && salt?.length === SALT_BYTES && entry.seq === index;
  if (isWell && isEqualConstantTime(utf8(commitField({ field, value, salt })), utf8(toHex(committed))))
    return disclosure;
  throw new LedgerError('LEDGER_DISCLOSURE_MISMATCH', { fields: { index, field } });
}
