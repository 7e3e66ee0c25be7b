/**
 * Collateral of a DCAP quote: what Intel's provisioning service says about the platform, its quoting enclave, and
 * revoked certificates. TCB info and QE identity stay the texts that were signed.
 * @see Intel Provisioning Certification Service API v4; field names of `quote3`'s sgx_ql_qve_collateral_t
 */
import { z } from 'zod';
import { findHexBytes } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';

/** A JSON text of Intel's, its signature (r and s, 32 bytes each), and the chain of the signer as PEM. */
export interface SignedText {
  readonly text: string;
  readonly signature: Uint8Array;
  readonly chainPem: string;
}

export interface DcapCollateral {
  readonly tcbInfo: SignedText;
  readonly qeIdentity: SignedText;
  /** DER. */
  readonly rootCrl: Uint8Array;
  readonly pckCrl: Uint8Array;
  /** For quotes that carry none; null otherwise. */
  readonly pckChainPem: string | null;
}

const text = z.string().max(ATTEST_LIMITS.collateralBytesMax);
const hex = text.transform((value, context) => {
  const bytes = findHexBytes(value);
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: 'custom', message: 'not hex' });
  return z.NEVER;
});

const fileSchema = z.object({
  tcb_info_issuer_chain: text,
  tcb_info: text,
  tcb_info_signature: hex,
  qe_identity_issuer_chain: text,
  qe_identity: text,
  qe_identity_signature: hex,
  root_ca_crl: hex,
  pck_crl: hex,
  pck_certificate_chain: text.optional(),
});

/**
 * @param value parsed JSON with the fields of `sgx_ql_qve_collateral_t`; signatures and lists in hex
 * @throws AttestError ATTEST_COLLATERAL_MALFORMED (field `at`)
 */
export function toDcapCollateral(value: unknown): DcapCollateral {
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) refuseCollateral(parsed.error.issues.map(({ path }) => path.join('.')).join(', '));
  const { data } = parsed;
  return {
    tcbInfo: { text: data.tcb_info, signature: data.tcb_info_signature, chainPem: data.tcb_info_issuer_chain },
    qeIdentity: {
      text: data.qe_identity,
      signature: data.qe_identity_signature,
      chainPem: data.qe_identity_issuer_chain,
    },
    rootCrl: data.root_ca_crl,
    pckCrl: data.pck_crl,
    pckChainPem: data.pck_certificate_chain ?? null,
  };
}

export function refuseCollateral(at: string, cause?: unknown): never {
  throw new AttestError('ATTEST_COLLATERAL_MALFORMED', { fields: { at: at.slice(0, 200) }, cause });
}
