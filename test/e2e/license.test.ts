/** A vendor with a home and a device without one: the model goes over, and only that device opens it. */
import { spawn } from 'node:child_process';
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

let vendor: Workplace;
let device: Workplace;
beforeAll(() => {
  vendor = createWorkplace({ isOneProcess: true });
  device = createWorkplace({ isOneProcess: true });
});
afterAll(() => {
  vendor.remove();
  device.remove();
});

const carry = (from: Workplace, to: Workplace, name: string): void => {
  copyFileSync(join(from.folder, name), join(to.folder, name));
};
/** In a process of its own. The exit code. */
function runApart(place: Workplace, words: readonly string[]): Promise<number | null> {
  const env = { ...process.env, MODELWARD_HOME: place.home };
  const child = spawn(process.execPath, [bin, ...words], { cwd: place.folder, env, stdio: 'ignore' });
  return new Promise((resolve) => child.once('exit', resolve));
}

const TRUST = ['--vendor-key', 'vendor.txt'];

describe('a licence, from the vendor to the device', () => {
  beforeAll(() => {
    // Apart from the vendor's home, as a key store wants it.
    const sealed = join(device.folder, 'm.seal');
    vendor.json(['seal', join(samples, 'mlp.onnx'), '--out', sealed]);
    device.json(['license', 'enrol']);
    carry(device, vendor, 'enrolment.json');
    const args = [sealed, '--enrolment', 'enrolment.json', '--to', 'Acme', '--valid', '90d', '--name', 'acme-1'];
    vendor.json(['license', 'issue', ...args, '--status-uri', 'https://vendor.example/list']);
    carry(vendor, device, 'license.json');
  });

  test('opens there, without an owner, and nowhere else', () => {
    const { stdout } = vendor.run(['keys', 'show']);
    writeFileSync(join(device.folder, 'vendor.txt'), stdout);
    expect(device.json(['license', 'activate', 'license.json', ...TRUST])).toMatchObject({ name: 'acme-1' });
    device.json(['open', 'm.seal', '--license', 'license.json', ...TRUST, '--out', 'plain']);
    const plain = readFileSync(join(device.folder, 'plain/mlp.onnx'));
    expect(plain.equals(readFileSync(join(samples, 'mlp.onnx')))).toBe(true);
    const thief = createWorkplace({ isOneProcess: true });
    for (const name of ['m.seal', 'license.json', 'vendor.txt']) carry(device, thief, name);
    const words = ['open', 'm.seal', '--license', 'license.json', ...TRUST, '--json'];
    expect(thief.run(words)).toMatchObject({ status: 5 });
    thief.json(['license', 'enrol']);
    const refused = thief.run(words);
    expect(refused.status).toBe(5);
    expect(refused.stdout).toContain('LICENSE_DEVICE_MISMATCH');
    const waiting = readFileSync(join(thief.home, 'device/ledger/refusals.json'), 'utf8');
    expect(waiting).toContain('LICENSE_DEVICE_MISMATCH');
    thief.remove();
  });

  test('what it opened is in the ledger of the device, which is shown, checked and proven by itself', () => {
    interface Shown {
      readonly entries: readonly { readonly detail: object }[];
    }
    const { entries } = device.json<Shown>(['ledger', 'show', '--device']);
    expect(entries.map(({ detail }) => detail)).toMatchObject([
      { action: 'enrol', outcome: 'software' },
      { action: 'activate', outcome: 'VALID', name: 'acme-1' },
      { action: 'open', outcome: 'VALID', name: 'acme-1' },
    ]);
    expect(device.json(['ledger', 'fsck', '--device'])).toMatchObject({ size: 3, findings: [] });
    writeFileSync(join(device.folder, 'open.proof'), device.run(['ledger', 'prove', '2', '--device']).stdout);
    const ledgerKey = readFileSync(join(device.home, 'device/ledger/key'), 'utf8').trim();
    carry(device, vendor, 'open.proof');
    const proven = vendor.json(['ledger', 'verify', 'open.proof', '--ledger-key', ledgerKey]);
    expect(proven).toMatchObject({ index: 2, entry: { type: 'license-use', detail: { action: 'open' } } });
    const copy = join(vendor.folder, 'of-acme');
    cpSync(join(device.home, 'device/ledger'), join(copy, 'ledger'), { recursive: true });
    expect(vendor.run(['ledger', 'fsck', '--device', copy]).status).toBe(0);
    const bundle = join(copy, 'ledger/tile/entries/000.p/3');
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('"VALID"', '"LATER"'), 'latin1');
    expect(vendor.run(['ledger', 'fsck', '--device', copy]).status).toBe(1);
  });

  test('two processes that open at the same time both do, with an entry each', async () => {
    const words = (out: string) => ['open', 'm.seal', '--license', 'license.json', ...TRUST, '--out', out, '--json'];
    const ends = await Promise.all(['one', 'two'].map((out) => runApart(device, words(out))));
    expect(ends).toEqual([0, 0]);
    expect(device.json(['ledger', 'fsck', '--device'])).toMatchObject({ size: 5, findings: [] });
  });

  test('a request and its answer renew it, a status list ends it', () => {
    vendor.json(['license', 'renew', 'acme-1', '--valid', '200d', '--out', 'renewed.json']);
    device.json(['license', 'request', 'license.json', ...TRUST]);
    carry(device, vendor, 'license.request');
    vendor.json(['license', 'answer', 'license.request']);
    expect(vendor.run(['license', 'answer', 'license.request', '--json']).stdout).toContain('LICENSE_REQUEST_REPLAYED');
    carry(vendor, device, 'license.answer');
    const accept = ['license', 'accept', 'license.json', 'license.answer', ...TRUST, '--out', 'newer.json'];
    expect(device.json(accept)).toMatchObject({ isRenewed: true });
    expect(device.json(['license', 'show', 'newer.json', ...TRUST])).toMatchObject({ claims: { seq: 2 } });
    expect(device.run(['license', 'check', 'license.json', ...TRUST, '--json']).stdout).toContain('LICENSE_SUPERSEDED');
    vendor.json(['license', 'revoke', 'acme-1']);
    vendor.json(['license', 'status-list', '--uri', 'https://vendor.example/list']);
    carry(vendor, device, 'status-list.jwt');
    const check = ['license', 'check', 'newer.json', ...TRUST, '--json'];
    expect(device.run(check).status).toBe(0);
    const ended = device.run([...check, '--status-list', 'status-list.jwt']);
    expect(ended.stdout).toContain('LICENSE_REVOKED');
    expect(vendor.json<{ licenses: object[] }>(['license', 'list']).licenses).toHaveLength(1);
    const entries = vendor.run(['ledger', 'show', '--json']).stdout;
    for (const action of ['issue', 'renew', 'revoke']) expect(entries).toContain(`"action":"${action}"`);
  });
});
