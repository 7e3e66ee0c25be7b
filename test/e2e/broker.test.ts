/** `modelward broker` through the command: served over TLS, asked by a client of its own, stopped by a signal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../broker/tls.ts';
import { bin, createWorkplace, root, samples, type Workplace } from './command.ts';

const identity = makeServerIdentity();
let place: Workplace;
let server: ChildProcess;
let port: number;
let log = '';

beforeAll(async () => {
  place = createWorkplace();
  const out = join(place.folder, 'sealed/model.seal');
  const { sealId } = place.json<{ sealId: string }>(['seal', join(samples, 'mlp.onnx'), '--out', out]);
  const snp = {
    measurements: ['aa'.repeat(48)],
    minimumTcb: { Milan: { bootloader: 4, tee: 0, snp: 24, microcode: 219 } },
  };
  const guest = { type: 'modelward/attestation-policy/v1', name: 'guest', accept: { snp } };
  const resources = [{ resource: 'models/key/mlp', sealId, policy: 'guest' }];
  const policy = { type: 'modelward/broker-policy/v1', name: 'guests', policies: { guest }, resources };
  const write = (name: string, content: Uint8Array | string): void => {
    writeFileSync(join(place.folder, name), content, { mode: 0o600 });
  };
  write('broker.json', JSON.stringify(policy));
  write(
    'other.json',
    JSON.stringify({
      ...policy,
      resources: [{ ...resources[0], sealId: sealId.replace(/.$/, 'f').replace(/^./, 'f') }],
    }),
  );
  write('server.pem', identity.certificatePem);
  write('server.key', identity.privateKeyPem);
  write('ca.pem', identity.caPem);
  const files = ['--policy', 'broker.json', '--tls-cert', 'server.pem', '--tls-key', 'server.key'];
  const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1' };
  server = spawn(process.execPath, [bin, 'broker', 'serve', ...files, '--port', '0'], { cwd: place.folder, env });
  port = await new Promise<number>((done, fail) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const found = /https:\/\/127\.0\.0\.1:(\d+),/.exec(log)?.at(1);
      if (found !== undefined) done(Number(found));
    });
    server.once('exit', () => {
      fail(new Error(log));
    });
  });
});
afterAll(() => {
  server.kill('SIGKILL');
  place.remove();
});

function ask(method: string, path: string, body = ''): Promise<{ status: number; code: string }> {
  return new Promise((done, fail) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, ca: Buffer.from(identity.caPem), agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const { type = '' } = JSON.parse(Buffer.concat(chunks).toString()) as { type?: string };
          done({ status: response.statusCode ?? 0, code: type.replace('urn:modelward:error:', '') });
        });
      },
    );
    sent.on('error', fail);
    sent.end(body);
  });
}

describe('broker', () => {
  test('check prints the digest that serve tells, and finds a seal without an envelope', () => {
    const { digestHex, resources } = place.json<{ digestHex: string; resources: { hasEnvelope: boolean }[] }>([
      'broker',
      'check',
      'broker.json',
    ]);
    expect(log).toContain(digestHex);
    expect(resources.map(({ hasEnvelope }) => hasEnvelope)).toEqual([true]);
    const other = place.run(['broker', 'check', 'other.json']);
    expect([other.status, other.stdout]).toEqual([1, expect.stringContaining('NO key envelope')]);
  });

  test('serve answers the protocol, and refuses a machine without hardware whatever it calls itself', async () => {
    const toAuth = (tee: unknown) =>
      JSON.stringify({ version: '0.4.0', tee, 'extra-params': { 'enable-sample': true } });
    expect(await ask('POST', '/kbs/v0/auth', toAuth('snp'))).toEqual({ status: 200, code: '' });
    for (const tee of ['sample', 'Sample', 'SAMPLE', 'sampledevice', 'snp,sample', 'none', 'test', '']) {
      expect(await ask('POST', '/kbs/v0/auth', toAuth(tee))).toEqual({ status: 401, code: 'BROKER_TEE_UNSUPPORTED' });
    }
    expect(await ask('GET', '/kbs/v0/resource/models/key/mlp')).toEqual({
      status: 401,
      code: 'BROKER_SESSION_MISSING',
    });
  });

  test('open on a machine that is no confidential VM says so, and makes nothing', () => {
    const line = ['broker', 'open', 'sealed/model.seal', '--broker', `https://127.0.0.1:${port}`, '--ca', 'ca.pem'];
    const opened = place.run([...line, '--resource', 'models/key/mlp', '--tee', 'snp', '--out', 'plain']);
    expect([opened.status, opened.stderr]).toEqual([6, expect.stringContaining('ATTEST_TSM_UNAVAILABLE')]);
    expect(statSync(join(place.folder, 'plain'), { throwIfNoEntry: false })).toBeUndefined();
  });

  test('a signal ends it with 0, and nothing was released', async () => {
    const ended = new Promise<number | null>((done) => server.once('exit', done));
    server.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(place.json<{ releases: object[] }>(['broker', 'releases'])).toEqual({ releases: [] });
  });

  test('a policy that is malformed, and files that are no key, end the start with a code', () => {
    const files = ['--tls-cert', 'ca.pem', '--tls-key', 'ca.pem', '--port', '0'];
    const noKey = place.run(['broker', 'serve', '--policy', 'broker.json', ...files]);
    expect([noKey.status, noKey.stderr]).toEqual([3, expect.stringContaining('SERVER_TLS_FILE')]);
    const noPolicy = place.run(['broker', 'serve', '--policy', 'ca.pem', ...files]);
    expect([noPolicy.status, noPolicy.stderr]).toEqual([3, expect.stringContaining('BROKER_POLICY_MALFORMED')]);
  });
});

describe('the build', () => {
  const listFiles = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((one) =>
      one.isDirectory() ? listFiles(join(folder, one.name)) : one.name.endsWith('.js') ? [join(folder, one.name)] : [],
    );

  test('has no word for machines without hardware where evidence is judged, so no flag can bring one in', () => {
    const folders = ['broker', 'attest', 'workflows/broker', 'workflows/attest', 'cli/commands/broker'];
    const files = folders.flatMap((folder) => listFiles(join(root, 'dist', folder)));
    expect(files.length).toBeGreaterThan(30);
    const words = /['"`](sample|sampledevice|sample_device|mock|fake|insecure|dev|debug-tee)['"`]/i;
    expect(files.filter((file) => words.test(readFileSync(file, 'utf8')))).toEqual([]);
  });

  test('takes roots and verifier from no option, no file and no environment', () => {
    const { stdout } = place.run(['broker', 'serve', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name]) => name);
    expect(options).toEqual(
      expect.arrayContaining(['--policy', '--tls-cert', '--tls-key', '--host', '--port', '--key', '--collateral']),
    );
    expect(options.filter((name) => /root|anchor|trust|sample|tee|insecure|verif/.test(name))).toEqual([]);
    const served = readFileSync(join(root, 'dist/workflows/broker/verifier.js'), 'utf8');
    expect(served).not.toMatch(/anchors|process\.env/);
  });
});
