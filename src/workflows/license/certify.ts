/**
 * The vendor's half of an enrolment that is proven: a challenge for the TPM whose maker is believed, and his word when it was
 * answered (docs/spec/license.md section 1).
 */
import {
  type EndorsementTrust,
  readCertificate,
  readCollateral,
  readCrl,
  type VerifiedEndorsement,
  verifyEndorsement,
} from '../../attest/index.ts';
import { AttestError, type ErrorCode, LicenseError, ModelwardError } from '../../core/errors.ts';
import { toHex, utf8 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import {
  assertEndorsed,
  drawNonce,
  type Enrolment,
  parseEnrolment,
  readEndorsement,
  signCertified,
  signChallenge,
  toThumbprint,
  verifyResponse,
} from '../../license/index.ts';
import type { AnswerContext } from './answer.ts';

export interface CertifyContext extends AnswerContext {
  /** Whose TPMs are believed. */
  readonly makers: EndorsementTrust;
}

/**
 * Makers as their files name them: certificates, and lists of revoked ones, PEM or DER.
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED | ATTEST_COLLATERAL_MALFORMED; LicenseError LICENSE_EK_UNTRUSTED for none
 */
export function readMakers(files: readonly Uint8Array[]): EndorsementTrust {
  const { certificates, crls } = readCollateral(files);
  if (certificates.length === 0) throw new LicenseError('LICENSE_EK_UNTRUSTED', { fields: { authorities: 0 } });
  return { authorities: certificates.map(readCertificate), crls: crls.map(readCrl) };
}

/**
 * `license challenge`: asks the device of an enrolment to prove it, once its certificate was followed to a pinned maker.
 * @param bytes the enrolment
 * @param options.isFile carried by hand: it may be answered for 14 days
 * @returns compact JWS
 * @throws LicenseError LICENSE_ENROLMENT_MALFORMED | LICENSE_EK_MISSING | LICENSE_EK_UNTRUSTED | LICENSE_EK_EXPIRED |
 *   LICENSE_EK_REVOKED | LICENSE_EK_MISMATCH | LICENSE_DEVICE_KEY_WEAK; each is in the ledger
 */
export function challengeDevice(
  context: CertifyContext,
  bytes: Uint8Array,
  { isFile }: { readonly isFile: boolean },
): Promise<string> {
  return orRefuse(context, async () => {
    const { services, vendor, makers } = context;
    const enrolment = parseEnrolment(bytes);
    verifyEndorsed(enrolment, makers, services.clock.nowMs());
    const iatSec = Math.floor(services.clock.nowMs() / 1000);
    const expSec = iatSec + (isFile ? LICENSE_LIMITS.requestFileAgeSec : LICENSE_LIMITS.requestAgeSec);
    const question = { nonce: drawNonce(services.random), iatSec, expSec };
    const { signer, secretOf } = vendor;
    return signChallenge({ signer, enrolment, ...question, secretOf, random: services.random });
  });
}

export interface CertifyResult {
  /** The vendor's word, compact JWS. */
  readonly certified: string;
  readonly jkt: string;
  /** SHA-256 of the certificate of the TPM, and of the maker's that it leads to, hex. */
  readonly ek: string;
  readonly root: string;
  readonly isRevocationChecked: boolean;
  readonly leafIndex: number;
}

/**
 * `license certify`: takes the answer to a challenge, once. The entry in the ledger is durable before the vendor's word exists.
 * @param text compact JWS
 * @throws LicenseError of `verifyResponse` and {@link challengeDevice}; LICENSE_REQUEST_REPLAYED | LICENSE_REQUESTS_TOO_MANY
 */
export function certifyDevice(context: CertifyContext, text: string): Promise<CertifyResult> {
  return orRefuse(context, async () => {
    const { services, vendor, makers, store } = context;
    const nowSec = Math.floor(services.clock.nowMs() / 1000);
    const { secretOf, signer } = vendor;
    const { enrolment, nonce, exp } = verifyResponse(text, { secretOf, issuer: signer.issuer, nowSec });
    // Again: the question may have been asked days ago, under other makers.
    const endorsed = verifyEndorsed(enrolment, makers, services.clock.nowMs());
    const { fingerprintHex: ek, rootFingerprintHex: root, isRevocationChecked } = endorsed;
    return store.transact(async (transaction) => {
      const by = toThumbprint(enrolment.jwk);
      const use = await transaction.useNonce(nonce, { by, nowSec, untilSec: exp + LICENSE_LIMITS.serverSkewSec + 1 });
      if (use === 'used') throw new LicenseError('LICENSE_REQUEST_REPLAYED');
      if (use === 'full') throw new LicenseError('LICENSE_REQUESTS_TOO_MANY');
      const certified = await signCertified(signer, { iat: nowSec, enr: enrolment, ek, root, isRevocationChecked });
      const jkt = toThumbprint(enrolment.jwk);
      const leafIndex = await recordEnrolment(context, { certified, jkt, ek });
      return { certified, jkt, ek, root, isRevocationChecked, leafIndex };
    });
  });
}

async function recordEnrolment(
  { recorder }: CertifyContext,
  { certified, jkt, ek }: { readonly certified: string; readonly jkt: string; readonly ek: string },
): Promise<number> {
  const digests = { enrolment: toHex(sha256(utf8(certified))), endorsement: ek };
  const entry = { type: 'enrolment', actor: recorder.actor, subject: jkt, digests, detail: { device: jkt } } as const;
  const { firstIndex } = await recorder.record([entry]);
  return firstIndex;
}

/**
 * Follows the certificate to a pinned maker, and holds enrolment and certificate against each other.
 * @throws LicenseError as {@link challengeDevice}
 */
export function verifyEndorsed(enrolment: Enrolment, makers: EndorsementTrust, nowMs: number): VerifiedEndorsement {
  const { certificate: der, chain } = readEndorsement(enrolment);
  const endorsed = verifyMaker({ der, chain }, makers, nowMs);
  assertEndorsed(enrolment, endorsed.publicKey);
  return endorsed;
}

const REASONS: Readonly<Partial<Record<ErrorCode, ErrorCode>>> = {
  ATTEST_CERTIFICATE_EXPIRED: 'LICENSE_EK_EXPIRED',
  ATTEST_CERTIFICATE_EARLY: 'LICENSE_EK_EXPIRED',
  ATTEST_CERTIFICATE_REVOKED: 'LICENSE_EK_REVOKED',
};

function verifyMaker(
  certificate: Parameters<typeof verifyEndorsement>[0],
  makers: EndorsementTrust,
  nowMs: number,
): VerifiedEndorsement {
  try {
    return verifyEndorsement(certificate, makers, nowMs);
  } catch (cause) {
    if (!(cause instanceof AttestError)) throw cause;
    const fields = { reason: cause.code, ...cause.fields };
    throw new LicenseError(REASONS[cause.code] ?? 'LICENSE_EK_UNTRUSTED', { fields, cause });
  }
}

/** Refusals are counted in the ledger, as those of requests are. */
async function orRefuse<T>({ recorder }: CertifyContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ModelwardError) {
      await recorder.writer.refuse({ actor: recorder.actor, subject: 'license', cause: error.code });
    }
    throw error;
  }
}
