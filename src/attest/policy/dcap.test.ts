/** Policies for SGX and TDX: each rule refuses with its own code, and a good platform passes. */
import { describe, expect, test } from 'vitest';
import { createDcapLab, NOW_MS, type QuoteSpec } from '../../../test/fakes/attest/dcap.ts';
import { codesOf, DATA, TDX } from '../../../test/fakes/attest/policy.ts';
import type { AttestationClaims } from '../claims.ts';
import { verifyDcap, verifyDcapWithoutCollateral } from '../dcap/verify.ts';

const dcapLab = createDcapLab();

const dcapClaims = (quote: QuoteSpec = {}) => {
  const kind = quote.kind ?? 'tdx';
  const evidence = dcapLab.toEvidence(
    dcapLab.makeQuote({ reportData: DATA, ...quote }),
    dcapLab.makeCollateral({ kind }),
  );
  return verifyDcap(evidence, { nowMs: NOW_MS, root: dcapLab.root });
};

const SGX = { mrEnclaves: ['e1'.repeat(32)] };

const SIGNER = { mrSigner: '22'.repeat(32), isvProdId: 1, isvSvnMin: 7 };

describe('an SGX or TDX policy', () => {
  test('accepts what fulfils it', () => {
    const full = {
      ...TDX,
      rtMr0: ['a0'.repeat(48)],
      rtMr3: ['a3'.repeat(48)],
      mrSeams: ['5e'.repeat(48)],
      fmspcs: ['00906ED50000'],
    };
    expect(codesOf(dcapClaims(), { tdx: full })).toEqual([]);
    expect(codesOf(dcapClaims({ version: 5, isTdx15: true }), { tdx: TDX })).toEqual([]);
    expect(codesOf(dcapClaims({ kind: 'sgx' }), { sgx: { ...SGX, signers: [SIGNER] } })).toEqual([]);
    expect(
      codesOf(dcapClaims({ teeTcbSvn: [3, 1, 3] }), { tdx: { ...TDX, tcbStatuses: ['UpToDate', 'OutOfDate'] } }),
    ).toEqual([]);
  });

  test.each<[string, string, AttestationClaims, object]>([
    ['SGX where TDX is accepted', 'ATTEST_POLICY_KIND', dcapClaims({ kind: 'sgx' }), { tdx: TDX }],
    ['tdx_debug_enabled', 'ATTEST_POLICY_DEBUG', dcapClaims({ attributes: '0100001000000000' }), { tdx: TDX }],
    [
      'sgx_debug_enabled',
      'ATTEST_POLICY_DEBUG',
      dcapClaims({ kind: 'sgx', attributes: '07000000000000000700000000000000' }),
      { sgx: SGX },
    ],
    ['sept_ve_enabled', 'ATTEST_POLICY_GUEST', dcapClaims({ attributes: '0000000000000000' }), { tdx: TDX }],
    [
      'service_td',
      'ATTEST_POLICY_MEASUREMENT',
      dcapClaims({ version: 5, isTdx15: true, mrServiceTd: '01'.repeat(48) }),
      { tdx: TDX },
    ],
    ['mr_td', 'ATTEST_POLICY_MEASUREMENT', dcapClaims(), { tdx: { mrTds: ['d8'.repeat(48)] } }],
    ['rt_mr', 'ATTEST_POLICY_MEASUREMENT', dcapClaims(), { tdx: { ...TDX, rtMr2: ['00'.repeat(48)] } }],
    ['mr_config_id', 'ATTEST_POLICY_MEASUREMENT', dcapClaims(), { tdx: { ...TDX, mrConfigIds: ['01'.repeat(48)] } }],
    ['mr_owner', 'ATTEST_POLICY_MEASUREMENT', dcapClaims(), { tdx: { ...TDX, mrOwners: ['01'.repeat(48)] } }],
    ['migratable TD', 'ATTEST_POLICY_GUEST', dcapClaims({ attributes: '0000003000000000' }), { tdx: TDX }],
    [
      'migratable TD whose quote carries no service TD, though one is listed',
      'ATTEST_POLICY_GUEST',
      dcapClaims({ attributes: '0000003000000000' }),
      { tdx: { ...TDX, mrServiceTds: ['01'.repeat(48), '00'.repeat(48)] } },
    ],
    [
      'migratable TD without a service TD yet, though that is listed',
      'ATTEST_POLICY_GUEST',
      dcapClaims({ version: 5, isTdx15: true, attributes: '0000003000000000' }),
      { tdx: { ...TDX, mrServiceTds: ['00'.repeat(48)] } },
    ],
    ['performance counters', 'ATTEST_POLICY_GUEST', dcapClaims({ attributes: '0000001000000080' }), { tdx: TDX }],
    [
      'mr_enclave',
      'ATTEST_POLICY_MEASUREMENT',
      dcapClaims({ kind: 'sgx' }),
      { sgx: { mrEnclaves: ['e2'.repeat(32)] } },
    ],
    [
      'mr_signer',
      'ATTEST_POLICY_MEASUREMENT',
      dcapClaims({ kind: 'sgx' }),
      { sgx: { signers: [{ ...SIGNER, mrSigner: '23'.repeat(32) }] } },
    ],
    [
      'product of the signer',
      'ATTEST_POLICY_MEASUREMENT',
      dcapClaims({ kind: 'sgx' }),
      { sgx: { signers: [{ ...SIGNER, isvProdId: 2 }] } },
    ],
    [
      'version of the enclave',
      'ATTEST_POLICY_SVN',
      dcapClaims({ kind: 'sgx', isvSvn: 6 }),
      { sgx: { signers: [SIGNER] } },
    ],
    ['out of date', 'ATTEST_POLICY_TCB_STATUS', dcapClaims({ qeIsvSvn: 6 }), { tdx: TDX }],
    [
      'revoked_platform_tcb',
      'ATTEST_POLICY_TCB_STATUS',
      dcapClaims({ qeIsvSvn: 5 }),
      { tdx: { ...TDX, tcbStatuses: ['UpToDate', 'OutOfDate'] } },
    ],
    [
      'advisory',
      'ATTEST_POLICY_ADVISORY',
      dcapClaims({ qeIsvSvn: 6 }),
      { tdx: { ...TDX, tcbStatuses: ['OutOfDate'], advisories: ['INTEL-SA-00615'] } },
    ],
    ['older evaluation', 'ATTEST_POLICY_EVALUATION', dcapClaims(), { tdx: { ...TDX, evaluationNumberMin: 18 } }],
    ['platform id', 'ATTEST_POLICY_CHIP', dcapClaims(), { tdx: { ...TDX, ppids: ['00'.repeat(16)] } }],
  ])('refuses %s: %s', (_name, code, claims, accept) => {
    expect(codesOf(claims, accept)).toEqual([code]);
  });

  test('accepts a migratable TD with a service TD that is listed, open counters by name, and PKS and KL', () => {
    const mrServiceTd = '01'.repeat(48);
    const migratable = dcapClaims({ version: 5, isTdx15: true, attributes: '0000003000000000', mrServiceTd });
    expect(codesOf(migratable, { tdx: { ...TDX, mrServiceTds: [mrServiceTd] } })).toEqual([]);
    const counted = dcapClaims({ attributes: '0000001000000080' });
    expect(codesOf(counted, { tdx: { ...TDX, allowPerfMon: true } })).toEqual([]);
    expect(codesOf(dcapClaims({ attributes: '000000d000000000' }), { tdx: TDX })).toEqual([]);
  });

  test('refuses a quote that was verified without collateral, unless it allows an unknown TCB', () => {
    const quote = dcapLab.makeQuote({ reportData: DATA });
    const claims = verifyDcapWithoutCollateral({ quote }, { nowMs: NOW_MS, root: dcapLab.root });
    expect(codesOf(claims, { tdx: TDX })).toEqual(['ATTEST_POLICY_TCB_UNKNOWN']);
    expect(codesOf(claims, { tdx: { ...TDX, allowUnknownTcb: true } })).toEqual([]);
  });

  test('refuses collateral that is older than allowed', () => {
    const tenDays = 10 * 86_400;
    expect(codesOf(dcapClaims(), { tdx: TDX }, { rest: { collateralAgeMaxSeconds: tenDays } })).toEqual([
      'ATTEST_POLICY_COLLATERAL_AGE',
    ]);
    expect(codesOf(dcapClaims(), { tdx: TDX }, { rest: { collateralAgeMaxSeconds: tenDays + 86_400 } })).toEqual([]);
  });
});
