/** Policies for SEV-SNP: each rule refuses with its own code, and a good platform passes. */
import { describe, expect, test } from 'vitest';
import { NOW_MS } from '../../../test/fakes/attest/dcap.ts';
import { codesOf, DATA, fmc, LEVELS, SNP, snpClaims, snpLab } from '../../../test/fakes/attest/policy.ts';
import { createSnpLab, TCB } from '../../../test/fakes/attest/snp.ts';
import type { AttestationClaims } from '../claims.ts';
import { verifySnp } from '../snp/verify.ts';

const turin = createSnpLab('Turin');

const vlekClaims = () => {
  const report = snpLab.makeReport({ reportData: DATA, signer: snpLab.vlek, signingKey: 1 });
  const evidence = { ...snpLab.toEvidence(report, snpLab.vlek), crls: snpLab.makeCrls() };
  return verifySnp(evidence, { nowMs: NOW_MS, trust: snpLab.trust });
};

describe('a SEV-SNP policy', () => {
  test('accepts what fulfils it', () => {
    expect(codesOf(snpClaims(), { snp: SNP })).toEqual([]);
    const vlek = { snp: { ...SNP, signingKeys: ['vlek'], providers: ['CN=cc.example.com'] } };
    expect(codesOf(vlekClaims(), vlek)).toEqual([]);
    const report = turin.makeReport({ reportData: DATA });
    const claims = verifySnp(
      { ...turin.toEvidence(report), crls: turin.makeCrls() },
      { nowMs: NOW_MS, trust: turin.trust },
    );
    expect(codesOf(claims, { snp: { ...SNP, minimumTcb: { Turin: { fmc, ...LEVELS } } } })).toEqual([]);
    expect(codesOf(claims, { snp: { ...SNP, minimumTcb: { Turin: { fmc: fmc + 1, ...LEVELS } } } })).toEqual([
      'ATTEST_POLICY_TCB_MINIMUM',
    ]);
  });

  test.each<[string, string, AttestationClaims, object]>([
    ['kind', 'ATTEST_POLICY_KIND', snpClaims(), { nitro: { pcrs: { 0: ['00'.repeat(48)] } } }],
    ['debug', 'ATTEST_POLICY_DEBUG', snpClaims({ policy: 0xb_0000n }), { snp: SNP }],
    ['vmpl', 'ATTEST_POLICY_VMPL', snpClaims({ vmpl: 1 }), { snp: SNP }],
    ['report asked for by the host', 'ATTEST_POLICY_VMPL', snpClaims({ vmpl: 0xffff_ffff }), { snp: SNP }],
    ['measurement', 'ATTEST_POLICY_MEASUREMENT', snpClaims({ measurement: new Uint8Array(48) }), { snp: SNP }],
    ['host data', 'ATTEST_POLICY_MEASUREMENT', snpClaims(), { snp: { ...SNP, hostData: ['11'.repeat(32)] } }],
    ['identity key', 'ATTEST_POLICY_MEASUREMENT', snpClaims(), { snp: { ...SNP, idKeyDigests: ['11'.repeat(48)] } }],
    ['author key', 'ATTEST_POLICY_MEASUREMENT', snpClaims(), { snp: { ...SNP, authorKeyDigests: ['11'.repeat(48)] } }],
    ['VLEK where VCEK is demanded', 'ATTEST_POLICY_SIGNING_KEY', vlekClaims(), { snp: SNP }],
    [
      'VLEK of another provider',
      'ATTEST_POLICY_SIGNING_KEY',
      vlekClaims(),
      { snp: { ...SNP, signingKeys: ['vlek'], providers: ['CN=other'] } },
    ],
    // microsoft/CCF#6812: the least SNP version after AMD-SB-3019 is the policy's to know.
    [
      'TCB below the minimum',
      'ATTEST_POLICY_TCB_MINIMUM',
      snpClaims(),
      { snp: { ...SNP, minimumTcb: { Milan: { ...LEVELS, snp: TCB.snp + 1 } } } },
    ],
    [
      'product without a minimum',
      'ATTEST_POLICY_PRODUCT',
      snpClaims(),
      { snp: { ...SNP, minimumTcb: { Genoa: LEVELS } } },
    ],
    ['chip', 'ATTEST_POLICY_CHIP', snpClaims(), { snp: { ...SNP, chipIds: ['00'.repeat(64)] } }],
    ['guest version', 'ATTEST_POLICY_SVN', snpClaims(), { snp: { ...SNP, guestSvnMin: 1 } }],
    ['migration agent', 'ATTEST_POLICY_GUEST', snpClaims({ policy: 0x7_0000n }), { snp: SNP }],
    ['simultaneous threads', 'ATTEST_POLICY_GUEST', snpClaims(), { snp: { ...SNP, allowSmt: false } }],
    ['revocation not checked', 'ATTEST_POLICY_REVOCATION', snpClaims({}, []), { snp: SNP }],
  ])('refuses %s: %s', (_name, code, claims, accept) => {
    expect(codesOf(claims, accept)).toEqual([code]);
  });

  test('the reported TCB is judged: a current one that is higher does not help', () => {
    const claims = snpClaims({ currentLevels: { ...TCB, microcode: 255 } });
    const accept = { snp: { ...SNP, minimumTcb: { Milan: { ...LEVELS, microcode: TCB.microcode + 1 } } } };
    expect(codesOf(claims, accept)).toEqual(['ATTEST_POLICY_TCB_MINIMUM']);
  });

  test('all reasons are told, not only the first', () => {
    const claims = snpClaims({ policy: 0xb_0000n, vmpl: 2 }, []);
    expect(codesOf(claims, { snp: SNP })).toEqual([
      'ATTEST_POLICY_DEBUG',
      'ATTEST_POLICY_VMPL',
      'ATTEST_POLICY_REVOCATION',
    ]);
  });

  test('what is allowed by name is accepted', () => {
    const claims = snpClaims({ policy: 0xf_0000n, vmpl: 1 }, []);
    const accept = {
      snp: { ...SNP, allowDebug: true, allowMigrationAgent: true, vmpls: [0, 1], revocation: 'optional' },
    };
    expect(codesOf(claims, accept)).toEqual([]);
  });
});
