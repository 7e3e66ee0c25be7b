/** The guide's commands for a device with a TPM, on swtpm: proven by files, proven by the server, and demanded at issue. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeServerIdentity } from '../broker/tls.ts';
import { makeAuthority } from '../license/chip.ts';
import { describeWhere } from '../shared-data.ts';
import {
  hasSwtpmSetup,
  makeCertifiedTpm,
  readTestAuthorities,
  removeTestTpm,
  startTestTpm,
  SWTPM_NEEDED,
  type TestTpm,
} from '../swtpm.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

describeWhere(hasSwtpmSetup, 'a licence for a certified TPM', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  let vendor: Workplace;
  let device: Workplace;
  let sealed: string;
  beforeAll(async () => {
    tpm = await startTestTpm(makeCertifiedTpm());
    vendor = createWorkplace();
    device = createWorkplace();
    sealed = join(device.folder, 'm.seal');
    vendor.json(['seal', join(samples, 'mlp.onnx'), '--out', sealed]);
    const { root, between } = readTestAuthorities(tpm);
    writeFileSync(join(vendor.folder, 'maker.pem'), `${root}\n${between}`);
    writeFileSync(join(vendor.folder, 'other.pem'), makeAuthority().pem);
    writeFileSync(join(device.folder, 'vendor.txt'), vendor.run(['keys', 'show']).stdout);
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
    vendor.remove();
    device.remove();
  });

  const carry = (from: Workplace, to: Workplace, name: string): void => {
    copyFileSync(join(from.folder, name), join(to.folder, name));
  };
  const refusal = (place: Workplace, ...words: readonly string[]): string => {
    const { status, stdout } = place.run([...words, '--json']);
    expect(status).not.toBe(0);
    return (JSON.parse(stdout) as { error: { code: string } }).error.code;
  };
  const issue = ['license', 'issue', '--to', 'Acme', '--name', 'acme-1'];

  test('enrol, challenge, respond, certify, issue, activate, open', () => {
    const told = device.json(['license', 'enrol', '--tpm', tpm.address]);
    expect(told).toMatchObject({ assurance: 'tpm', isProvable: true });
    carry(device, vendor, 'enrolment.json');
    const plain = [...issue, sealed, '--enrolment', 'enrolment.json'];
    expect(refusal(vendor, ...plain, '--assurance', 'tpm-certified')).toBe('LICENSE_ASSURANCE_LOW');
    expect(refusal(vendor, ...plain, '--assurance', 'tpm', '--ek-ca', 'maker.pem')).toBe('LICENSE_ASSURANCE_LOW');

    vendor.json(['license', 'challenge', 'enrolment.json', '--ek-ca', 'maker.pem']);
    carry(vendor, device, 'license.challenge');
    device.json(['license', 'respond', 'license.challenge', '--vendor-key', 'vendor.txt']);
    carry(device, vendor, 'license.response');
    const certified = vendor.json(['license', 'certify', 'license.response', '--ek-ca', 'maker.pem']);
    expect(certified).toMatchObject({ isRevocationChecked: false });

    const proven = [...issue, sealed, '--enrolment', 'enrolment.certified.json', '--assurance', 'tpm'];
    expect(refusal(vendor, ...proven, '--ek-ca', 'other.pem')).toBe('LICENSE_EK_UNTRUSTED');
    vendor.json([...proven, '--ek-ca', 'maker.pem']);
    carry(vendor, device, 'license.json');
    const trust = ['--vendor-key', 'vendor.txt'];
    const [activated, shown, opening] = device.runAll([
      ['license', 'activate', 'license.json', ...trust],
      ['license', 'show', 'license.json', ...trust, '--json'],
      ['open', 'm.seal', '--license', 'license.json', ...trust, '--out', 'plain'],
    ]);
    expect([activated.status, shown.status, opening.status]).toEqual([0, 0, 0]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      claims: { asr: 'tpm-certified', key: { assurance: 'tpm-certified' } },
    });
    const opened = readFileSync(join(device.folder, 'plain/mlp.onnx'));
    expect(opened.equals(readFileSync(join(samples, 'mlp.onnx')))).toBe(true);
    expect(vendor.run(['ledger', 'show', '--json']).stdout).toContain('"type":"enrolment"');
  });

  test('the server does both steps at once', async () => {
    const { caPem, certificatePem, privateKeyPem } = makeServerIdentity();
    writeFileSync(join(vendor.folder, 'server.pem'), certificatePem);
    writeFileSync(join(vendor.folder, 'server.key'), privateKeyPem, { mode: 0o600 });
    writeFileSync(join(device.folder, 'ca.pem'), caPem);
    const tls = ['--tls-cert', 'server.pem', '--tls-key', 'server.key', '--port', '0'];
    const server = spawn(process.execPath, [bin, 'license', 'serve', ...tls, '--ek-ca', 'maker.pem'], {
      cwd: vendor.folder,
      env: { ...process.env, MODELWARD_HOME: vendor.home, NO_COLOR: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => server.once('exit', resolve));
    try {
      const url = await findAddress(server);
      const words = ['license', 'enrol', '--server', url, '--vendor-key', 'vendor.txt', '--ca', 'ca.pem'];
      expect(device.json([...words, '--out', 'proven.json'])).toMatchObject({ assurance: 'tpm-certified' });
    } finally {
      server.kill('SIGTERM');
    }
    expect(await ended).toBe(0);
    carry(device, vendor, 'proven.json');
    const again = [...issue, '--name', 'acme-2', sealed, '--enrolment', 'proven.json'];
    vendor.json([...again, '--assurance', 'tpm-certified']);
  });
});

function findAddress(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const address = /https:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (address !== undefined) resolve(address);
    });
    server.once('exit', () => {
      reject(new Error(said));
    });
  });
}
