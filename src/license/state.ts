/**
 * What a device remembers: the latest time that it has seen, and per licence its last contact and lease. MACed under a key
 * that only the device key gives, and numbered by a counter that goes up only (docs/spec/license.md section 5).
 */
import { z } from 'zod';
import { findHexBytes, isEqualConstantTime, toHex, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LicenseError } from '../core/errors.ts';
import { hmacSha256 } from '../core/hash.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { parseShape } from './claims.ts';
import { deriveDeviceSecret } from './device-secret.ts';
import { toThumbprint } from './jwk.ts';
import type { AgreementKey, MonotonicCounter } from './ports.ts';

/** Seconds, and other counts. */
const second = z.int().min(0);
const nonce = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

const recordName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}@urn:modelward:[0-9a-f]{64}$/);

const recordShape = z.strictObject({
  /** Of the newest licence of this name. */
  seq: z.int().min(1),
  activatedSec: second,
  /** Time of the vendor in the last answer; `iat` of the licence before any. */
  contactSec: second,
  lease: z.strictObject({ id: z.string().max(64), expSec: second }).nullable(),
  /** Number of the request that waits for its answer. */
  pending: nonce.nullable(),
  /** Time of that request, as far as the device knew it: its clock, or a later time that it had seen. */
  pendingSec: second,
  /** Number of the answer that was taken last. */
  taken: nonce.nullable(),
  /** What the vendor said last. */
  standing: z.enum(['valid', 'suspended', 'revoked']),
  /** Newest status list that was seen. */
  statusSec: second,
});

const stateShape = z.strictObject({
  v: z.literal(1),
  jkt: z.string(),
  counter: z.int().min(0),
  /** Which counter that number is of. */
  counterId: z.string().max(64),
  highWaterSec: second,
  /** What the clock of the chip said when `highWaterSec` was the time; null where there is none. */
  chip: z.strictObject({ clockMs: second, resets: second, restarts: second, isSafe: z.boolean() }).nullable(),
  /** Entries that the ledger of the device had when this was written; absent before there was one. */
  ledger: second.optional(),
  /** The record was lost: licences count as activated only after an answer of the vendor. */
  isReset: z.boolean(),
  /** By name, `@` and issuer. */
  licenses: z
    .record(recordName, recordShape)
    .refine((records) => Object.keys(records).length <= LICENSE_LIMITS.stateLicensesMax),
});

export type LicenseRecord = Readonly<z.infer<typeof recordShape>>;
export type DeviceState = Readonly<z.infer<typeof stateShape>>;

const fileShape = z.strictObject({ state: z.unknown(), mac: z.string().regex(/^[0-9a-f]{64}$/) });

export function newState(key: AgreementKey, counter: MonotonicCounter, isReset: boolean): DeviceState {
  const jkt = toThumbprint(key.publicKey);
  return { v: 1, jkt, counter: 0, counterId: counter.id, highWaterSec: 0, chip: null, isReset, licenses: {} };
}

/** Canonical JSON and a line feed. */
export async function encodeState(state: DeviceState, key: AgreementKey): Promise<Uint8Array> {
  const macKey = await deriveDeviceSecret(key, 'state');
  try {
    const mac = toHex(hmacSha256(macKey, toCanonicalJsonBytes(state)));
    return utf8(`${toCanonicalJson({ state, mac })}\n`);
  } finally {
    zeroize(macKey);
  }
}

/** @throws LicenseError LICENSE_STATE_MALFORMED | LICENSE_STATE_TAMPERED */
export async function decodeState(bytes: Uint8Array, key: AgreementKey): Promise<DeviceState> {
  const { state: value, mac } = parseShape(fileShape, parseText(bytes), 'LICENSE_STATE_MALFORMED');
  const macKey = await deriveDeviceSecret(key, 'state');
  try {
    const state = parseShape(stateShape, value, 'LICENSE_STATE_MALFORMED');
    const expected = hmacSha256(macKey, toCanonicalJsonBytes(state));
    if (isEqualConstantTime(findHexBytes(mac) ?? new Uint8Array(), expected)) return state;
  } finally {
    zeroize(macKey);
  }
  throw new LicenseError('LICENSE_STATE_TAMPERED');
}

function parseText(bytes: Uint8Array): unknown {
  try {
    if (bytes.length <= LICENSE_LIMITS.stateBytesMax) return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    // Told below.
  }
  throw new LicenseError('LICENSE_STATE_MALFORMED');
}

/**
 * Holds a state against the counter that it names, since the file that says where the counter is proves nothing. A state that is one ahead was written just before a crash; the counter follows.
 * @throws LicenseError LICENSE_STATE_ROLLED_BACK for one that was written before others, or under another counter
 */
export async function assertNewest(state: DeviceState, counter: MonotonicCounter): Promise<void> {
  if (state.counterId !== counter.id) {
    throw new LicenseError('LICENSE_STATE_ROLLED_BACK', { fields: { counter: counter.id, state: state.counterId } });
  }
  const now = await counter.read();
  if (state.counter === now + 1) await counter.increment();
  else if (state.counter !== now) {
    throw new LicenseError('LICENSE_STATE_ROLLED_BACK', { fields: { counter: now, state: state.counter } });
  }
}
