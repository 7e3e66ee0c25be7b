/** The vendor's half: answers requests of devices, in transactions, recorded before an answer exists. */
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
import type { EntryInput, Refusal } from '../../ledger/index.ts';
import { gather } from './gather.ts';
import { createIssuedReader, toLicenseEntry } from './issued.ts';
import type { VendorServices } from './services.ts';
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
 * @throws LicenseError of `verifyRequest`; LICENSE_REQUEST_REPLAYED | LICENSE_REQUESTS_TOO_MANY | LICENSE_UNKNOWN |
 *   LICENSE_DEVICE_MISMATCH
 */
export type Answerer = (text: string, action?: LicenseAction) => Promise<string>;

/**
 * Requests that come while others are being answered wait, and are then answered together: one transaction, one write of
 * the ledger, each its own answer. Either all of a transaction is done and recorded, or none of them is answered.
 */
export function createAnswerer(context: AnswerContext): Answerer {
  const by = { ...context, readIssued: createIssuedReader(context.vendor) };
  const together = gather((asked: readonly Asked[]) => answerTogether(by, asked), LICENSE_LIMITS.answerBatchMax);
  return async (text, action) => {
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
      const result = await together({ request, nowSec });
      if (result instanceof ModelwardError) throw result;
      return result;
    } catch (error) {
      if (error instanceof ModelwardError) {
        await context.recorder.writer.refuse({ actor: context.recorder.actor, subject, cause: error.code });
      }
      throw error;
    }
  };
}

/** One request alone. @throws as {@link Answerer} */
export function answerRequest(context: AnswerContext, text: string, action?: LicenseAction): Promise<string> {
  return createAnswerer(context)(text, action);
}

/** The context, with a reader that remembers. */
interface Answering extends AnswerContext {
  readonly readIssued: ReturnType<typeof createIssuedReader>;
}

interface Asked {
  readonly request: VerifiedRequest;
  readonly nowSec: number;
}

interface Decided extends Asked {
  readonly license: IssuedLicense;
  readonly outcome: Outcome;
}

/**
 * Answers in the order of the requests; an error for a request that gets no answer. The entries are durable before the
 * transaction ends, and so before anybody else sees what it did: register and ledger tell of the same order.
 */
async function answerTogether(
  context: Answering,
  asked: readonly Asked[],
): Promise<readonly (string | ModelwardError)[]> {
  const { recorder, store, vendor } = context;
  const results = await store.transact(async (transaction) => {
    const decided: (Decided | LicenseError)[] = [];
    for (const one of asked) decided.push(await decideOne(context, transaction, one));
    await recordOutcomes(recorder, decided);
    return decided;
  });
  return Promise.all(
    results.map(async (one) => {
      if (one instanceof LicenseError) return one;
      const { request, license, nowSec, outcome } = one;
      return signAnswer(vendor.signer, {
        ...{ aud: request.jkt, lic: request.lic, act: request.act, nonce: request.jti, iat: nowSec },
        ...{ standing: license.standing, lease: null },
        ...outcome,
      });
    }),
  );
}

/** Nothing is changed for a request that gets no answer. */
async function decideOne(
  context: Answering,
  transaction: LicenseTransaction,
  asked: Asked,
): Promise<Decided | LicenseError> {
  const { request, nowSec } = asked;
  const license = await transaction.findLicense(request.lic);
  if (license === null) return new LicenseError('LICENSE_UNKNOWN');
  if (license.jkt !== request.jkt) return new LicenseError('LICENSE_DEVICE_MISMATCH');
  const ageMaxSec = request.file ? LICENSE_LIMITS.requestFileAgeSec : LICENSE_LIMITS.requestAgeSec;
  const untilSec = request.iat + ageMaxSec + LICENSE_LIMITS.serverSkewSec + 1;
  const use = await transaction.useNonce(request.jti, { by: license.name, nowSec, untilSec });
  if (use === 'used') return new LicenseError('LICENSE_REQUEST_REPLAYED');
  if (use === 'full') return new LicenseError('LICENSE_REQUESTS_TOO_MANY', { fields: { license: license.name } });
  return { ...asked, license, outcome: await decide(context, transaction, { ...asked, license }) };
}

type Outcome = Pick<LicenseAnswer, 'result'> & Partial<Pick<LicenseAnswer, 'lease' | 'license' | 'key'>>;

async function recordOutcomes(
  recorder: AnswerContext['recorder'],
  decided: readonly (Decided | LicenseError)[],
): Promise<void> {
  const entries: EntryInput[] = [];
  const refusals: Refusal[] = [];
  for (const one of decided) {
    if (one instanceof LicenseError) continue;
    const { license, request, outcome } = one;
    if (outcome.result === 'OK') entries.push(toLicenseEntry(recorder, license, request.act));
    else refusals.push({ actor: recorder.actor, subject: license.name, cause: outcome.result });
  }
  if (refusals.length > 0) await recorder.writer.refuse(...refusals);
  if (entries.length > 0) await recorder.record(entries);
}

async function decide(
  context: Answering,
  transaction: LicenseTransaction,
  asked: Asked & { readonly license: IssuedLicense },
): Promise<Outcome> {
  const { license, request, nowSec } = asked;
  if (license.standing === 'revoked') return { result: 'LICENSE_REVOKED' };
  if (license.standing === 'suspended') return { result: 'LICENSE_SUSPENDED' };
  const { claims } = context.readIssued(license);
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
  const own = await transaction.findLease(license.name, nowSec);
  if (own?.isTakenOver === true && !own.isTold && request.act === 'lease') {
    // Told once; the next request stands in line as any other. The lease stays: that he heard of it is not known.
    await transaction.saveLease({ ...own, isTold: true });
    return { result: 'LICENSE_TAKEN_OVER' };
  }
  const seat = request.act === 'takeover' ? await findSeatToTake(transaction, asked, pool) : null;
  if (request.act === 'takeover' && seat === null) return { result: 'LICENSE_SEATS_TAKEN' };
  const taken = await transaction.countTaken(pool.id, license.name, nowSec);
  if (taken >= pool.seats + (seat === null ? 0 : 1)) return { result: 'LICENSE_SEATS_TAKEN' };
  if (seat !== null) await transaction.saveLease({ ...seat, isTakenOver: true, isTold: false });
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
    isTold: false,
  });
  return { result: 'OK', lease: { id, exp: nowSec + leaseSec } };
}

/**
 * The seat of another device of the same licensee; null when there is none to take. Who lost a seat may use it, without
 * contact, until his lease ends: while as many are left of such as there are seats, none is taken over again, or one seat
 * handed round would serve any number of devices at once.
 */
async function findSeatToTake(
  transaction: LicenseTransaction,
  { license, request, nowSec }: SeatAsked,
  { id, seats }: NonNullable<IssuedLicense['pool']>,
): Promise<Lease | null> {
  const seat = request.from === undefined ? null : await transaction.findSeat(id, request.from, nowSec);
  if (seat === null || seat.license === license.name) return null;
  if ((await transaction.countTakenOver(id, license.name, nowSec)) >= seats) return null;
  const holder = await transaction.findLicense(seat.license);
  return holder?.licensee === license.licensee ? seat : null;
}

async function releaseSeat(transaction: LicenseTransaction, { license, nowSec }: SeatAsked): Promise<Outcome> {
  const own = await transaction.findLease(license.name, nowSec);
  if (own !== null) await transaction.removeLease(own.id);
  return { result: 'OK' };
}

function drawLeaseId({ random }: Pick<VendorServices, 'random'>): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  return toHex(bytes);
}
