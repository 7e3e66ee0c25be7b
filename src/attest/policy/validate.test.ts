/** Policies: each rule refuses with its own code, and a good platform passes; malformed policies are refused by field. */
import { describe, expect, test } from 'vitest';
import { createDcapLab, NOW_MS, type QuoteSpec } from '../../../test/fakes/attest/dcap.ts';
import { createNitroLab, NOW_MS as NITRO_MS } from '../../../test/fakes/attest/nitro.ts';
import { createSnpLab, type ReportOptions, TCB } from '../../../test/fakes/attest/snp.ts';
import { makeTpmQuote, PCRS, signTpm, toAkPem } from '../../../test/fakes/attest/tpm.ts';
import { makeP256 } from '../../../test/fakes/attest/x509.ts';
import { codeOf } from '../../../test/error-code.ts';
import { utf8 } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { AttestationClaims } from '../claims.ts';
import { verifyDcap, verifyDcapWithoutCollateral } from '../dcap/verify.ts';
import { verifyNitro } from '../nitro/verify.ts';
import { verifySnp } from '../snp/verify.ts';
import { verifyTpm } from '../tpm/verify.ts';
import { POLICY_TYPE, readPolicy } from './schema.ts';
import { assertAccepted, validateClaims, type ValidateOptions } from './validate.ts';

const DATA = new Uint8Array(32).fill(0xda);
const toPolicy = (accept: object, rest: object = {}) =>
  readPolicy(utf8(JSON.stringify({ type: POLICY_TYPE, name: 'test', accept, ...rest })));

function codesOf(
  claims: AttestationClaims,
  accept: object,
  options: Partial<ValidateOptions> & { readonly rest?: object } = {},
): string[] {
  const { rest, ...given } = options;
  const all = { claims, policy: toPolicy(accept, rest), nowMs: claims.verifiedForMs, reportData: DATA, ...given };
  return validateClaims(all).refusals.map(({ code }) => code);
}

const snpLab = createSnpLab();
const turin = createSnpLab('Turin');
const snpClaims = (report: ReportOptions = {}, crls = snpLab.makeCrls()) =>
  verifySnp(
    { ...snpLab.toEvidence(snpLab.makeReport({ reportData: DATA, ...report })), crls },
    { nowMs: NOW_MS, trust: snpLab.trust },
  );
const vlekClaims = () => {
  const report = snpLab.makeReport({ reportData: DATA, signer: snpLab.vlek, signingKey: 1 });
  const evidence = { ...snpLab.toEvidence(report, snpLab.vlek), crls: snpLab.makeCrls() };
  return verifySnp(evidence, { nowMs: NOW_MS, trust: snpLab.trust });
};
const { fmc, ...LEVELS } = TCB;
const SNP = { measurements: ['AA'.repeat(48)], minimumTcb: { Milan: LEVELS } };

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

const dcapLab = createDcapLab();
const dcapClaims = (quote: QuoteSpec = {}) => {
  const kind = quote.kind ?? 'tdx';
  const evidence = dcapLab.toEvidence(
    dcapLab.makeQuote({ reportData: DATA, ...quote }),
    dcapLab.makeCollateral({ kind }),
  );
  return verifyDcap(evidence, { nowMs: NOW_MS, root: dcapLab.root });
};
const TDX = { mrTds: ['d7'.repeat(48)] };
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

const nitroLab = createNitroLab();
const NONCE = new Uint8Array(16).fill(0x0c);
const nitroClaims = (fields: object = {}) =>
  verifyNitro(
    { kind: 'nitro', document: nitroLab.makeDocument({ fields: { user_data: DATA, nonce: NONCE, ...fields } }) },
    { nowMs: NITRO_MS, root: nitroLab.root },
  );
const NITRO = { pcrs: { 0: ['a0'.repeat(48), 'a1'.repeat(48)] } };

