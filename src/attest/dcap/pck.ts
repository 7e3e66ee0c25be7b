/**
 * What Intel states about a platform in its PCK certificate.
 * @see Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, 1.4
 */
import { toHex } from '../../core/bytes.ts';
import { type DerElement, TAG, toIntegerHex } from '../../core/der.ts';
import { type Certificate, readPemChain } from '../x509/certificate.ts';
import { openFields, readDer, refuseCertificate, toChildren, toOidText } from '../x509/der.ts';
import { AttestError } from '../../core/errors.ts';
import type { DcapQuote } from './quote.ts';

const SGX = '1.2.840.113741.1.13.1';
const TCB_COMPONENTS = 16;

export interface PckPlatform {
  readonly ppidHex: string;
  readonly fmspcHex: string;
  readonly pceIdHex: string;
  /** Sixteen security versions, 0..255. */
  readonly componentSvns: readonly number[];
  readonly pceSvn: number;
}

/** @throws AttestError ATTEST_CERTIFICATE_MALFORMED, also for a certificate that is none of a platform */
export function readPckPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.get(SGX) ?? refuseCertificate('no SGX extension');
  const parts = toParts(readDer(extension.value));
  const tcb = toParts(takePart(parts, `${SGX}.2`, TAG.sequence));
  const toSvn = (number: number, max: number): number => {
    const svn = Number.parseInt(toIntegerHex(takePart(tcb, `${SGX}.2.${number}`, TAG.integer)), 16);
    return svn <= max ? svn : refuseCertificate(`${SGX}.2.${number}`);
  };
  return {
    ppidHex: toOctets(parts, `${SGX}.1`, 16),
    fmspcHex: toOctets(parts, `${SGX}.4`, 6),
    pceIdHex: toOctets(parts, `${SGX}.3`, 2),
    componentSvns: Array.from({ length: TCB_COMPONENTS }, (_, at) => toSvn(at + 1, 0xff)),
    pceSvn: toSvn(TCB_COMPONENTS + 1, 0xffff),
  };
}

export function hasPckPlatform({ extensions }: Certificate): boolean {
  return extensions.has(SGX);
}

/** A SEQUENCE of pairs of OID and value. */
function toParts(list: DerElement): Map<string, DerElement> {
  const parts = new Map<string, DerElement>();
  for (const pair of toChildren(list)) {
    const fields = openFields(pair);
    const oid = toOidText(fields.take(TAG.oid));
    const [value, ...more] = fields.rest();
    if (more.length > 0 || parts.has(oid)) refuseCertificate(oid);
    parts.set(oid, value);
  }
  return parts;
}

function takePart(parts: ReadonlyMap<string, DerElement | undefined>, oid: string, tag: number): DerElement {
  const part = parts.get(oid);
  return part?.tag === tag ? part : refuseCertificate(oid);
}

function toOctets(parts: ReadonlyMap<string, DerElement>, oid: string, lengthBytes: number): string {
  const { body } = takePart(parts, oid, TAG.octets);
  return body.length === lengthBytes ? toHex(body) : refuseCertificate(oid);
}

/** PCK certificate and its authority, at least, as the quote carries them. @throws AttestError ATTEST_CERTIFICATE_MISSING */
export function toPckChain({ pckChainPem }: DcapQuote): readonly [Certificate, Certificate, ...Certificate[]] {
  const chain = pckChainPem === null ? [] : readPemChain(pckChainPem);
  if (chain.length < 2) throw new AttestError('ATTEST_CERTIFICATE_MISSING', { fields: { kind: 'dcap' } });
  const [pck, authority, ...rest] = chain;
  return [pck, authority, ...rest];
}
