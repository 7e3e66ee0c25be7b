/** SEV-SNP against a processor and authorities of our own: what is accepted, and every way to be refused. */
import { describe, expect, test } from 'vitest';
import { codeOf as toCode } from '../../../test/error-code.ts';
import { CHIP, createSnpLab, NOW_MS, type Product, TCB, toKeyExtensions } from '../../../test/fakes/attest/snp.ts';
import { flip, issue, issueCrl, makeP256, makeP384, makeRsa } from '../../../test/fakes/attest/x509.ts';
import { readCertificate } from '../x509/certificate.ts';
import { type SnpEvidence, verifySnp } from './verify.ts';

/** With keys as AMD's: RSA, and signatures with PSS. */
const lab = createSnpLab('Milan', makeRsa);
const STRANGER = makeRsa();
const verify = (evidence: SnpEvidence, nowMs = NOW_MS) => verifySnp(evidence, { nowMs, trust: lab.trust });
const codeOf = (evidence: SnpEvidence, nowMs = NOW_MS) => toCode(() => verify(evidence, nowMs));

describe('a SEV-SNP report', () => {
  test.each<[Product, number]>([
    ['Milan', 2],
    ['Milan', 3],
    ['Genoa', 3],
    ['Genoa', 4],
    ['Turin', 5],
  ])('of a %s processor, version %i, is authentic', (product, version) => {
    const own = product === 'Milan' ? lab : createSnpLab(product);
    const report = own.makeReport({ version, vmpl: 2, reportData: Uint8Array.of(7, 8, 9) });
    const claims = verifySnp(own.toEvidence(report), { nowMs: NOW_MS, trust: own.trust });
    const { fmc, ...levels } = TCB;
    expect(claims).toMatchObject({
      ...{ kind: 'snp', product, reportVersion: version, signingKey: 'vcek', vmpl: 2, isDebug: false },
      ...{ isRevocationChecked: false, verifiedForMs: NOW_MS },
      reportDataHex: `070809${'00'.repeat(61)}`,
      tcb: { reported: product === 'Turin' ? { fmc, ...levels } : levels },
    });
  });

  test('signed by a VLEK names the provider and no chip', () => {
    const report = lab.makeReport({ signer: lab.vlek, signingKey: 1, chip: new Uint8Array(64) });
    const claims = verify(lab.toEvidence(report, lab.vlek));
    expect(claims).toMatchObject({ signingKey: 'vlek', csp: 'CN=cc.example.com' });
  });

  test('reports the TCB that the key is bound to apart from the current one', () => {
    const report = lab.makeReport({ currentLevels: { ...TCB, microcode: 255 } });
    const { tcb } = verify(lab.toEvidence(report));
    expect([tcb.reported.microcode, tcb.current.microcode]).toEqual([TCB.microcode, 255]);
  });

  test('with current revocation lists of every issuer says so, and how long they hold', () => {
    const evidence = { ...lab.toEvidence(lab.makeReport()), crls: lab.makeCrls({ revoked: [77] }) };
    expect(verify(evidence)).toMatchObject({
      isRevocationChecked: true,
      validUntilMs: Date.parse('2025-08-01T00:00:00Z'),
    });
  });

  test('needs the list of the root key alone: VCEKs have no serial numbers that could be listed', () => {
    const [ofArk, ofAsk] = lab.makeCrls();
    const check = (crl: Uint8Array) => verify({ ...lab.toEvidence(lab.makeReport()), crls: [crl] }).isRevocationChecked;
    expect([check(ofArk), check(ofAsk)]).toEqual([true, false]);
  });

  test('one bit flipped in any signed byte, or in the signature, is refused', () => {
    const report = lab.makeReport();
    const accepted: number[] = [];
    for (let at = 0; at < report.length; at++) {
      if (codeOf(lab.toEvidence(flip(report, at, at % 8))) === 'no error') accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });
});

describe('a SEV-SNP report is refused', () => {
  const good = lab.makeReport();
  const withKey = (spec: Parameters<typeof lab.issueKey>[0], report: Parameters<typeof lab.makeReport>[0] = {}) => {
    const key = lab.issueKey(spec);
    return lab.toEvidence(lab.makeReport({ signer: key, ...report }), key);
  };
  const product = lab.product;

  test.each<[string, string, () => SnpEvidence, number?]>([
    ['report_truncated', 'ATTEST_EVIDENCE_MALFORMED', () => lab.toEvidence(good.subarray(0, 1183))],
    ['report_version_1', 'ATTEST_EVIDENCE_MALFORMED', () => lab.toEvidence(lab.makeReport({ version: 1 }))],
    ['report_version_6', 'ATTEST_EVIDENCE_MALFORMED', () => lab.toEvidence(lab.makeReport({ version: 6 }))],
    [
      'signature_algorithm_unknown',
      'ATTEST_EVIDENCE_MALFORMED',
      () =>
        lab.toEvidence(
          lab.makeReport({
            edit: (_, view) => {
              view.setUint32(0x34, 2, true);
            },
          }),
        ),
    ],
    ['signature_padding_set', 'ATTEST_EVIDENCE_MALFORMED', () => lab.toEvidence(flip(good, 0x2a0 + 60))],
    [
      'signature_of_another_key',
      'ATTEST_SIGNATURE_INVALID',
      () => lab.toEvidence(lab.makeReport({ signer: lab.issueKey() })),
    ],
    [
      // What firmware writes where the host masks the key of the chip.
      'signature_of_zeros',
      'ATTEST_SIGNATURE_INVALID',
      () => lab.toEvidence(Uint8Array.from([...good.subarray(0, 0x2a0), ...new Uint8Array(512)])),
    ],
    ['no_certificate', 'ATTEST_CERTIFICATE_MISSING', () => ({ ...lab.toEvidence(good), certificates: [] })],
    ['authorities_alone', 'ATTEST_CERTIFICATE_MISSING', () => lab.toEvidence(good, lab.ask, lab.ark)],
    ['two_keys', 'ATTEST_CERTIFICATE_MALFORMED', () => lab.toEvidence(good, lab.vcek, lab.vlek)],
    ['certificate_garbage', 'ATTEST_CERTIFICATE_MALFORMED', () => ({ ...lab.toEvidence(good), certificates: [good] })],
    ['vcek_expired', 'ATTEST_CERTIFICATE_EXPIRED', () => withKey({ notAfter: '2025-06-30T23:59:59Z' })],
    ['vcek_not_yet_valid', 'ATTEST_CERTIFICATE_EARLY', () => withKey({ notBefore: '2025-07-01T00:00:01Z' })],
    ['authority_expired', 'ATTEST_CERTIFICATE_EXPIRED', () => lab.toEvidence(good), Date.parse('2035-01-01T00:00:00Z')],
    ['vcek_signed_by_a_stranger', 'ATTEST_CHAIN_BROKEN', () => withKey({ signer: STRANGER })],
    [
      'vcek_of_an_unknown_authority',
      'ATTEST_ROOT_UNTRUSTED',
      () => withKey({ issuer: issue({ commonName: 'SEV-Rome', key: STRANGER, isAuthority: true }) }),
    ],
    ['ca_used_as_end_entity', 'ATTEST_CERTIFICATE_MISSING', () => withKey({ isAuthority: true })],
    ['key_may_not_sign', 'ATTEST_CERTIFICATE_ROLE', () => withKey({ keyUsage: 0x20 })],
    [
      'unknown_critical_extension',
      'ATTEST_CERTIFICATE_ROLE',
      () =>
        withKey({
          extensions: [
            ...toKeyExtensions({ product }),
            { oid: '1.2.3.4', isCritical: true, value: Uint8Array.of(5, 0) },
          ],
        }),
    ],
    [
      // microsoft/TEE-Attestation-Verification#142: the check of the chip was skipped when there was nothing to check.
      'hwid_absent',
      'ATTEST_CHIP_ID_ABSENT',
      () => withKey({ extensions: toKeyExtensions({ product, chip: null }) }),
    ],
    [
      'hwid_of_another_chip',
      'ATTEST_CHIP_ID_MISMATCH',
      () => withKey({ extensions: toKeyExtensions({ product, chip: flip(CHIP, 63) }) }),
    ],
    [
      'hwid_of_wrong_length',
      'ATTEST_CERTIFICATE_MALFORMED',
      () => withKey({ extensions: toKeyExtensions({ product, chip: CHIP.subarray(1) }) }),
    ],
    [
      'chip_id_masked',
      'ATTEST_CHIP_ID_MISMATCH',
      () =>
        withKey({ extensions: toKeyExtensions({ product, chip: new Uint8Array(64) }) }, { chip: new Uint8Array(64) }),
    ],
    [
      // The same report: a VLEK names no chip, so it must not stand where a VCEK is said to.
      'vlek_in_the_vcek_slot',
      'ATTEST_SIGNING_KEY_MISMATCH',
      () => lab.toEvidence(lab.makeReport({ signer: lab.vlek, signingKey: 0 }), lab.vlek),
    ],
    ['vcek_in_the_vlek_slot', 'ATTEST_SIGNING_KEY_MISMATCH', () => lab.toEvidence(lab.makeReport({ signingKey: 1 }))],
    ['signing_key_none', 'ATTEST_SIGNING_KEY_MISMATCH', () => lab.toEvidence(lab.makeReport({ signingKey: 7 }))],
    ['vcek_issued_by_the_vlek_authority', 'ATTEST_SIGNING_KEY_MISMATCH', () => withKey({ issuer: lab.asvk })],
    [
      'chip_and_provider',
      'ATTEST_CERTIFICATE_MALFORMED',
      () => withKey({ extensions: toKeyExtensions({ product, csp: 'CN=x' }) }),
    ],
    [
      'product_of_certificate',
      'ATTEST_PRODUCT_MISMATCH',
      () => withKey({ extensions: toKeyExtensions({ product, productName: 'Genoa-B1' }) }),
    ],
    ['product_of_cpu', 'ATTEST_PRODUCT_MISMATCH', () => lab.toEvidence(lab.makeReport({ cpu: [0x19, 0x11] }))],
    [
      'tcb_below_certificate',
      'ATTEST_TCB_MISMATCH',
      () => lab.toEvidence(lab.makeReport({ levels: { microcode: 100 } })),
    ],
    ['tcb_above_certificate', 'ATTEST_TCB_MISMATCH', () => lab.toEvidence(lab.makeReport({ levels: { snp: 25 } }))],
    [
      // enarx/steward#154: the current TCB fits the certificate, the reported one does not.
      'tcb_fits_current_not_reported',
      'ATTEST_TCB_MISMATCH',
      () => lab.toEvidence(lab.makeReport({ levels: { microcode: 100 }, currentLevels: TCB })),
    ],
    [
      'tcb_extension_absent',
      'ATTEST_CERTIFICATE_MALFORMED',
      () => withKey({ extensions: toKeyExtensions({ product }).filter(({ oid }) => !oid.endsWith('.3.8')) }),
    ],
    [
      'key_of_wrong_curve',
      'ATTEST_SIGNATURE_INVALID',
      () => ({ ...withKey({ key: makeP256() }, { signer: lab.vcek }) }),
    ],
    [
      'vcek_revoked',
      'ATTEST_CERTIFICATE_REVOKED',
      () => ({ ...lab.toEvidence(good), crls: lab.makeCrls({ revoked: [9, 10] }) }),
    ],
    [
      'authority_revoked',
      'ATTEST_CERTIFICATE_REVOKED',
      () => ({ ...lab.toEvidence(good), crls: lab.makeCrls({ revoked: [2] }) }),
    ],
    [
      // confidential-dot-ai/attestation-rs#83: nextUpdate was not looked at.
      'crl_stale',
      'ATTEST_CRL_EXPIRED',
      () => ({ ...lab.toEvidence(good), crls: lab.makeCrls({ nextUpdate: '2025-06-30T23:59:59Z' }) }),
    ],
    [
      'crl_from_the_future',
      'ATTEST_CRL_EARLY',
      () => ({ ...lab.toEvidence(good), crls: [issueCrl({ issuer: lab.ask, thisUpdate: '2025-07-02T00:00:00Z' })] }),
    ],
    [
      'crl_signed_by_a_stranger',
      'ATTEST_CRL_INVALID',
      () => ({ ...lab.toEvidence(good), crls: [issueCrl({ issuer: lab.ask, signer: STRANGER })] }),
    ],
    [
      'crl_with_unknown_critical_extension',
      'ATTEST_CERTIFICATE_MALFORMED',
      () => ({
        ...lab.toEvidence(good),
        crls: [
          issueCrl({
            issuer: lab.ask,
            extensions: [{ oid: '2.5.29.28', isCritical: true, value: Uint8Array.of(0x30, 0) }],
          }),
        ],
      }),
    ],
    [
      'crl_garbage',
      'ATTEST_CERTIFICATE_MALFORMED',
      () => ({ ...lab.toEvidence(good), crls: [Uint8Array.of(0x30, 3, 1, 2, 3)] }),
    ],
  ])('%s: %s', (_name, code, make, nowMs) => {
    expect(codeOf(make(), nowMs)).toBe(code);
  });

  test('downloaded_root: a chain that is whole under a root of its own is refused by the pinned ones', () => {
    const other = createSnpLab();
    const evidence = other.toEvidence(other.makeReport(), other.vcek, other.ask, other.ark);
    expect(verifySnp(evidence, { nowMs: NOW_MS, trust: other.trust }).product).toBe('Milan');
    expect(toCode(() => verifySnp(evidence, { nowMs: NOW_MS }))).toBe('ATTEST_ROOT_UNTRUSTED');
    // Under the very names of the pinned ones, so that nothing but the key tells them apart.
    expect(codeOf(evidence)).toBe('ATTEST_CHAIN_BROKEN');
  });

  test('an authority that came along is used only when the pinned root signed it', () => {
    const forged = issue({
      commonName: 'SEV-Rome',
      key: STRANGER,
      issuer: lab.ark,
      signer: STRANGER,
      isAuthority: true,
    });
    const key = lab.issueKey({ issuer: forged });
    const evidence = lab.toEvidence(lab.makeReport({ signer: key }), key, forged);
    expect(codeOf(evidence)).toBe('ATTEST_ROOT_UNTRUSTED');
  });

  test('certificates and lists of the sizes of an attack are refused before they are read', () => {
    const bomb = new Uint8Array(20_000).fill(0x30);
    expect(toCode(() => readCertificate(bomb))).toBe('ATTEST_CERTIFICATE_MALFORMED');
    expect(codeOf({ ...lab.toEvidence(good), crls: [new Uint8Array(5 * 1024 * 1024)] })).toBe(
      'ATTEST_CERTIFICATE_MALFORMED',
    );
  });

  test('a certificate of another key with the same names is refused', () => {
    const twin = lab.issueKey({ key: makeP384() });
    expect(codeOf(lab.toEvidence(good, twin))).toBe('ATTEST_SIGNATURE_INVALID');
  });
});
