/** The built gateway under kill -9, a full disk, one that cannot be written, a table that is locked, and models that die at work. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createWorkplace, samples, type Workplace } from '../../e2e/command.ts';
import type { Serving } from '../../e2e/serving.ts';
import { describeWhere } from '../../shared-data.ts';
import { Client, type KeyFile, readKey, startGateway, type Told } from './gateway-process.ts';
import { holdDatabase } from './hold-database.ts';

const INFER = '/v2/models/digits/infer';
const BODY = JSON.stringify({
  inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) }],
});
const TLS = ['--port', '0', '--tls-cert', 'tls/server.pem', '--tls-key', 'tls/server.key'];
const CONCURRENCY = 16;

let place: Workplace;
let key: KeyFile;
let ca: Buffer;
const started: Serving[] = [];
const mounts: string[] = [];

beforeEach(() => {
  place = createWorkplace({ isOneProcess: true });
});
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL');
  for (const mount of mounts.splice(0).reverse()) execFileSync('umount', ['--lazy', mount]);
  place.remove();
});

/** Keys, certificates and a model; the gateway's folder is there before. */
function prepare(): void {
  mkdirSync(join(place.folder, 'models'));
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'models/net.onnx'));
  const rates = ['--per-minute', '600000', '--burst', '100000', '--concurrency', String(CONCURRENCY)];
  const runs = place.runAll([
    ['tls', 'init', '--out', 'tls'],
    ['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json', ...rates],
    ['seal', 'models/net.onnx', '-o', 'models/net.seal'],
  ]);
  expect(runs.map(({ status }) => status)).toEqual([0, 0, 0]);
  key = readKey(place, 'a.json');
  ca = readFileSync(join(place.folder, 'tls/ca.pem'));
}

async function start(model = 'models/net.onnx'): Promise<{ gateway: Serving; client: Client }> {
  const gateway = await startGateway(place, ['--model', `digits=${model}`, ...TLS]);
  started.push(gateway);
  return { gateway, client: new Client(gateway.port, ca, CONCURRENCY) };
}

const ask = (client: Client): Promise<Told> => client.ask({ path: INFER, body: BODY, apiKey: key.apiKey });
const requestIdOf = ({ all }: Told): string => /x-request-id\n([0-9a-f-]{36})/.exec(all.toString('latin1'))?.[1] ?? '';
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Asks from so many sides until told to stop or the other side is gone; what was answered. */
function load(client: Client): { readonly told: Told[]; stop(): Promise<void> } {
  const told: Told[] = [];
  let isOver = false;
  const sides = Array.from({ length: CONCURRENCY }, async () => {
    while (!isOver) {
      try {
        told.push(await ask(client));
      } catch {
        return;
      }
    }
  });
  return {
    told,
    stop: async () => {
      isOver = true;
      await Promise.all(sides);
    },
  };
}

/** Ends it in good order: every id that was answered with a row is in the log, and the log is intact. */
async function expectWhole(gateway: Serving, answered: readonly Told[]): Promise<void> {
  gateway.child.kill('SIGTERM');
  expect(await gateway.ended).toBe(0);
  rmSync(join(place.folder, 'log.jsonl'), { force: true });
  expect(place.run(['log', 'export', '-o', 'log.jsonl']).status).toBe(0);
  const kept = readFileSync(join(place.folder, 'log.jsonl'), 'utf8');
  const good = answered.filter(({ status }) => status === 200).map(requestIdOf);
  expect(good.length).toBeGreaterThan(0);
  expect(good.filter((id) => !kept.includes(id))).toEqual([]);
  expect(place.json<{ isIntact: boolean }>(['log', 'verify', '--json']).isIntact).toBe(true);
  expect(readdirSync(join(place.home, 'gateway/spool'))).toEqual([]);
}

test('killed at eight moments under load, it loses no row that was answered for; chains and checkpoints hold', async () => {
  prepare();
  const answered: Told[] = [];
  for (let round = 0; round < 8; round++) {
    const { gateway, client } = await start();
    const work = load(client);
    while (work.told.length < 20) await pause(5);
    await pause(round * 90);
    gateway.child.kill('SIGKILL');
    await work.stop();
    client.close();
    answered.push(...work.told);
  }
  const { gateway, client } = await start();
  answered.push(await ask(client));
  await expectWhole(gateway, answered);
});

