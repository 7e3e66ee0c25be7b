/**
 * Intel's quoting enclaves, as far as they never change: signer and product. What does change, the least version, stands in the
 * collateral alone.
 * @see Intel PCS API v4, "Get Quoting Enclave Identity" and "Get TD Quoting Enclave Identity": the fields `mrsigner` and
 *   `isvprodid` of the identities that Intel signed
 */
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { SgxBody } from './body.ts';
import type { DcapQuote } from './quote.ts';

export const INTEL_QE = {
  sgx: { mrSigner: '8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff', isvProdId: 1 },
  tdx: { mrSigner: 'dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5', isvProdId: 2 },
} as const;

const ATTRIBUTE_DEBUG = 0x02;

/** The memory of a debug enclave, and the key in it, lies open to the host. */
export function isDebugEnclave({ attributes }: SgxBody): boolean {
  return (attributes[0] & ATTRIBUTE_DEBUG) !== 0;
}

/**
 * A platform certifies every enclave that runs on it, its owner's included: only Intel's may vouch for quotes.
 * @throws AttestError ATTEST_QE_IDENTITY (field `at`)
 */
export function assertIntelQe({ body, qeReport }: DcapQuote): void {
  const { mrSigner, isvProdId } = INTEL_QE[body.kind];
  const checks: readonly (readonly [string, boolean])[] = [
    ['mrsigner', toHex(qeReport.mrSigner) === mrSigner],
    ['isvprodid', qeReport.isvProdId === isvProdId],
    ['debug', !isDebugEnclave(qeReport)],
  ];
  const failed = checks.find(([, holds]) => !holds);
  if (failed !== undefined) throw new AttestError('ATTEST_QE_IDENTITY', { fields: { at: failed[0] } });
}
