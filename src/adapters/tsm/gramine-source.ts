/**
 * Evidence of an SGX enclave under Gramine: what is to be bound is written to one pseudo-file, and the quote read from another.
 * The files belong to this enclave alone, but to the whole of it: the quote is looked at, since another thread could have written.
 * @see Gramine, "Attestation and Secret Provisioning", /dev/attestation
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { CollectedReport, ReportSource } from '../../attest/ports.ts';
import { toHex } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { nodeTsmFiles, type TsmFiles } from './files.ts';

const GRAMINE_ROOT = '/dev/attestation';
/** Report data in an SGX quote: behind a header of 48 bytes, at 320 of the report body (SGX DCAP, sgx_quote3_t). */
const REPORT_DATA_AT = 48 + 320;

/** Whether this process runs under Gramine with its attestation files. */
export function isGramine(root = GRAMINE_ROOT): boolean {
  return statSync(join(root, 'attestation_type'), { throwIfNoEntry: false }) !== undefined;
}

/** @throws TypeError from `collect` for report data that is not 1 to 64 bytes, or a privilege level, which SGX has not */
export function createGramineSource(
  options: { readonly root?: string; readonly files?: Pick<TsmFiles, 'read' | 'write'> } = {},
): ReportSource {
  const { root = GRAMINE_ROOT, files = nodeTsmFiles } = options;
  return {
    collect: ({ reportData, privilegeLevel }) => {
      const { length } = reportData;
      if (length === 0 || length > ATTEST_LIMITS.reportDataBytes) throw new TypeError('report data has 1 to 64 bytes');
      if (privilegeLevel !== undefined) throw new AttestError('ATTEST_ENCLAVE_REFUSED', { fields: { at: 'vmpl' } });
      const asked = new Uint8Array(ATTEST_LIMITS.reportDataBytes);
      asked.set(reportData);
      return readQuote(files, root, asked);
    },
  };
}

function readQuote(files: Pick<TsmFiles, 'read' | 'write'>, root: string, asked: Uint8Array): CollectedReport {
  const kind = attempt('attestation_type', () => files.read(join(root, 'attestation_type')));
  const kindText = Buffer.from(kind).toString('latin1').trim().slice(0, 16);
  // "none" is an enclave whose manifest asks for no attestation; EPID quotes have no verifier any more.
  if (kindText !== 'dcap')
    throw new AttestError('ATTEST_ENCLAVE_REFUSED', { fields: { at: 'attestation_type', kindText } });
  attempt('user_report_data', () => {
    files.write(join(root, 'user_report_data'), asked);
  });
  const quote = attempt('quote', () => files.read(join(root, 'quote')));
  const stated = quote.subarray(REPORT_DATA_AT, REPORT_DATA_AT + asked.length);
  if (toHex(stated) !== toHex(asked)) throw new AttestError('ATTEST_TSM_INTERFERED', { fields: { at: 'quote' } });
  return { provider: 'sgx_enclave', outblob: quote, auxblob: new Uint8Array() };
}

function attempt<T>(at: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const system = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new AttestError('ATTEST_ENCLAVE_REFUSED', { fields: { at, system }, cause });
  }
}
