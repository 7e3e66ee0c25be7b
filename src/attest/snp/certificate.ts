/**
 * What AMD states about a chip in the certificate of its key.
 * @see AMD VCEK Certificate and KDS Interface Specification (57230), table of custom extensions
 */
import { toHex } from '../../core/bytes.ts';
import { TAG } from '../../core/der.ts';
import { type Certificate } from '../x509/certificate.ts';
import { readDer, refuseCertificate } from '../x509/der.ts';
import { toComponents, type SnpComponent, type SnpTcb } from './tcb.ts';
import type { SnpProduct } from './trust.ts';

const BASE = '1.3.6.1.4.1.3704.1';
const PRODUCT = `${BASE}.2`;
const HWID = `${BASE}.4`;
const CSP = `${BASE}.5`;
const SPL: Readonly<Record<SnpComponent, string>> = {
  bootloader: `${BASE}.3.1`,
  tee: `${BASE}.3.2`,
  snp: `${BASE}.3.3`,
  microcode: `${BASE}.3.8`,
  fmc: `${BASE}.3.9`,
};

export interface SnpKeyCertificate {
  /** VCEK is of one chip, VLEK of one cloud provider. */
  readonly kind: 'vcek' | 'vlek';
  /** Product name with its stepping, such as "Milan-B0". */
  readonly productName: string;
  readonly tcb: SnpTcb;
  /** Identifier of the chip: 64 bytes, 8 on Turin; null in a VLEK. */
  readonly hardwareId: Uint8Array | null;
  /** Cloud provider of a VLEK; null in a VCEK. */
  readonly csp: string | null;
}

/**
 * The kind is told by what the certificate states (a chip or a provider), not by its name, and both or neither is refused.
 * @throws AttestError ATTEST_CERTIFICATE_MALFORMED
 */
export function readSnpKeyCertificate(certificate: Certificate, product: SnpProduct): SnpKeyCertificate {
  const { extensions } = certificate;
  const csp = extensions.get(CSP);
  const hwid = extensions.get(HWID);
  if (csp !== undefined && hwid !== undefined) refuseCertificate('chip and provider');
  return {
    kind: csp === undefined ? 'vcek' : 'vlek',
    productName: readText(certificate, PRODUCT),
    tcb: readTcb(certificate, product),
    hardwareId: hwid === undefined ? null : readHardwareId(hwid.value),
    csp: csp === undefined ? null : readText(certificate, CSP),
  };
}

function readTcb(certificate: Certificate, product: SnpProduct): SnpTcb {
  const levels = toComponents(product).map((name) => {
    const extension = certificate.extensions.get(SPL[name]) ?? refuseCertificate(SPL[name]);
    const { tag, body } = readDer(extension.value);
    // An INTEGER up to 255 takes one byte, or two with a leading zero.
    const isByte = body.length === 1 || (body.length === 2 && body[0] === 0);
    if (tag !== TAG.integer || !isByte) refuseCertificate(SPL[name]);
    return [name, body[body.length - 1]] as const;
  });
  return Object.fromEntries(levels) as unknown as SnpTcb;
}

function readText(certificate: Certificate, oid: string): string {
  const { tag, body } = readDer((certificate.extensions.get(oid) ?? refuseCertificate(oid)).value);
  if ((tag !== TAG.ia5 && tag !== TAG.utf8) || body.length > 256) refuseCertificate(oid);
  return Buffer.from(body).toString('latin1');
}

/** AMD writes the identifier bare; as an OCTET STRING it stands in some older certificates. */
function readHardwareId(value: Uint8Array): Uint8Array {
  const isWrapped = value.length === 66 && toHex(value.subarray(0, 2)) === '0440';
  const id = isWrapped ? value.subarray(2) : value;
  return id.length === 64 || id.length === 8 ? id : refuseCertificate(HWID);
}
