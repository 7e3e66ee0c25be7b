/** What an activation or an answer changes in the device's record of a licence. */
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import type { LicenseClaims } from './claims.ts';
import type { LicenseAction, LicenseAnswer } from './messages.ts';
import type { DeviceState, LicenseRecord } from './state.ts';

/** A licence by its vendor and its name: vendors choose names without knowing of each other's. */
type Named = Pick<LicenseClaims, 'iss' | 'jti'>;

/** The state with a licence that was given as a file: contact counts from its making, so deleting the record gains nothing. */
export function activateFromFile(state: DeviceState, claims: LicenseClaims, nowSec: number): DeviceState {
  const before = findRecord(state, claims);
  // After a loss of the record only the vendor's own word counts.
  if (state.isReset && findActive(state, claims) === null) {
    throw new LicenseError('LICENSE_NOT_ACTIVATED', { fields: { license: claims.jti } });
  }
  if (before !== null && claims.seq < before.seq) {
    throw new LicenseError('LICENSE_SUPERSEDED', { fields: { seq: claims.seq, newest: before.seq } });
  }
  const record = before ?? newRecord(claims, nowSec);
  const contactSec = Math.max(record.contactSec, claims.iat);
  return withRecord(state, claims, { ...record, seq: claims.seq, contactSec });
}

/**
 * The state with the number of a request that was made. A seat that is given back is gone from here on: the answer may be
 * thrown away.
 */
export function notePending(
  state: DeviceState,
  claims: LicenseClaims,
  ask: {
    readonly nonce: string;
    readonly nowSec: number;
    readonly act: LicenseAction;
    /** The clock of a chip runs from here on: it tells how old the answer is. */
    readonly isTimed: boolean;
  },
): DeviceState {
  const record = findRecord(state, claims) ?? newRecord(claims, ask.nowSec);
  const pendingSec = Math.max(ask.nowSec, state.highWaterSec);
  const lease = ask.act === 'release' ? null : record.lease;
  const highWaterSec = ask.isTimed ? pendingSec : state.highWaterSec;
  return { ...withRecord(state, claims, { ...record, lease, pending: ask.nonce, pendingSec }), highWaterSec };
}

/**
 * The state after an answer. The vendor's time replaces what a clock that ran ahead had left, unless time went on since the
 * request: an answer that was kept for later is no word on what time it is now.
 * @param claims of the licence that counts from now on
 * @throws LicenseError LICENSE_ISSUER for one of another vendor | LICENSE_ANSWER_UNASKED | LICENSE_ANSWER_REPLAYED
 */
export function takeAnswer(state: DeviceState, claims: LicenseClaims, answer: LicenseAnswer): DeviceState {
  if (answer.iss !== claims.iss) throw new LicenseError('LICENSE_ISSUER');
  const record = findRecord(state, claims);
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
  const isFresh = state.highWaterSec - record.pendingSec <= LICENSE_LIMITS.requestAgeSec;
  const highWaterSec = isFresh ? answer.iat : Math.max(state.highWaterSec, answer.iat);
  return { ...withRecord(state, claims, changed), highWaterSec };
}

/** The record of a licence that counts as activated; after a loss of the record, only an answer makes it one. */
export function findActive(state: DeviceState, named: Named): LicenseRecord | null {
  const record = findRecord(state, named);
  return state.isReset && record?.taken === null ? null : record;
}

export function findRecord(state: DeviceState, named: Named): LicenseRecord | null {
  const name = toRecordName(named);
  return Object.hasOwn(state.licenses, name) ? state.licenses[name] : null;
}

function newRecord({ seq, iat }: LicenseClaims, nowSec: number): LicenseRecord {
  return {
    ...{ seq, activatedSec: nowSec, contactSec: iat, lease: null, pending: null, pendingSec: 0, taken: null },
    ...{ standing: 'valid', statusSec: 0 },
  };
}

/** @throws LicenseError LICENSE_RECORD_FULL: a record of more licences could not be read again */
export function withRecord(state: DeviceState, named: Named, record: LicenseRecord): DeviceState {
  const licenses = { ...state.licenses, [toRecordName(named)]: record };
  const { stateLicensesMax } = LICENSE_LIMITS;
  if (Object.keys(licenses).length > stateLicensesMax) {
    throw new LicenseError('LICENSE_RECORD_FULL', { fields: { licenses: stateLicensesMax } });
  }
  return { ...state, licenses };
}

function toRecordName({ iss, jti }: Named): string {
  return `${jti}@${iss}`;
}
