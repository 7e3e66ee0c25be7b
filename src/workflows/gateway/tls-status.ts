/** "tls status": until when the certificates of a file hold. */
import { X509Certificate } from 'node:crypto';
import { TlsError } from '../../core/errors.ts';
import { TLS_LIMITS } from '../../core/limits/tls.ts';
import type { Services } from '../services.ts';

export interface CertificateStatus {
  readonly subject: string;
  readonly issuer: string;
  /** As OpenSSL writes them; '' when there are none. */
  readonly names: string;
  readonly isAuthority: boolean;
  /** RFC 3339. */
  readonly notBefore: string;
  readonly notAfter: string;
  /** Whole days until it ends; negative when it has ended. */
  readonly daysLeft: number;
  readonly sha256Hex: string;
  readonly state: 'valid' | 'renew' | 'expired' | 'not-yet-valid';
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const DAY_MS = 86_400_000;

/** In the order of the file. @throws TlsError TLS_CERTIFICATE_MALFORMED; SourceError for a file that cannot be read */
export function readTlsStatus(
  { storage, clock }: Pick<Services, 'storage' | 'clock'>,
  path: string,
): CertificateStatus[] {
  const bytes = storage.read(path);
  const texts =
    bytes.length > TLS_LIMITS.fileBytesMax ? [] : (Buffer.from(bytes).toString('latin1').match(PEM_CERTIFICATE) ?? []);
  if (texts.length === 0) throw new TlsError('TLS_CERTIFICATE_MALFORMED');
  return texts.map((text) => toStatus(parse(text), clock.nowMs()));
}

function parse(text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new TlsError('TLS_CERTIFICATE_MALFORMED');
  }
}

function toStatus(certificate: X509Certificate, nowMs: number): CertificateStatus {
  const [notBeforeMs, notAfterMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const daysLeft = Math.floor((notAfterMs - nowMs) / DAY_MS);
  const isNear = daysLeft < TLS_LIMITS.renewWithinDays;
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    names: certificate.subjectAltName ?? '',
    isAuthority: certificate.ca,
    notBefore: new Date(notBeforeMs).toISOString(),
    notAfter: new Date(notAfterMs).toISOString(),
    daysLeft,
    sha256Hex: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    state: nowMs < notBeforeMs ? 'not-yet-valid' : nowMs >= notAfterMs ? 'expired' : isNear ? 'renew' : 'valid',
  };
}
