/** Policies for Nitro and TPM, what evidence is bound to, and policies that are malformed: refused by field. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { NOW_MS } from '../../../test/fakes/attest/dcap.ts';
import { createNitroLab, NOW_MS as NITRO_MS } from '../../../test/fakes/attest/nitro.ts';
import { codesOf, DATA, SNP, snpClaims, TDX, toPolicy } from '../../../test/fakes/attest/policy.ts';
import { makeTpmQuote, PCRS, signTpm, toAkPem } from '../../../test/fakes/attest/tpm.ts';
import { makeP256 } from '../../../test/fakes/attest/x509.ts';
import { utf8 } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { AttestationClaims } from '../claims.ts';
import { verifyNitro } from '../nitro/verify.ts';
import { verifyTpm } from '../tpm/verify.ts';
import { POLICY_TYPE, readPolicy } from './schema.ts';
import { assertAccepted, validateClaims } from './validate.ts';

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
