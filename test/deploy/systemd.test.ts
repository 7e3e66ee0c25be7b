/** The unit for systemd: judged by systemd's own programs, and its command line started. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readGatewayConfig } from '../../src/gateway/index.ts';
import { createWorkplace, samples } from '../e2e/command.ts';
import { describeWhere, describeWithProgram, hasProgram } from '../shared-data.ts';
import { ask, deploy, readRecipe, startGateway } from './kit.ts';

const unit = readRecipe('systemd', 'modelward.service');
const path = join(deploy, 'systemd/modelward.service');
const find = (name: string): readonly string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

describeWithProgram('the unit', 'systemd-analyze', ['--version'], () => {
  test('is understood by systemd without a word of complaint', () => {
    const work = mkdtempSync(join(tmpdir(), 'modelward-unit-'));
    // systemd looks whether the program is there.
    const copy = join(work, 'modelward.service');
    writeFileSync(copy, unit.replace('/usr/bin/node', process.execPath));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', copy], { encoding: 'utf8' });
    rmSync(work, { recursive: true });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('is exposed to less than 1.5 of 10', () => {
    const args = ['security', '--offline=true', '--threshold=15', '--no-pager', path];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Overall exposure level for modelward\.service: 1\.[0-4] OK/);
  });

  test('names a user that sysusers makes', () => {
    const [user] = find('User');
    const line = readRecipe('systemd', 'sysusers.conf').split('\n').at(1);
    expect(line?.split(' ').slice(0, 2)).toEqual(['u', user]);
  });
});

describe('the unit', () => {
  const place = createWorkplace();
  afterAll(() => {
    place.remove();
  });

  test('keeps keys and weights from disks, has one port, and waits for the end of what is at work', () => {
    expect([find('LimitCORE'), find('MemorySwapMax'), find('UMask')]).toEqual([['0'], ['0'], ['0077']]);
    const config = readGatewayConfig({ ...toConfig(), listen: { host: '10.0.1.10', port: 8443, tls: TLS } });
    const ports = find('SocketBindAllow').map((value) => value.split(':').at(-1));
    expect(new Set(ports)).toEqual(new Set([String(config.listen.port)]));
    expect(find('SocketBindDeny')).toEqual(['any']);
    expect([find('KillSignal'), find('KillMode')]).toEqual([['SIGTERM'], ['mixed']]);
    expect(Number(find('TimeoutStopSec')[0]) * 1000).toBeGreaterThan(config.limits.drainTimeoutMs);
    for (const { file } of config.models) expect(file.startsWith(find('ReadOnlyPaths')[0])).toBe(true);
  });

  test('starts a command line that serves, with the credentials where systemd puts them', async () => {
    expect(place.run(['tls', 'init', '--out', 'credentials']).status).toBe(0);
    mkdirSync(join(place.folder, 'models'));
    copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'models/net.onnx'));
    const config = { ...toConfig(), listen: { port: 0 }, models: [{ name: 'digits', file: 'models/net.onnx' }] };
    writeFileSync(join(place.folder, 'gateway.yaml'), JSON.stringify(config));
    const [command] = find('ExecStart');
    const words = command
      .slice(command.indexOf(' serve ') + 7)
      .replaceAll('%d', 'credentials')
      .replace('/etc/modelward/', '')
      .split(' ');
    const gateway = await startGateway(place, words);
    const ca = readFileSync(join(place.folder, 'credentials/ca.pem'), 'utf8');
    expect((await ask({ port: gateway.port, ca })).status).toBe(401);
    gateway.child.kill(find('KillSignal')[0] as NodeJS.Signals);
    expect(await gateway.ended).toBe(0);
  });
});

const TLS = { cert: '/c', key: '/k' };
function toConfig(): object {
  return parse(readRecipe('systemd', 'gateway.yaml')) as object;
}

const PYTHON = '/usr/bin/python3';
const canFilter = hasProgram(PYTHON, ['-c', 'import seccomp']) && hasProgram('systemd-analyze');
describeWhere(canFilter, 'within the system calls of the unit', 'systemd, python3-seccomp', () => {
  const place = createWorkplace();
  const filter = [resolve(import.meta.dirname, '../oracles/seccomp/run.py')];
  afterAll(() => {
    place.remove();
  });

  test.each([
    'systemd',
    'confidential-vm',
  ])('of %s a sealed model is opened in a process of its own, and answers', async (name) => {
    const own = mkdtempSync(join(place.folder, 'of-'));
    mkdirSync(join(own, 'models'));
    expect(place.run(['tls', 'init', '--out', join(own, 'tls')]).status).toBe(0);
    expect(place.run(['seal', join(samples, 'mlp.onnx'), '-o', join(own, 'models/net.seal')]).status).toBe(0);
    const files = ['--tls-cert', join(own, 'tls/server.pem'), '--tls-key', join(own, 'tls/server.key')];
    const key = place.run(['apikey', 'create', '--name', name, '--model', 'digits', '-o', join(own, 'key.json')]);
    expect(key.status).toBe(0);
    const { apiKey } = JSON.parse(readFileSync(join(own, 'key.json'), 'utf8')) as { apiKey: string };
    const through = [PYTHON, ...filter, join(deploy, name, 'modelward.service'), process.execPath] as const;
    const words = ['--model', `digits=${join(own, 'models/net.seal')}`, '--port', '0', ...files];
    const gateway = await startGateway(place, words, { program: through });
    const ca = readFileSync(join(own, 'tls/ca.pem'), 'utf8');
    const headers = { authorization: `Bearer ${apiKey}` };
    expect((await ask({ port: gateway.port, ca, headers })).status).toBe(200);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
  });

  test('and no further: what the unit takes away fails', () => {
    const nice = ['nice', '-n', '5', 'true'];
    const run = (words: readonly string[]): string => spawnSync(words[0], words.slice(1), { encoding: 'utf8' }).stderr;
    expect(run(nice)).toBe('');
    expect(run([PYTHON, ...filter, join(deploy, 'systemd/modelward.service'), ...nice])).toContain(
      'cannot set niceness',
    );
  });
});
