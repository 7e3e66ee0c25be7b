/** The vendor's half: answers one request of a device, in one transaction, recorded before the answer exists. */
import { toHex, utf8 } from '../../core/bytes.ts';
import { LicenseError, ModelwardError } from '../../core/errors.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import {
  type IssuedLicense,
  type Lease,
  type LicenseAction,
  type LicenseAnswer,
  type LicenseStore,
  type LicenseTransaction,
  type OfflineRules,
  parseLicenseFile,
  signAnswer,
  type VerifiedRequest,
  verifyRequest,
} from '../../license/index.ts';
import type { Recorder } from '../recorder.ts';
import type { VendorServices } from './services.ts';
import { recordLicense, verifyIssued } from './issue.ts';
import type { Vendor } from './vendor.ts';

export interface AnswerContext {
  readonly services: Pick<VendorServices, 'clock' | 'random'>;
  readonly recorder: Pick<Recorder, 'record' | 'actor' | 'writer'>;
  readonly vendor: Vendor;
  readonly store: LicenseStore;
}

/**
 * Answers a request. A refusal of a device that proved its key is a signed answer, too; one that proved nothing is thrown.
 * Both are in the ledger.
 * @param text compact JWS
 * @param action over a network, what its path asks for: the request must say the same, and must not be one for a file
 * @returns compact JWS
 * @throws LicenseError of `verifyRequest`; LICENSE_REQUEST_REPLAYED | LICENSE_UNKNOWN | LICENSE_DEVICE_MISMATCH
 */
export async function answerRequest(context: AnswerContext, text: string, action?: LicenseAction): Promise<string> {
  const nowSec = Math.floor(context.services.clock.nowMs() / 1000);
  let subject = 'license';
  try {
    const { agreement: key, signer } = context.vendor;
    const request = await verifyRequest(text, { key, issuer: signer.issuer, nowSec });
    subject = request.lic;
    // What is said to be carried by hand has no business on a network: its number would be kept for days.
    if (action !== undefined && (request.act !== action || request.file)) {
      throw new LicenseError('LICENSE_REQUEST_MALFORMED');
    }
    return await context.store.transact((transaction) => answerIn(context, transaction, { request, nowSec }));
  } catch (error) {
    if (error instanceof ModelwardError) {
      await context.recorder.writer.refuse({ actor: context.recorder.actor, subject, cause: error.code });
    }
    throw error;
  }
}

interface Asked {
  readonly request: VerifiedRequest;
  readonly nowSec: number;
}

async function answerIn(context: AnswerContext, transaction: LicenseTransaction, asked: Asked): Promise<string> {
  const { request, nowSec } = asked;
  const untilSec = request.iat + (request.file ? LICENSE_LIMITS.requestFileAgeSec : LICENSE_LIMITS.requestAgeSec) + 1;
  if (!(await transaction.useNonce(request.jti, { nowSec, untilSec })))
    throw new LicenseError('LICENSE_REQUEST_REPLAYED');
  const license = await transaction.findLicense(request.lic);
  if (license === null) throw new LicenseError('LICENSE_UNKNOWN');
  if (license.jkt !== request.jkt) throw new LicenseError('LICENSE_DEVICE_MISMATCH');
  const outcome = await decide(context, transaction, { ...asked, license });
  await recordOutcome(context.recorder, license, request, outcome.result);
  return signAnswer(context.vendor.signer, {
    ...{ aud: request.jkt, lic: request.lic, act: request.act, nonce: request.jti, iat: nowSec },
    ...{ standing: license.standing, lease: null },
    ...outcome,
  });
}

type Outcome = Pick<LicenseAnswer, 'result'> & Partial<Pick<LicenseAnswer, 'lease' | 'license' | 'key'>>;

async function recordOutcome(
  recorder: AnswerContext['recorder'],
  license: IssuedLicense,
  request: VerifiedRequest,
  result: string,
): Promise<void> {
  if (result === 'OK') await recordLicense(recorder, license, request.act);
  else await recorder.writer.refuse({ actor: recorder.actor, subject: license.name, cause: result });
}

