/** `modelward attest` through the command: a TPM quote of our own, and real evidence of its own time. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EvidenceReport, EvidenceValidation } from '../../src/workflows/attest/index.ts';
import { makeServerIdentity } from '../broker/tls.ts';
import { createSnpLab } from '../fakes/attest/snp.ts';
import { makeTpmQuote, PCRS, signTpm, toAkPem } from '../fakes/attest/tpm.ts';
import { makeP256 } from '../fakes/attest/x509.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { bin, createWorkplace, type Workplace } from './command.ts';

let place: Workplace;
const NONCE = '05'.repeat(20);
const key = makeP256();

function write(name: string, value: object): void {
  writeFileSync(join(place.folder, name), JSON.stringify(value));
}

const toTpmPolicy = (akFingerprint: string) => ({
  type: 'modelward/attestation-policy/v1',
  name: 'edge boxes',
  accept: { tpm: { pcrs: { 'sha256:7': ['17'.repeat(32)] }, akFingerprints: [akFingerprint] } },
});

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  const quote = makeTpmQuote();
  const toBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  write('tpm.json', {
    type: 'modelward/attestation-evidence/v1',
    kind: 'tpm',
    quote: toBase64(quote),
    signature: toBase64(signTpm(quote, key, 'ecdsa')),
    ak: toAkPem(key),
    pcrs: Object.fromEntries(Object.entries(PCRS).map(([name, value]) => [name, Buffer.from(value).toString('hex')])),
  });
});
afterAll(() => {
  place.remove();
});

test('a TPM quote: verified, then held against a policy with its nonce', () => {
  const { claims, isJudgedForNow } = place.json<EvidenceReport>(['attest', 'verify', 'tpm.json']);
  if (claims.kind !== 'tpm') throw new TypeError(claims.kind);
  expect([claims.nonceHex, claims.isAkCertified, isJudgedForNow]).toEqual([NONCE, false, true]);
  write('policy.json', toTpmPolicy(claims.akFingerprintHex));
  const line = ['attest', 'validate', 'tpm.json', '--policy', 'policy.json', '--nonce'];
  const { validation } = place.json<EvidenceValidation>([...line, NONCE]);
  expect(validation).toMatchObject({ isAccepted: true, refusals: [], policyName: 'edge boxes' });

  const refused = place.run([...line, '06'.repeat(20), '--json']);
  expect(refused.status).toBe(5);
  expect((JSON.parse(refused.stdout) as EvidenceValidation).validation.refusals.map(({ code }) => code)).toEqual([
    'ATTEST_POLICY_NONCE',
  ]);
});

test('a key that the policy does not list, and no challenge, are both told, and exit 5', () => {
  write('other.json', toTpmPolicy('00'.repeat(32)));
  const { status, stdout } = place.run(['attest', 'validate', 'tpm.json', '--policy', 'other.json']);
  expect(status).toBe(5);
  expect(stdout).toMatch(/^refused by policy edge boxes: TPM 2\.0 quote/);
  expect(stdout).toContain('ATTEST_POLICY_UNBOUND');
  expect(stdout).toContain('ATTEST_POLICY_AK');
});

test('evidence that cannot be read is exit 3, wrong usage exit 2, no such hardware exit 6', () => {
  write('broken.json', { type: 'modelward/attestation-evidence/v1', kind: 'sample' });
  const verify = (...words: string[]) => ['attest', 'verify', ...words];
  const runs = place.runAll([
    verify('broken.json'),
    verify('tpm.json', '--at', 'yesterday'),
    ['attest', 'validate', 'tpm.json', '--policy', 'policy.json', '--nonce', 'abcd'],
    ['attest', 'validate', 'tpm.json', '--policy', 'policy.json', '--report-data', 'xyz'],
    ['attest', 'validate', 'tpm.json', '--policy', 'broken.json'],
    ['attest', 'collect', '--report-data', '00'.repeat(65)],
  ]);
  expect(runs.map(({ status }) => status)).toEqual([3, 2, 2, 2, 3, 2]);
});

test('fetch asks a service of ours over TLS, and keeps nothing that is not signed under the pinned roots', async () => {
  const [lab, identity] = [createSnpLab(), makeServerIdentity()];
  writeFileSync(join(place.folder, 'report.bin'), lab.makeReport());
  writeFileSync(join(place.folder, 'ca.pem'), identity.caPem);
  const asked: string[] = [];
  const tls = { cert: Buffer.from(identity.certificatePem), key: Buffer.from(identity.privateKeyPem) };
  const server = createServer(tls, ({ url = '' }, response) => {
    asked.push(url);
    const [crl] = lab.makeCrls();
    response.end(url.endsWith('/crl') ? crl : url.endsWith('/cert_chain') ? lab.ask.pem + lab.ark.pem : lab.vcek.der);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const from = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fetch = (...words: string[]) =>
    new Promise<{ status: number | null; stderr: string }>((done) => {
      const args = [bin, 'attest', 'fetch', 'report.bin', '--out', 'kept', ...words];
      const child = spawn(process.execPath, args, { cwd: place.folder, env: { ...process.env, NO_COLOR: '1' } });
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.once('close', (status) => {
        done({ status, stderr });
      });
    });
  const [refused, unknown, plain] = [
    await fetch('--from', from, '--ca', 'ca.pem'),
    await fetch('--from', from),
    await fetch('--from', from.replace('https', 'http')),
  ];
  await new Promise((done) => server.close(done));
  expect([refused.status, refused.stderr]).toEqual([5, expect.stringContaining('ATTEST_ROOT_UNTRUSTED')]);
  expect(asked).toEqual(expect.arrayContaining(['/vcek/v1/Milan/cert_chain', '/vcek/v1/Milan/crl']));
  for (const { status, stderr } of [unknown, plain]) {
    expect([status, stderr]).toEqual([6, expect.stringContaining('ATTEST_SERVICE_UNAVAILABLE')]);
  }
  expect(existsSync(join(place.folder, 'kept'))).toBe(false);
});

describeWithShared('real evidence', () => {
  const at = (...parts: readonly string[]) => sharedData('attestation', ...parts);
  const tdx = at('dcap', 'dcap-qvl', 'tdx_quote');
  const collateral = ['--collateral', at('dcap', 'dcap-qvl', 'tdx_quote_collateral.json')];

  test('a time of the past is said loudly, and in the result', () => {
    const { status, stdout, stderr } = place.run([
      'attest',
      'verify',
      tdx,
      ...collateral,
      '--at',
      '2025-06-30T00:00:00Z',
      '--quiet',
    ]);
    expect([status, stdout.split('\n')[0]]).toEqual([0, 'authentic: Intel TDX quote']);
    expect(stderr).toContain('judged for 2025-06-30T00:00:00.000Z, NOT for now');
    expect(stdout).toContain('UpToDate (platform UpToDate, quoting enclave UpToDate, TDX module UpToDate)');
  });

  test('without --at it is judged for now, and its collateral is over', () => {
    const { status, stderr } = place.run(['attest', 'verify', tdx, ...collateral]);
    expect([status, /ATTEST_\w+_EXPIRED/.test(stderr)]).toEqual([5, true]);
  });

  test('without collateral it is refused, and with --no-collateral the gap is said', () => {
    const [bare, asked] = place.runAll([
      ['attest', 'verify', tdx],
      ['attest', 'verify', tdx, '--no-collateral'],
    ]);
    expect([bare.status, bare.stderr.includes('ATTEST_COLLATERAL_MISSING')]).toEqual([5, true]);
    expect([asked.status, asked.stderr.includes('WITHOUT collateral')]).toEqual([0, true]);
    expect(asked.stdout).toContain('NOT KNOWN: verified without collateral');
  });

  test('SEV-SNP: what has to be fetched, and the verdict with it', () => {
    const report = at('snp', 'trustee', 'test-report.bin');
    const [shown, verified, missing] = place.runAll([
      ['attest', 'show', report],
      [
        'attest',
        'verify',
        report,
        '--collateral',
        at('snp', 'trustee', 'test-vcek.der'),
        '--at',
        '2024-01-01T00:00:00Z',
      ],
      ['attest', 'verify', report],
    ]);
    expect(shown.stdout).toMatch(/^NOT VERIFIED: AMD SEV-SNP report/);
    expect(shown.stdout).toContain('https://kdsintf.amd.com/vcek/v1/Milan/c38427a3');
    expect(verified.stdout).toContain('bootloader 3, tee 0, snp 8, microcode 115');
    expect(verified.stdout).toContain('NOT checked: no revocation lists');
    expect([missing.status, missing.stderr.includes('ATTEST_CERTIFICATE_MISSING')]).toEqual([5, true]);
  });
});
