/** Certificates of endorsement keys: by these a maker says that a key is one of a genuine TPM (TCG EK Credential Profile). */
import type { KeyObject } from 'node:crypto';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { type Certificate, EXTENSION, readCertificate } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import type { Crl } from '../x509/crl.ts';

/** tcg-kp-EKCertificate. */
const EK_PURPOSE = '2.23.133.8.1';
/** keyEncipherment of an RSA key, keyAgreement of an elliptic one: it decrypts, and signs nothing. */
const KEY_USAGE = { rsa: 0x20, ec: 0x08 } as const;

/** Whose TPMs are believed. */
export interface EndorsementTrust {
  /** Certificates of makers, pinned by the owner: roots, and the authorities below them. */
  readonly authorities: readonly Certificate[];
  /** Lists of revoked certificates; authorities without one leave theirs unchecked. */
  readonly crls: readonly Crl[];
}

export interface VerifiedEndorsement {
  readonly publicKey: KeyObject;
  /** SHA-256 of the certificate and of the one that it leads to, lower-case hex. */
  readonly fingerprintHex: string;
  readonly rootFingerprintHex: string;
  readonly isRevocationChecked: boolean;
}

/**
 * Follows the certificate of an endorsement key to a pinned authority.
 * @param certificate.chain what the TPM has of the authorities; believed as far as it leads to a pinned one
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED and those of `verifyChain`; ATTEST_CERTIFICATE_ROLE for a certificate that
 *   is not of an endorsement key
 */
export function verifyEndorsement(
  certificate: { readonly der: Uint8Array; readonly chain: readonly Uint8Array[] },
  { authorities, crls }: EndorsementTrust,
  nowMs: number,
): VerifiedEndorsement {
  const own = readCertificate(certificate.der);
  assertEndorsementKey(own);
  const path = toPath(own, [...authorities, ...certificate.chain.map(readCertificate)]);
  const { root, isRevocationChecked } = verifyChain({
    ...{ chain: path, roots: authorities, nowMs, crls, purpose: EK_PURPOSE },
    signer: { keyUsage: toKeyUsage(own), understood: [EXTENSION.subjectAltName] },
  });
  const { publicKey, fingerprintHex } = own;
  return { publicKey, fingerprintHex, rootFingerprintHex: root.fingerprintHex, isRevocationChecked };
}

function assertEndorsementKey({ extendedKeyUsage, commonName, serialHex }: Certificate): void {
  if (extendedKeyUsage?.includes(EK_PURPOSE) === true) return;
  const fields = { subject: commonName.slice(0, 100), serialHex, wanted: EK_PURPOSE };
  throw new AttestError('ATTEST_CERTIFICATE_ROLE', { fields });
}

function toKeyUsage({ publicKey }: Certificate): number {
  return publicKey.asymmetricKeyType === 'rsa' ? KEY_USAGE.rsa : KEY_USAGE.ec;
}

/** The certificate, its issuer, and so on up: as far as there are certificates, or to one that issued itself. */
function toPath(own: Certificate, known: readonly Certificate[]): readonly Certificate[] {
  const path = [own];
  for (let last = own; path.length < ATTEST_LIMITS.chainCertificatesMax; ) {
    if (Buffer.compare(last.issuer, last.subject) === 0) break;
    const issuer = known.find(
      ({ subject, publicKey }) => Buffer.compare(subject, last.issuer) === 0 && last.isSignedBy(publicKey),
    );
    if (issuer === undefined) break;
    path.push(issuer);
    last = issuer;
  }
  return path;
}