test('while the table of the log is locked answers are given; what waited is in it afterwards', async () => {
  prepare();
  const { gateway, client } = await start();
  const first = await ask(client);
  await pause(300);
  const release = await holdDatabase(join(place.home, 'gateway/log.db'));
  const work = load(client);
  await pause(4000);
  await work.stop();
  await release();
  expect(work.told.every(({ status, code }) => status === 200 || code === 'GATEWAY_LOG_FULL')).toBe(true);
  expect(work.told.some(({ status }) => status === 200)).toBe(true);
  await expectWhole(gateway, [first, ...work.told]);
});

describe('the process that holds a sealed model', () => {
  test('is killed at work, again and again: 503 for what was in it, a new one, and all places are free', async () => {
    prepare();
    const { gateway, client } = await start('models/net.seal');
    const work = load(client);
    for (let round = 0; round < 4; round++) {
      const before = work.told.length;
      while (work.told.length < before + 30) await pause(5);
      const pid = findRunner(gateway.child.pid!);
      process.kill(pid, 'SIGKILL');
      while (!isAnswering(work.told)) await pause(20);
      while (findRunner(gateway.child.pid!, pid) === 0) await pause(20);
    }
    while (!isAnswering(work.told)) await pause(20);
    await work.stop();
    expect(work.told.every(({ status }) => status === 200 || status === 503)).toBe(true);
    expect(work.told.some(({ status }) => status === 503)).toBe(true);
    // As many at once as the key may have: a place that was lost would show as 429.
    const all = await Promise.all(Array.from({ length: CONCURRENCY }, () => ask(client)));
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
    await expectWhole(gateway, work.told);
  });
});

const isAnswering = (told: readonly Told[]): boolean => told.slice(-5).every(({ status }) => status === 200);

/** Process id of the child that holds a model, other than `not`; 0 where there is none. */
function findRunner(parent: number, not = 0): number {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(parent)], { encoding: 'utf8' });
  return (
    stdout
      .split('\n')
      .map(Number)
      .find((pid) => pid > 0 && pid !== not) ?? 0
  );
}

const canMount = process.getuid?.() === 0 && existsSync('/proc/mounts') && tryMount();

function tryMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describeWhere(canMount, 'a disk of its own', 'root, to mount one', () => {
  const mountGateway = (): string => {
    const folder = join(place.home, 'gateway');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', folder]);
    mounts.push(folder);
    return folder;
  };

  test('that is full: no answer without a row, a code for each; with room again it goes on, and all is whole', async () => {
    const folder = mountGateway();
    prepare();
    const { gateway, client } = await start();
    const first = await ask(client);
    expect(first.status).toBe(200);
    const filler = join(folder, 'filler');
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(4096), { flag: 'a' });
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
    const work = load(client);
    while (!work.told.some(({ status }) => status === 503)) await pause(20);
    await pause(500);
    await work.stop();
    const codes = new Set(work.told.map(({ status, code }) => `${status} ${code}`));
    expect([...codes].filter((code) => !/^(200 |503 GATEWAY_LOG_(FAILED|FULL))/.test(code))).toEqual([]);
    expect(gateway.child.exitCode).toBeNull();
    rmSync(filler);
    const again: Told[] = [];
    while (again.at(-1)?.status !== 200) again.push(await ask(client));
    await expectWhole(gateway, [first, ...work.told, ...again]);
  });

  test('that cannot be written: it says so before it listens', async () => {
    const folder = mountGateway();
    prepare();
    const { gateway, client } = await start();
    const first = await ask(client);
    await expectWhole(gateway, [first]);
    execFileSync('mount', ['--bind', folder, folder]);
    mounts.push(folder);
    execFileSync('mount', ['-o', 'remount,bind,ro', folder]);
    const { status, stderr } = place.runAlone(['serve', '--model', 'digits=models/net.onnx', ...TLS]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/code +[A-Z_]+/);
    expect(stderr).not.toContain('    at ');
    expect(stderr).not.toContain('gateway at');
    execFileSync('mount', ['-o', 'remount,bind,rw', folder]);
    const next = await start();
    await expectWhole(next.gateway, [first, await ask(next.client)]);
  });
});
