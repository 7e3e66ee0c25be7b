import { describe, expect, test } from 'vitest';
import { lab, makeBroker, makeGuest, RESOURCE } from '../../test/broker/kit.ts';
import { toSnpStructure } from '../../test/broker/snp-structure.ts';
import { createSnpLab, NOW_MS, type SnpLab } from '../../test/fakes/attest/snp.ts';
import { codeOf } from '../../test/error-code.ts';
import { NO_COLLATERAL, verifyEvidence } from '../attest/index.ts';
import { digestRuntimeData, readPrimaryEvidence } from './index.ts';

/** Every free byte of a report has a value of its own. */
const fill = (report: Uint8Array, version: number): void => {
  const view = new DataView(report.buffer);
  view.setUint32(0x04, 0x0102_0304, true);
  view.setBigUint64(0x40, 0x2_0000_0001n, true);
  for (const [at, length] of [
    [0x10, 32],
    [0xc0, 192],
    [0x1e8, 3],
    [0x1ec, 3],
  ] as const) {
    for (let n = 0; n < length; n++) report[at + n] = (at + n * 7) & 0xff;
  }
  if (version >= 5) for (let n = 0; n < 6; n++) report.set([n + 1, n + 9], n < 3 ? 0x1f8 + n : 0x1fd + n);
};

const toEntry = (cert_type: unknown, der: Uint8Array): object => ({ cert_type, data: [...der] });

function toPrimary(
  by: SnpLab,
  report: Uint8Array,
  form: 'old' | 'new',
): { attestation_report: Record<string, unknown>; cert_chain: object[] } {
  const isTurin = by.product === 'Turin';
  const chain = [
    toEntry('VCEK', by.vcek.der),
    toEntry('ASK', by.ask.der),
    toEntry({ OTHER: 'b5e0' }, Uint8Array.of(1)),
  ];
  return { attestation_report: toSnpStructure(report, form, isTurin), cert_chain: chain };
}

const verify = (by: SnpLab, value: unknown) =>
  verifyEvidence(readPrimaryEvidence(value, 'snp', NO_COLLATERAL), { nowMs: NOW_MS, anchors: { snp: by.trust } });

describe('SEV-SNP evidence in the structure of its stock attester', () => {
  const turin = createSnpLab('Turin');

  test.each<[string, SnpLab, number, 'old' | 'new']>([
    ['version 2, older spelling', lab, 2, 'old'],
    ['version 3', lab, 3, 'new'],
    ['version 5', lab, 5, 'new'],
    ['version 5 of Turin, whose TCB has another order', turin, 5, 'new'],
  ])('%s: the report is put together byte for byte, and its signature holds', (_name, by, version, form) => {
    const report = by.makeReport({
      version,
      edit: (bytes) => {
        fill(bytes, version);
      },
    });
    const value = toPrimary(by, report, form);
    const evidence = readPrimaryEvidence(value, 'snp', NO_COLLATERAL);
    expect(evidence).toMatchObject({ kind: 'snp', certificates: [by.vcek.der, by.ask.der] });
    expect(evidence.kind === 'snp' && evidence.report).toEqual(report);
    expect(verify(by, JSON.stringify(value)).kind).toBe('snp');
  });

  test('one member changed is a signature that does not hold', () => {
    const value = toPrimary(lab, lab.makeReport({ version: 5 }), 'new');
    const change = (name: string, to: unknown) => ({
      ...value,
      attestation_report: { ...value.attestation_report, [name]: to },
    });
    for (const [name, to] of [
      ['guest_svn', 1],
      ['measurement', Array(48).fill(0xab)],
      ['current_mit_vector', 1],
      ['cpuid_step', 9],
      ['policy', 0x1_0000],
    ] as const) {
      expect(codeOf(() => verify(lab, change(name, to)))).toBe('ATTEST_SIGNATURE_INVALID');
    }
  });

  test.each<[string, string, unknown]>([
    ['a byte above 255', 'measurement', Array(48).fill(256)],
    ['a field of another length', 'report_data', Array(63).fill(0)],
    ['a number that JSON alters', 'policy', 2 ** 60],
    ['a negative number', 'vmpl', -1],
    ['no signature', 'signature', undefined],
  ])('with %s is refused', (_name, member, to) => {
    const value = toPrimary(lab, lab.makeReport(), 'new');
    const bad = { ...value, attestation_report: { ...value.attestation_report, [member]: to } };
    expect(codeOf(() => readPrimaryEvidence(bad, 'snp', NO_COLLATERAL))).toBe('BROKER_EVIDENCE_UNSUPPORTED');
  });

  test('gets a key', async () => {
    const broker = makeBroker();
    const guest = makeGuest();
    const { cookie, nonce } = await broker.auth();
    const { status } = await broker.attest(cookie, nonce, guest, (body) => {
      const reportData = digestRuntimeData({ nonce, teeKey: guest.jwk, additionalEvidence: '' });
      const value = toPrimary(lab, lab.makeReport({ reportData }), 'new');
      const crls = lab.makeCrls().map((crl) => toEntry('CRL', crl));
      body['tee-evidence'].primary_evidence = { ...value, cert_chain: [...value.cert_chain, ...crls] };
    });
    expect(status).toBe(200);
    expect((await broker.get(RESOURCE, { cookie })).status).toBe(200);
  });
});