describe('a Nitro policy', () => {
  test('accepts what fulfils it, with user data and nonce each compared with its own field', () => {
    expect(codesOf(nitroClaims(), { nitro: NITRO }, { nonce: NONCE })).toEqual([]);
  });

  test.each<[string, string[], AttestationClaims, object]>([
    ['PCR', ['ATTEST_POLICY_MEASUREMENT'], nitroClaims(), { pcrs: { 0: ['a1'.repeat(48)] } }],
    ['PCR that is not there', ['ATTEST_POLICY_MEASUREMENT'], nitroClaims(), { pcrs: { 8: ['00'.repeat(48)] } }],
    ['module', ['ATTEST_POLICY_CHIP'], nitroClaims(), { ...NITRO, moduleIds: ['i-2'] }],
    [
      'debug enclave',
      ['ATTEST_POLICY_DEBUG'],
      nitroClaims({ pcrs: new Map([[0, new Uint8Array(48)]]) }),
      { pcrs: { 0: ['00'.repeat(48)] } },
    ],
    ['document of long ago', ['ATTEST_POLICY_PAST'], nitroClaims({ timestamp: NITRO_MS - 301_000 }), NITRO],
    [
      'document older than the policy says',
      ['ATTEST_POLICY_PAST'],
      nitroClaims({ timestamp: NITRO_MS - 61_000 }),
      { ...NITRO, documentAgeMaxSeconds: 60 },
    ],
    ['document of the future', ['ATTEST_POLICY_PAST'], nitroClaims({ timestamp: NITRO_MS + 301_000 }), NITRO],
    ['nonce', ['ATTEST_POLICY_NONCE'], nitroClaims({ nonce: new Uint8Array(16) }), NITRO],
    ['nonce that is not there', ['ATTEST_POLICY_NONCE'], nitroClaims({ nonce: null }), NITRO],
    ['user data', ['ATTEST_POLICY_REPORT_DATA'], nitroClaims({ user_data: new Uint8Array(32) }), NITRO],
  ])('refuses %s: %s', (_name, codes, claims, nitro) => {
    expect(codesOf(claims, { nitro }, { nonce: NONCE })).toEqual(codes);
  });
});

describe('a TPM policy', () => {
  const key = makeP256();
  const quote = makeTpmQuote({ extraData: DATA });
  const claims = verifyTpm(
    { kind: 'tpm', quote, signature: signTpm(quote, key, 'ecdsa'), akPem: toAkPem(key), pcrs: PCRS },
    { nowMs: NOW_MS },
  );
  const pcrs = { 'sha256:7': ['17'.repeat(32)] };

  test('accepts a listed key, and refuses one that is neither listed nor certified', () => {
    expect(codesOf(claims, { tpm: { pcrs, akFingerprints: [claims.akFingerprintHex] } })).toEqual([]);
    expect(codesOf(claims, { tpm: { pcrs, akFingerprints: ['00'.repeat(32)] } })).toEqual(['ATTEST_POLICY_AK']);
    expect(codesOf(claims, { tpm: { pcrs, allowCertifiedAk: true } })).toEqual(['ATTEST_POLICY_AK']);
    expect(codesOf({ ...claims, isAkCertified: true }, { tpm: { pcrs, allowCertifiedAk: true } })).toEqual([]);
  });

  test('refuses a PCR', () => {
    const accept = { tpm: { pcrs: { 'sha256:7': ['18'.repeat(32)] }, akFingerprints: [claims.akFingerprintHex] } };
    expect(codesOf(claims, accept)).toEqual(['ATTEST_POLICY_MEASUREMENT']);
  });
});

describe('what the evidence is bound to', () => {
  const claims = snpClaims();
  const policy = toPolicy({ snp: SNP });

  test('must be given, unless the policy says otherwise', () => {
    const options = { claims, policy, nowMs: NOW_MS };
    expect(validateClaims(options).refusals.map(({ code }) => code)).toEqual(['ATTEST_POLICY_UNBOUND']);
    const open = toPolicy({ snp: SNP }, { binding: 'optional' });
    expect(validateClaims({ ...options, policy: open }).isAccepted).toBe(true);
  });

  test('is compared whole: a prefix, or something after it, is another one', () => {
    expect(codesOf(claims, { snp: SNP }, { reportData: DATA.subarray(1) })).toEqual(['ATTEST_POLICY_REPORT_DATA']);
    expect(codesOf(claims, { snp: SNP }, { reportData: new Uint8Array(33).fill(0xda) })).toEqual([
      'ATTEST_POLICY_REPORT_DATA',
    ]);
    expect(codesOf(claims, { snp: SNP }, { reportData: new Uint8Array(64) })).toEqual(['ATTEST_POLICY_REPORT_DATA']);
    expect(codesOf(claims, { snp: SNP }, { nonce: DATA })).toEqual([]);
    expect(codesOf(claims, { snp: SNP }, { nonce: NONCE })).toEqual(['ATTEST_POLICY_NONCE']);
  });

  test('has bounds that a caller has to keep', () => {
    expect(() => validateClaims({ claims, policy, nowMs: NOW_MS, nonce: new Uint8Array(15) })).toThrow(TypeError);
    expect(() => validateClaims({ claims, policy, nowMs: NOW_MS, reportData: new Uint8Array(65) })).toThrow(TypeError);
    expect(() => validateClaims({ claims, policy, nowMs: NOW_MS, reportData: new Uint8Array() })).toThrow(TypeError);
  });

  test('evidence that was verified for another time is refused', () => {
    expect(codesOf(claims, { snp: SNP }, { nowMs: NOW_MS + 301_000 })).toEqual(['ATTEST_POLICY_PAST']);
    expect(codesOf(claims, { snp: SNP }, { nowMs: NOW_MS + 299_000 })).toEqual([]);
  });

  test('a refusal as an error has the first code, and all of them', () => {
    const bad = snpClaims({ policy: 0xb_0000n, vmpl: 2 });
    const validation = validateClaims({ claims: bad, policy, nowMs: NOW_MS, reportData: DATA });
    const act = () => {
      assertAccepted(validation);
    };
    expect(codeOf(act)).toBe('ATTEST_POLICY_DEBUG');
    expect(act).toThrow(AttestError);
    expect(validation.policyDigestHex).toBe(policy.digestHex);
  });
});

