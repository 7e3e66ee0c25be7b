import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toCanonicalJsonBytes } from '../../src/core/canonical-json.ts';
import { requestTimestamp } from '../../src/sign/index.ts';
import type { ProtectResult } from '../../src/workflows/index.ts';
import { createOpensslTsa, type OpensslTsa, serveTsa } from '../openssl-tsa.ts';
import { describeWithProgram } from '../shared-data.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

/** The authority answers from this process, so the command must not block it. */
function runAsync(place: Workplace, args: readonly string[]): Promise<{ status: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [bin, ...args, '--json', '--quiet'], {
      cwd: place.folder,
      env: { ...process.env, MODELWARD_HOME: place.home },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.on('close', (status) => {
      resolve({ status, stdout });
    });
  });
}

describeWithProgram('protect with a time stamp authority', 'openssl', ['version'], () => {
  let tsa: OpensslTsa;
  let server: Awaited<ReturnType<typeof serveTsa>>;
  let place: Workplace;
  beforeAll(async () => {
    place = createWorkplace();
    tsa = createOpensslTsa();
    server = await serveTsa(tsa);
  });
  afterAll(() => {
    server.close();
    tsa.remove();
    place.remove();
  });

  const protect = (...more: readonly string[]) => [
    ...['protect', join(samples, 'mlp.onnx'), '--eval', join(samples, 'eval.npz'), '--tsa', server.url, ...more],
  ];

  test('the commitment is stamped, and openssl ts -verify accepts the token for the committed preimage', async () => {
    const { status, stdout } = await runAsync(place, protect('--tsa-ca', join(tsa.folder, 'root.pem'), '--out', 'out'));
    expect(status).toBe(0);
    const result = JSON.parse(stdout) as ProtectResult;
    expect(result.warnings.join(' ')).not.toContain('attested only by the owner');
    const token = readFileSync(join(place.folder, 'out/mlp.commitment.tst'));
    const { preimage } = JSON.parse(readFileSync(join(place.folder, 'out/mlp.commitment.json'), 'utf8')) as {
      preimage: Parameters<typeof toCanonicalJsonBytes>[0];
    };
    expect(tsa.verify(token, toCanonicalJsonBytes(preimage))).toContain('OK');
    // The line that the report prints for a third party, as it stands there.
    const report = readFileSync(result.report.path, 'utf8');
    const [line = 'no line'] = /openssl ts -verify [^<]*/.exec(report) ?? [];
    const checked = spawnSync('/bin/sh', ['-c', line.replace('AUTHORITY_CERTIFICATES', join(tsa.folder, 'root.pem'))], {
      cwd: join(place.folder, 'out'),
      encoding: 'utf8',
    });
    expect(checked.stdout + checked.stderr).toContain('Verification: OK');
    const { stdout: read } = await runAsync(place, ['detect', 'out/mlp.marked.onnx']);
    expect(JSON.parse(read)).toMatchObject({
      verdict: 'claim',
      time: expect.stringContaining('who made it was not checked'),
      timestamp: { isTrusted: false },
    });
  });

  test('detect believes the token of a claim, under its root, and nothing that stands beside it', async () => {
    const claimsFolder = join(place.home, 'claims');
    const path = join(claimsFolder, readdirSync(claimsFolder).find((name) => name.endsWith('.claim.json')) ?? '');
    const root = join(tsa.folder, 'root.pem');
    const claim = JSON.parse(readFileSync(path, 'utf8')) as { attestations: { tsa: { url: string; token: string } } };
    const readTime = async (attestation: unknown, ...more: readonly string[]) => {
      writeFileSync(
        join(place.folder, 'edited.json'),
        JSON.stringify({ ...claim, attestations: { tsa: attestation } }),
      );
      const args = ['detect', 'out/mlp.marked.onnx', '--claim', 'edited.json', ...more];
      return JSON.parse((await runAsync(place, args)).stdout) as { verdict: string; time: string; timestamp: unknown };
    };
    const { url: stampedBy, token } = claim.attestations.tsa;
    const held = await readTime({ url: stampedBy, token }, '--tsa-ca', root);
    expect(held).toMatchObject({ verdict: 'claim', timestamp: { isTrusted: true } });
    expect(held.time).toMatch(/^attested by a time stamp of .*: 20\d\d-/);
    const other = createOpensslTsa();
    const bytes = Buffer.from(token, 'base64');
    bytes[bytes.length - 5] ^= 1;
    for (const [attestation, ...more] of [
      [{ url: stampedBy, time: '2001-01-01T00:00:00.000Z' }],
      [{ url: stampedBy, token: bytes.toString('base64'), time: '2001-01-01T00:00:00.000Z' }],
      [{ url: stampedBy, token: Buffer.from(await stampOther()).toString('base64') }],
      [{ url: stampedBy, token }, '--tsa-ca', join(other.folder, 'root.pem')],
    ] as [unknown, ...string[]][]) {
      const { verdict, time, timestamp } = await readTime(attestation, ...more);
      expect([verdict, timestamp]).toEqual(['claim', null]);
      expect(time).toContain('time attested only by the owner');
      expect(time).not.toContain('2001');
    }
    other.remove();
  });

  /** A sound token of the same authority over something else. */
  async function stampOther(): Promise<Uint8Array> {
    const random = { fill: (into: Uint8Array) => void into.fill(9) };
    const { token } = await requestTimestamp({ authority: tsa, digest: new Uint8Array(32), random, roots: null });
    return token;
  }

  test('without the root the token is kept, and the result says that it is not trusted', async () => {
    const { stdout } = await runAsync(place, protect('--out', 'untrusted'));
    expect((JSON.parse(stdout) as ProtectResult).warnings.join(' ')).toContain('--tsa-ca');
  });

  test('an authority that cannot be reached ends the run, and nothing is left', async () => {
    const args = protect('--out', 'unreached').map((word) => (word === server.url ? 'http://127.0.0.1:9/' : word));
    const { status, stdout } = await runAsync(place, args);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'SIGN_TIMESTAMP_REFUSED' } });
    expect(status).not.toBe(0);
    expect(place.run(['detect', join(samples, 'mlp.onnx'), '--json']).stdout).toContain('"verdict":"none"');
  });
});
