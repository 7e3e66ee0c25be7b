/** Policies under test, and the codes by which they refuse claims. */
import type { AttestationClaims } from '../../../src/attest/claims.ts';
import { POLICY_TYPE, readPolicy } from '../../../src/attest/policy/schema.ts';
import { validateClaims, type ValidateOptions } from '../../../src/attest/policy/validate.ts';
import { verifySnp } from '../../../src/attest/snp/verify.ts';
import { utf8 } from '../../../src/core/bytes.ts';
import { NOW_MS } from './dcap.ts';
import { createSnpLab, type ReportOptions, TCB } from './snp.ts';

export const DATA = new Uint8Array(32).fill(0xda);

export const toPolicy = (accept: object, rest: object = {}) =>
  readPolicy(utf8(JSON.stringify({ type: POLICY_TYPE, name: 'test', accept, ...rest })));

export function codesOf(
  claims: AttestationClaims,
  accept: object,
  options: Partial<ValidateOptions> & { readonly rest?: object } = {},
): string[] {
  const { rest, ...given } = options;
  const all = { claims, policy: toPolicy(accept, rest), nowMs: claims.verifiedForMs, reportData: DATA, ...given };
  return validateClaims(all).refusals.map(({ code }) => code);
}

export const snpLab = createSnpLab();

export const snpClaims = (report: ReportOptions = {}, crls = snpLab.makeCrls()) =>
  verifySnp(
    { ...snpLab.toEvidence(snpLab.makeReport({ reportData: DATA, ...report })), crls },
    { nowMs: NOW_MS, trust: snpLab.trust },
  );

export const { fmc, ...LEVELS } = TCB;

export const SNP = { measurements: ['AA'.repeat(48)], minimumTcb: { Milan: LEVELS } };

export const TDX = { mrTds: ['d7'.repeat(48)] };
