/** DER as certificates and revocation lists are refused here; times and names of RFC 5280. */
import { createDerReader, type DerElement, TAG } from '../../core/der.ts';
import { AttestError } from '../../core/errors.ts';

export function refuseCertificate(at: string): never {
  throw new AttestError('ATTEST_CERTIFICATE_MALFORMED', { fields: { at } });
}

/** Each refuses with AttestError ATTEST_CERTIFICATE_MALFORMED. */
export const { readDer, toChildren, openFields, openOnly, toOidText } = createDerReader(refuseCertificate);

/**
 * Milliseconds of a UTCTime or GeneralizedTime in the one form of RFC 5280 4.1.2.5: UTC, seconds, no fraction.
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED
 */
export function toTimeMs(element: DerElement): number {
  const text = Buffer.from(element.body).toString('latin1');
  const isLong = element.tag === TAG.generalizedTime;
  if (!isLong && element.tag !== TAG.utcTime) refuseCertificate('time');
  const match = (isLong ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  );
  if (match === null) refuseCertificate('time');
  const [, yearText, month, day, hour, minute, second] = match;
  // Two digits mean 1950..2049.
  const year = isLong ? yearText : `${Number(yearText) < 50 ? '20' : '19'}${yearText}`;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(`${iso}Z`);
  // Date.parse takes 31 February for 3 March; what does not come back is no date.
  if (!Number.isFinite(ms) || !new Date(ms).toISOString().startsWith(iso)) refuseCertificate('time');
  return ms;
}

/** Content of a BIT STRING of whole bytes. @throws AttestError ATTEST_CERTIFICATE_MALFORMED */
export function toBitBytes(element: DerElement): Uint8Array {
  if (element.tag !== TAG.bits || element.body.length < 1 || element.body[0] !== 0) refuseCertificate('bit string');
  return element.body.subarray(1);
}