async function decide(
  context: AnswerContext,
  transaction: LicenseTransaction,
  asked: Asked & { readonly license: IssuedLicense },
): Promise<Outcome> {
  const { license, request, nowSec } = asked;
  if (license.standing === 'revoked') return { result: 'LICENSE_REVOKED' };
  if (license.standing === 'suspended') return { result: 'LICENSE_SUSPENDED' };
  const { claims } = verifyIssued(context.vendor, license);
  if (nowSec >= claims.exp + claims.off.lateSec) return { result: 'LICENSE_EXPIRED' };
  switch (request.act) {
    case 'check':
      return { result: 'OK' };
    case 'activate':
    case 'renew': {
      const { license: text, keyDocument } = parseLicenseFile(utf8(license.file));
      return { result: 'OK', license: text, key: keyDocument };
    }
    case 'lease':
    case 'takeover':
      return leaseSeat(context, transaction, { ...asked, off: claims.off });
    case 'release':
      return releaseSeat(transaction, asked);
  }
}

interface SeatAsked extends Asked {
  readonly license: IssuedLicense;
}

async function leaseSeat(
  { services }: AnswerContext,
  transaction: LicenseTransaction,
  asked: SeatAsked & { readonly off: OfflineRules },
): Promise<Outcome> {
  const { license, request, nowSec } = asked;
  const { leaseSec, maxSkewSec } = asked.off;
  const { pool } = license;
  if (pool === null || leaseSec === null) return { result: 'LICENSE_LEASE_MISSING' };
  const leases = await transaction.listLeases(pool.id, nowSec);
  const own = leases.find(({ license: name }) => name === license.name);
  if (own?.isTakenOver === true && request.act === 'lease') {
    // Told once; the next request stands in line as any other.
    await transaction.removeLease(own.id);
    return { result: 'LICENSE_TAKEN_OVER' };
  }
  if (request.act === 'takeover' && !(await takeSeat(transaction, asked, leases)))
    return { result: 'LICENSE_SEATS_TAKEN' };
  const taken = leases.filter(
    (lease) =>
      !lease.isTakenOver &&
      lease.license !== license.name &&
      !(request.act === 'takeover' && lease.jkt === request.from),
  );
  if (taken.length >= pool.seats) return { result: 'LICENSE_SEATS_TAKEN' };
  const id = own?.id ?? drawLeaseId(services);
  // The holder's clock may be as far behind as his licence allows: he uses the seat until then.
  const freeSec = nowSec + leaseSec + Math.max(LICENSE_LIMITS.leaseDriftSec, maxSkewSec);
  await transaction.saveLease({
    id,
    pool: pool.id,
    license: license.name,
    jkt: license.jkt,
    freeSec,
    isTakenOver: false,
  });
  return { result: 'OK', lease: { id, exp: nowSec + leaseSec } };
}

/** The seat of another device of the same licensee, for good; false when there is none to take. */
async function takeSeat(
  transaction: LicenseTransaction,
  { license, request }: SeatAsked,
  leases: readonly Lease[],
): Promise<boolean> {
  const seat = leases.find(({ jkt, isTakenOver }) => jkt === request.from && !isTakenOver);
  const holder = seat === undefined ? null : await transaction.findLicense(seat.license);
  if (seat === undefined || holder?.licensee !== license.licensee) return false;
  await transaction.saveLease({ ...seat, isTakenOver: true });
  return true;
}

async function releaseSeat(transaction: LicenseTransaction, { license, nowSec }: SeatAsked): Promise<Outcome> {
  const leases = license.pool === null ? [] : await transaction.listLeases(license.pool.id, nowSec);
  const own = leases.find(({ license: name }) => name === license.name);
  if (own !== undefined) await transaction.removeLease(own.id);
  return { result: 'OK' };
}

function drawLeaseId({ random }: Pick<VendorServices, 'random'>): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  return toHex(bytes);
}
