/** What an activation or an answer changes in the device's record of a licence. */
import { LicenseError } from '../core/errors.ts';
import type { LicenseClaims } from './claims.ts';
import type { LicenseAnswer } from './messages.ts';
import type { DeviceState, LicenseRecord } from './state.ts';

/** The state with a licence that was given as a file: contact counts from its making, so deleting the record gains nothing. */
export function activateFromFile(state: DeviceState, claims: LicenseClaims, nowSec: number): DeviceState {
  const before = findRecord(state, claims.jti);
  // After a loss of the record only the vendor's own word counts.
  if (state.isReset && findActive(state, claims.jti) === null) {
    throw new LicenseError('LICENSE_NOT_ACTIVATED', { fields: { license: claims.jti } });
  }
  if (before !== null && claims.seq < before.seq) {
    throw new LicenseError('LICENSE_SUPERSEDED', { fields: { seq: claims.seq, newest: before.seq } });
  }
  const record = before ?? newRecord(claims, nowSec);
  const contactSec = Math.max(record.contactSec, claims.iat);
  return withRecord(state, claims.jti, { ...record, seq: claims.seq, contactSec });
}

/** The state with the number of a request that was made. */
export function notePending(
  state: DeviceState,
  claims: LicenseClaims,
  ask: { nonce: string; nowSec: number },
): DeviceState {
  const record = findRecord(state, claims.jti) ?? newRecord(claims, ask.nowSec);
  return withRecord(state, claims.jti, { ...record, pending: ask.nonce });
}

/**
 * The state after an answer. The vendor's time replaces what a clock that ran ahead had left: it is signed, and fresh.
 * @param claims of the licence that counts from now on
 * @throws LicenseError LICENSE_ANSWER_UNASKED | LICENSE_ANSWER_REPLAYED
 */
export function takeAnswer(state: DeviceState, claims: LicenseClaims, answer: LicenseAnswer): DeviceState {
  const record = findRecord(state, claims.jti);
  if (record === null || (record.pending === null && record.taken === null)) {
    throw new LicenseError('LICENSE_ANSWER_UNASKED');
  }
  if (record.pending !== answer.nonce) throw new LicenseError('LICENSE_ANSWER_REPLAYED');
  const lease = answer.lease === null ? null : { id: answer.lease.id, expSec: answer.lease.exp };
  const isContact = answer.result === 'OK';
  const changed: LicenseRecord = {
    ...record,
    seq: Math.max(record.seq, claims.seq),
    contactSec: isContact ? answer.iat : record.contactSec,
    // Renewals and checks say nothing about the seat.
    lease: answer.act === 'lease' || answer.act === 'takeover' || answer.act === 'release' ? lease : record.lease,
    pending: null,
    taken: answer.nonce,
    standing: answer.standing,
  };
  return { ...withRecord(state, claims.jti, changed), highWaterSec: answer.iat };
}

/** The record of a licence that counts as activated; after a loss of the record, only an answer makes it one. */
export function findActive(state: DeviceState, name: string): LicenseRecord | null {
  const record = findRecord(state, name);
  return state.isReset && record?.taken === null ? null : record;
}

export function findRecord(state: DeviceState, name: string): LicenseRecord | null {
  return Object.hasOwn(state.licenses, name) ? state.licenses[name] : null;
}

function newRecord({ seq, iat }: LicenseClaims, nowSec: number): LicenseRecord {
  return {
    ...{ seq, activatedSec: nowSec, contactSec: iat, lease: null, pending: null, taken: null },
    ...{ standing: 'valid', statusSec: 0 },
  };
}

export function withRecord(state: DeviceState, name: string, record: LicenseRecord): DeviceState {
  return { ...state, licenses: { ...state.licenses, [name]: record } };
}