describe('a policy document', () => {
  test('is named by the digest of its canonical form: order and space do not count, every value does', () => {
    const spaced = utf8(`{"accept": {"snp": ${JSON.stringify(SNP)}},\n "name": "test", "type": "${POLICY_TYPE}"}`);
    expect(readPolicy(spaced).digestHex).toBe(toPolicy({ snp: SNP }).digestHex);
    expect(toPolicy({ snp: { ...SNP, allowSmt: true } }).digestHex).not.toBe(toPolicy({ snp: SNP }).digestHex);
  });

  test.each<[string, object, string]>([
    // A TCB that is compared with itself alone is always good enough.
    ['missing_minimum', { snp: { measurements: SNP.measurements } }, 'accept.snp.minimumTcb'],
    ['minimum of no product', { snp: { ...SNP, minimumTcb: {} } }, 'accept.snp.minimumTcb'],
    [
      'minimum without a component',
      { snp: { ...SNP, minimumTcb: { Milan: { bootloader: 1, tee: 0, snp: 1 } } } },
      'accept.snp.minimumTcb.Milan.microcode',
    ],
    ['no measurement', { snp: { ...SNP, measurements: [] } }, 'accept.snp.measurements'],
    ['measurement of wrong length', { snp: { ...SNP, measurements: ['aa'] } }, 'accept.snp.measurements.0'],
    ['misspelt field', { snp: { ...SNP, vmpl: [0] } }, 'accept.snp.vmpl'],
    ['sgx without enclave or signer', { sgx: {} }, 'accept.sgx.mrEnclaves'],
    ['a revoked platform accepted', { tdx: { ...TDX, tcbStatuses: ['Revoked'] } }, 'accept.tdx.tcbStatuses.0'],
    ['unknown status', { tdx: { ...TDX, tcbStatuses: ['Good'] } }, 'accept.tdx.tcbStatuses.0'],
    ['tpm without trust in any key', { tpm: { pcrs: { 'sha256:0': ['00'.repeat(32)] } } }, 'accept.tpm.akFingerprints'],
    [
      'pcr of an unknown bank',
      { tpm: { pcrs: { 'sha1:0': ['00'.repeat(32)] }, allowCertifiedAk: true } },
      'accept.tpm.pcrs.sha1:0',
    ],
    ['nothing accepted', {}, 'accept'],
  ])('with %s is refused by field', (_name, accept, at) => {
    const document = utf8(JSON.stringify({ type: POLICY_TYPE, name: 'test', accept }));
    expect(codeOf(() => readPolicy(document))).toBe('ATTEST_POLICY_MALFORMED');
    expect(() => readPolicy(document)).toThrow(expect.objectContaining({ fields: { at } }));
  });

  test.each([
    '"allowDebug":false,"allowDebug":true',
    '"allowDebug":false,"allow\\u0044ebug" : true',
  ])('with a member twice is refused: %s', (twice) => {
    const nitro = `{"pcrs":{"0":["${'00'.repeat(48)}"]},${twice}}`;
    const act = () => readPolicy(utf8(`{"type":"${POLICY_TYPE}","name":"{\\"name\\":1","accept":{"nitro":${nitro}}}`));
    expect(act).toThrow(expect.objectContaining({ fields: { at: 'allowDebug twice' } }));
  });

  test.each(['', '[]', 'null', '{"type":"other"}'])('that is %s is refused', (text) => {
    expect(codeOf(() => readPolicy(utf8(text)))).toBe('ATTEST_POLICY_MALFORMED');
  });
});
