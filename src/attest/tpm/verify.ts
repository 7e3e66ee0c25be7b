/** Authenticity of a TPM quote: signed by the attestation key, over these PCR values. Who vouches for the key is said, too. */
import { constants, createHash, createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { concatBytes, isEqualConstantTime, toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { TpmClaims } from '../claims.ts';
import { type Certificate, readPemChain } from '../x509/certificate.ts';
import { type VerifiedChain, verifyChain } from '../x509/chain.ts';
import { readTpmQuote, readTpmSignature, type TpmQuote, type TpmSignature } from './quote.ts';

export interface TpmEvidence {
  readonly kind: 'tpm';
  /** TPMS_ATTEST, as `tpm2_quote --message` writes it. */
  readonly quote: Uint8Array;
  /** TPMT_SIGNATURE, as `tpm2_quote --signature` writes it. */
  readonly signature: Uint8Array;
  /** Attestation key: its certificate with those of its authorities, or the bare public key, as PEM. */
  readonly akPem: string;
  /** Values by "bank:number", such as "sha256:7". */
  readonly pcrs: Readonly<Record<string, Uint8Array>>;
}

export interface VerifyTpmOptions {
  readonly nowMs: number;
  /** Roots that certify attestation keys; none by default, and then the policy must list the key itself. */
  readonly roots?: readonly Certificate[];
}

/**
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED | ATTEST_SIGNATURE_INVALID |
 *   ATTEST_PCR_MISMATCH; with a certificate and roots, those of `verifyChain`
 * @see TCG TPM 2.0 Library, Part 3, TPM2_Quote
 */
export function verifyTpm(evidence: TpmEvidence, options: VerifyTpmOptions): TpmClaims {
  const { nowMs, roots = [] } = options;
  const quote = readTpmQuote(evidence.quote);
  const signature = readTpmSignature(evidence.signature);
  const { key, chain, isCertified } = readAttestationKey(evidence.akPem, roots, nowMs);
  assertSignature(evidence.quote, signature, key);
  const pcrs = assertPcrs(quote, signature.hash, evidence.pcrs);
  const spki = key.export({ type: 'spki', format: 'der' });
  return {
    kind: 'tpm',
    verifiedForMs: nowMs,
    evidenceDigestHex: createHash('sha256').update(evidence.quote).digest('hex'),
    ...{ reportDataHex: toHex(quote.extraData), nonceHex: toHex(quote.extraData) },
    isDebug: false,
    isRevocationChecked: chain?.isRevocationChecked ?? false,
    rootFingerprintHex: chain?.root.fingerprintHex ?? '',
    validUntilMs: chain?.notAfterMs ?? nowMs,
    measurements: pcrs,
    akFingerprintHex: createHash('sha256').update(spki).digest('hex'),
    isAkCertified: isCertified,
    firmwareVersionHex: quote.firmwareVersion.toString(16).padStart(16, '0'),
    clock: {
      clockMs: Number(quote.clockMs),
      resetCount: quote.resetCount,
      restartCount: quote.restartCount,
      isSafe: quote.isSafe,
    },
  };
}

/**
 * tcg-kp-AIKCertificate: the key is a TPM's own for attestation. Any other certificate of the same authority is for a key that may
 * sign whatever its owner likes, a made-up quote too.
 * @see TCG EK Credential Profile / Infrastructure Working Group, "AIK Certificate"; OIDs of TCG, tcg-kp (2.23.133.8)
 */
const AK_PURPOSE = '2.23.133.8.3';

/** With roots, a certificate must lead to one of them; without, or for another purpose, it is no more than the key in it. */
function readAttestationKey(
  pem: string,
  roots: readonly Certificate[],
  nowMs: number,
): { readonly key: KeyObject; readonly chain: VerifiedChain | null; readonly isCertified: boolean } {
  if (!pem.includes('BEGIN CERTIFICATE')) return { key: toPublicKey(pem), chain: null, isCertified: false };
  const certificates = readPemChain(pem);
  const chain = roots.length === 0 ? null : verifyChain({ chain: certificates, roots, nowMs, purpose: AK_PURPOSE });
  const [{ publicKey, extendedKeyUsage }] = certificates;
  const isCertified = chain !== null && extendedKeyUsage?.includes(AK_PURPOSE) === true;
  return { key: publicKey, chain, isCertified };
}

function toPublicKey(pem: string): KeyObject {
  try {
    // createPublicKey would also take a private key, and the evidence would hold one.
    if (pem.includes('PRIVATE KEY')) throw new TypeError('a private key');
    return createPublicKey(pem);
  } catch {
    throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'tpm', at: 'attestation key' } });
  }
}

function assertSignature(signed: Uint8Array, { scheme, hash, numbers }: TpmSignature, key: KeyObject): void {
  if (!isSignedWith(signed, { scheme, hash, numbers }, key)) {
    throw new AttestError('ATTEST_SIGNATURE_INVALID', { fields: { at: 'TPM quote' } });
  }
}

const CURVE_BYTES: Readonly<Record<string, number | undefined>> = { prime256v1: 32, secp384r1: 48, secp521r1: 66 };

function isSignedWith(signed: Uint8Array, { scheme, hash, numbers }: TpmSignature, key: KeyObject): boolean {
  try {
    if (scheme === 'ecdsa') {
      const width = CURVE_BYTES[key.asymmetricKeyDetails?.namedCurve ?? ''];
      if (width === undefined || numbers.some(({ length }) => length > width)) return false;
      const padded = numbers.map((number) => concatBytes(new Uint8Array(width - number.length), number));
      return verifySignature(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, concatBytes(...padded));
    }
    if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return false;
    const padding = scheme === 'rsapss' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
    // TPMs salt with as many bytes as the hash has, or with as many as fit (TPM 2.0 Part 1, B.7).
    const saltLength = scheme === 'rsapss' ? { saltLength: constants.RSA_PSS_SALTLEN_AUTO } : {};
    return verifySignature(hash, signed, { key, padding, ...saltLength }, numbers[0]);
  } catch {
    return false;
  }
}

/** The quoted digest is over the selected values in order; what was not quoted is no claim. */
function assertPcrs(
  { selected, pcrDigest }: TpmQuote,
  hash: TpmSignature['hash'],
  pcrs: Readonly<Record<string, Uint8Array | undefined>>,
): Record<string, string> {
  const digest = createHash(hash);
  const claims: Record<string, string> = {};
  for (const name of selected) {
    const value = Object.hasOwn(pcrs, name) ? pcrs[name] : undefined;
    const [bank] = name.split(':');
    if (value === undefined || value.length !== BANK_BYTES[bank])
      throw new AttestError('ATTEST_PCR_MISMATCH', { fields: { pcr: name } });
    digest.update(value);
    claims[name] = toHex(value);
  }
  if (!isEqualConstantTime(digest.digest(), pcrDigest))
    throw new AttestError('ATTEST_PCR_MISMATCH', { fields: { pcr: 'digest' } });
  return claims;
}

const BANK_BYTES: Readonly<Record<string, number | undefined>> = { sha256: 32, sha384: 48, sha512: 64 };
