/** A thousand exchanges of models and configurations: nothing of what was replaced stays in the process. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkplace, samples } from '../../e2e/command.ts';
import { BODY, INFER, type Serving, until } from '../../e2e/serving.ts';
import { readKey, startGateway } from './gateway-process.ts';

const EXCHANGES = 1000;
const SEALED_EXCHANGES = 60;
/** Until caches are full, threads of pools started, and lines made. */
const WARM = 30;

const MODELS = ['digits', 'sealed', 'far'];

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
let behind: Server | undefined;
let running: Serving | undefined;
let [caller, admins]: [string, string[]] = ['', []];

beforeAll(async () => {
  mkdirSync(at('models'));
  copyFileSync(join(samples, 'mlp.onnx'), at('models/net.onnx'));
  const rates = ['--per-minute', '600000', '--burst', '100000'];
  const models = MODELS.flatMap((name) => ['--model', name]);
  // One caller of the admin API has 600 requests a minute.
  const operators = ['b.json', 'c.json', 'd.json', 'e.json'];
  const runs = place.runAll([
    ['apikey', 'create', '--name', 'a', ...models, ...rates, '-o', 'a.json'],
    ...operators.map((file) => ['apikey', 'create', '--name', 'operator', '--scope', 'admin', '-o', file]),
    ['seal', 'models/net.onnx', '-o', 'models/net.seal'],
  ]);
  expect(runs.map(({ status, stderr }) => (status === 0 ? '' : stderr)).join('')).toBe('');
  caller = readKey(place, 'a.json').apiKey;
  admins = operators.map((file) => readKey(place, file).apiKey);
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('{"outputs":[]}'));
    response.setHeader('content-type', 'application/json');
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  behind = server;
});
afterAll(() => {
  running?.child.kill('SIGKILL');
  behind?.close();
  place.remove();
});

/** @param round each second one has a second version and another line to the server behind */
function toConfig(round: number): string {
  const isOther = round % 2 === 1;
  const port = (behind!.address() as AddressInfo).port;
  return `
listen: {port: 0}
admin: {port: 0}
journal: {file: journal.jsonl}
limits: {drainTimeoutMs: 50}
models:
  - {name: digits, file: models/net.onnx}
  - {name: sealed, file: models/net.seal}
${isOther ? '  - {name: digits, file: models/net.onnx, version: "2"}' : ''}
upstreams:
  - {name: far, url: "http://127.0.0.1:${port}", protocol: plain, limits: {waiting: ${isOther ? 7 : 8}}, models: [{name: far}]}
budgets: {digits: {daily: ${1_000_000 + round}}}
`;
}

interface Held {
  readonly descriptors: number;
  readonly threads: number;
  readonly processes: number;
  readonly rssMib: number;
}

/** What the gateway holds now, by what Linux tells of it. */
function toHeld(pid: number): Held {
  const folder = `/proc/${pid}`;
  const tasks = readdirSync(join(folder, 'task'));
  const children = tasks.flatMap((task) => {
    try {
      return readFileSync(join(folder, 'task', task, 'children'), 'utf8')
        .split(' ')
        .filter(Boolean);
    } catch {
      return []; // A thread that has ended since.
    }
  });
  const rssKib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(join(folder, 'status'), 'utf8'))![1]);
  return {
    descriptors: readdirSync(join(folder, 'fd')).length,
    threads: tasks.length,
    processes: children.length,
    rssMib: Math.round(rssKib / 1024),
  };
}

async function askAll(port: number): Promise<void> {
  for (const name of MODELS) {
    const path = name === 'far' ? '/far' : INFER.replace('digits', name);
    const headers = { authorization: `Bearer ${caller}`, 'content-type': 'application/json', connection: 'close' };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: BODY });
    await answer.arrayBuffer();
    expect([name, answer.status]).toEqual([name, 200]);
  }
}

/** Exchanges so often, and holds what is there in the end against what was there when it was warm. */
async function exchange(times: number, name: string, once: (round: number) => Promise<void>): Promise<void> {
  const { port, child } = running!;
  const [pid, seen]: [number, string[]] = [child.pid!, []];
  for (let round = 0; round < Math.min(WARM, times / 3); round++) await once(round);
  await askAll(port);
  const warm = toHeld(pid);
  for (let round = 0; round < times; round++) {
    await once(round);
    if (round % (times / 10) !== 0) continue;
    await askAll(port);
    const now = toHeld(pid);
    seen.push(JSON.stringify(now));
    // What is replaced ends its work beside what has taken its place: a few at a time, never one for each exchange.
    expect(now.descriptors).toBeLessThan(warm.descriptors + 60);
    expect(now.threads).toBeLessThan(warm.threads + 20);
  }
  process.stdout.write(`${name}: warm ${JSON.stringify(warm)}, then ${seen.join(' ')}\n`);
  await until(`${name}: nothing more is held than before: ${JSON.stringify([warm, toHeld(pid)])}`, () => {
    const { descriptors, threads, processes } = toHeld(pid);
    return descriptors <= warm.descriptors + 8 && threads <= warm.threads + 4 && processes <= warm.processes;
  });
  expect(toHeld(pid).rssMib).toBeLessThan(warm.rssMib + 192);
}

describe.skipIf(process.platform !== 'linux')('a gateway', () => {
  test(
    'whose models and configuration are exchanged a thousand times holds no more files, threads and processes than before',
    async () => {
      writeFileSync(at('gateway.yaml'), toConfig(0));
      running = await startGateway(place, ['gateway.yaml', '--plaintext']);
      const { child, told } = running;
      const adminPort = Number(/admin API at http:\/\/127\.0\.0\.1:(\d+)/.exec(told())![1]);
      const reload = (name: string) => async (round: number) => {
        const headers = {
          authorization: `Bearer ${admins[round % admins.length]}`,
          'content-type': 'application/json',
          connection: 'close',
        };
        const path = `http://127.0.0.1:${adminPort}/v1/models/${name}/reload`;
        const answer = await fetch(path, { method: 'POST', headers, body: '{}' });
        expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
      };
      const taken = (): number => readFileSync(at('journal.jsonl'), 'utf8').split('"config-reloaded"').length - 1;
      await exchange(EXCHANGES, 'a plain model', reload('digits'));
      await exchange(SEALED_EXCHANGES, 'a sealed model', reload('sealed'));
      let rounds = 1;
      await exchange(EXCHANGES, 'the configuration', async () => {
        const before = taken();
        writeFileSync(at('gateway.yaml'), toConfig(rounds++));
        child.kill('SIGHUP');
        await until('taken up', () => taken() > before, 60_000);
      });
      child.kill('SIGTERM');
      expect(await running.ended).toBe(0);
    },
    45 * 60_000,
  );
});
