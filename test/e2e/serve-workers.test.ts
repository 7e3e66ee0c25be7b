/** The gateway as several processes: what is counted is counted once, what is revoked is revoked in all, and none is missed when one dies. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { describeWhere } from '../shared-data.ts';
import { createWorkplace, samples } from './command.ts';
import { isAlive, listWorkers } from './gateway-workers.ts';
import { type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const children: ChildProcess[] = [];
const WORKERS = 2;
const BODY = JSON.stringify({
  inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) }],
});

const ANSWER = JSON.stringify({
  ...{ model_name: 'slow', model_version: '1' },
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [1] }],
});

let ca: string;
/** Holds what it is asked until it is let go. */
let slow: Server;
const held: ServerResponse[] = [];

interface KeyFile {
  readonly keyId: string;
  readonly apiKey: string;
}

/** By name: made before the gateway begins, which looks at the table twice a second. */
const keys = new Map<string, KeyFile>();

function createKey(name: string, ...more: readonly string[]): void {
  const file = `${name}.json`;
  const args = ['apikey', 'create', '--name', name, '--model', '*', '-o', file, ...more];
  expect(place.run(args).status).toBe(0);
  keys.set(name, JSON.parse(readFileSync(at(file), 'utf8')) as KeyFile);
}

const FAST = ['--per-minute', '600000', '--burst', '10000', '--concurrency', '1000'];

function toConfig(slowPort: number, limits: object = {}): string {
  const tensor = (name: string) => ({ name, datatype: 'FP32', shape: [-1, 1] });
  return stringify({
    ...{ workers: WORKERS, limits, admin: { port: 0, openMetrics: true } },
    listen: { port: 0, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } },
    models: [{ name: 'digits', file: join(samples, 'mlp.onnx') }],
    upstreams: [
      {
        ...{ name: 'slow', url: `http://127.0.0.1:${slowPort}`, protocol: 'oip' },
        models: [{ name: 'slow', signature: { inputs: [tensor('x')], outputs: [tensor('y')] } }],
      },
    ],
  });
}

beforeAll(async () => {
  slow = createServer((incoming, response) => {
    incoming.resume();
    if (incoming.method === 'POST') held.push(response);
    else response.end();
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  expect(place.run(['tls', 'init', '--out', 'tls']).status).toBe(0);
  ca = readFileSync(at('tls/ca.pem'), 'utf8');
  const { port } = slow.address() as AddressInfo;
  writeFileSync(at('gateway.yaml'), toConfig(port));
  writeFileSync(at('few.yaml'), toConfig(port, { failuresPerMinute: 5 }));
  createKey('rate', '--per-minute', '1', '--burst', '7', '--concurrency', '100');
  createKey('slow', '--concurrency', '3', '--burst', '100');
  for (const name of ['gone', 'load']) createKey(name, ...FAST);
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  slow.closeAllConnections();
  slow.close();
  place.remove();
});

async function start(config: string): Promise<Serving> {
  const { folder, home } = place;
  const gateway = await startServing({ folder, home, args: [config] });
  children.push(gateway.child);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly id: string;
}

interface Ask {
  readonly apiKey: string;
  readonly model?: string;
  /** Without it each request has a connection of its own, and so the next worker in turn. */
  readonly agent?: Agent;
}

function ask({ port }: Serving, { apiKey, model = 'digits', agent }: Ask): Promise<Answer> {
  const path = `/v2/models/${model}/infer`;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` };
  const body =
    model === 'digits' ? BODY : JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
  return new Promise((done, fail) => {
    const sent = request(
      { host: '127.0.0.1', port, method: 'POST', path, ca, agent: agent ?? false, headers },
      (response) => {
        response.resume();
        response.on('error', fail);
        response.on('end', () => {
          const { statusCode: status = 0, headers: told } = response;
          done({ status, code: String(told['x-modelward-code'] ?? ''), id: String(told['x-request-id']) });
        });
      },
    );
    sent.on('error', fail);
    sent.end(body);
  });
}

/** Answered requests of all processes by status, as the first one tells Prometheus. */
async function readCounts({ adminPort }: Serving): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const counts: Record<string, number> = {};
  const line = /^http_server_request_duration_seconds_count\{.*http_response_status_code="(\d+)"\} (\d+)$/gm;
  for (const [, status, count] of text.matchAll(line)) counts[status] = (counts[status] ?? 0) + Number(count);
  return counts;
}

function toCounts(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of answers) {
    const kind = `${status} ${code}`.trim();
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

describeWhere(existsSync('/proc/self/task'), 'modelward serve with two workers', '/proc', () => {
  let gateway: Serving;
  const given: string[] = [];
  beforeAll(async () => {
    gateway = await start('gateway.yaml');
  });

  test('counts rates over both: never more than one burst; and its own answers over both', async () => {
    const { apiKey } = keys.get('rate')!;
    const answers = await Promise.all(Array.from({ length: 24 }, () => ask(gateway, { apiKey })));
    expect(toCounts(answers)).toEqual({ '200': 7, '429 GATEWAY_RATE_LIMITED': 17 });
    given.push(...answers.filter(({ status }) => status === 200).map(({ id }) => id));
    expect(await readCounts(gateway)).toEqual({ '200': 7, '429': 17 });
  });

  test('lets a caller have as many at work as he may, not as many in each', async () => {
    const { apiKey } = keys.get('slow')!;
    const asked = Array.from({ length: 12 }, () => ask(gateway, { apiKey, model: 'slow' }));
    const refused: Answer[] = [];
    for (const one of asked) void one.then((answer) => refused.push(answer));
    await until('three at work', () => held.length === 3 && refused.length === 9);
    expect(toCounts(refused)).toEqual({ '429 GATEWAY_CONCURRENCY': 9 });
    for (const response of held.splice(0)) response.setHeader('content-type', 'application/json').end(ANSWER);
    const answers = await Promise.all(asked);
    expect(answers.filter(({ code }) => code !== 'GATEWAY_CONCURRENCY')).toHaveLength(3);
    // Their places are free again.
    const next = ask(gateway, { apiKey, model: 'slow' });
    await until('at work', () => held.length === 1);
    held.splice(0)[0].destroy();
    expect((await next).status).toBe(502);
  });

  test('refuses a revoked key in both', async () => {
    const { apiKey, keyId } = keys.get('gone')!;
    expect((await ask(gateway, { apiKey })).status).toBe(200);
    expect(place.run(['apikey', 'revoke', keyId]).status).toBe(0);
    const statuses: number[] = [];
    await until('refused eight times in turn', async () => {
      statuses.push((await ask(gateway, { apiKey })).status);
      return statuses.length >= 8 && statuses.slice(-8).every((status) => status === 401);
    });
  });

  test('goes on when one is killed: its connections break, others are answered, and another one takes its place', async () => {
    const { apiKey } = keys.get('load')!;
    const before = listWorkers(gateway);
    expect(before).toHaveLength(WORKERS);
    const outcomes: (Answer | 'broken')[] = [];
    let isLoaded = true;
    const load = Array.from({ length: 6 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (isLoaded) outcomes.push(await ask(gateway, { apiKey, agent }).catch(() => 'broken' as const));
      agent.destroy();
    });
    await until('load', () => outcomes.length > 50);
    process.kill(before[0], 'SIGKILL');
    await until('another one', () => listWorkers(gateway).some((pid) => !before.includes(pid)));
    const seen = outcomes.length;
    await until('more', () => outcomes.length > seen + 100);
    isLoaded = false;
    await Promise.all(load);
    const answers = outcomes.filter((outcome) => outcome !== 'broken');
    // What was under way in the one that was killed, and what was handed to it in the moment of its end.
    expect(outcomes.length - answers.length).toBeLessThanOrEqual(12);
    expect(toCounts(answers)).toEqual({ '200': answers.length });
    await until('told', () => /worker [12]: GATEWAY_WORKER_ENDED/.test(gateway.told()));
    given.push(...answers.map(({ id }) => id));
  });

  test('closes a connection that was on its way to a worker when that ended: nobody waits for ever', async () => {
    await until('both', () => listWorkers(gateway).length === WORKERS);
    const { apiKey } = keys.get('load')!;
    expect((await ask(gateway, { apiKey })).status).toBe(200);
    const [stopped] = listWorkers(gateway);
    process.kill(stopped, 'SIGSTOP');
    const asked = Array.from({ length: 4 }, () => ask(gateway, { apiKey }).catch(() => 'broken' as const));
    let settled = 0;
    for (const one of asked) void one.then(() => (settled += 1));
    await until('those of the other', () => settled === 3);
    process.kill(stopped, 'SIGKILL');
    const outcomes = await Promise.all(asked);
    expect(outcomes.filter((outcome) => outcome === 'broken')).toHaveLength(1);
    given.push(...outcomes.flatMap((outcome) => (outcome === 'broken' ? [] : [outcome.id])));
    await until('another one', () => listWorkers(gateway).some((pid) => pid !== stopped && isAlive(pid)));
  });

  test('ends all of them by one signal, and the log has each answer of each, also of the one that was killed', async () => {
    await until('both', () => listWorkers(gateway).length === WORKERS);
    const pids = listWorkers(gateway);
    gateway.child.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
    // Of one that was killed before it had a row, an empty folder may be there.
    expect(readdirSync(join(place.home, 'gateway/spool'), { recursive: true })).not.toContainEqual(
      expect.stringMatching(/\.spool$/),
    );
    const { streams, isIntact } = place.json<{ streams: { rows: number; anchored: number }[]; isIntact: boolean }>([
      ...['log', 'verify', '--json'],
    ]);
    expect(isIntact).toBe(true);
    expect(streams.length).toBeGreaterThanOrEqual(WORKERS + 1);
    expect(streams.every(({ rows, anchored }) => anchored === rows)).toBe(true);
    expect(place.run(['log', 'export', '-o', 'log.jsonl']).status).toBe(0);
    const text = readFileSync(at('log.jsonl'), 'utf8');
    expect(given.length).toBeGreaterThan(150);
    expect(given.filter((id) => !text.includes(id))).toEqual([]);
    expect(place.run(['ledger', 'fsck']).status).toBe(0);
  });

  test('refuses an address that failed too often in both; killed, it leaves nothing behind: neither a worker nor a listener', async () => {
    const other = await start('few.yaml');
    const blamed: Answer[] = [];
    const begin = performance.now();
    for (let n = 0; n < 30; n += 1) blamed.push(await ask(other, { apiKey: 'none' }));
    const { '401 GATEWAY_CREDENTIAL_INVALID': taken, '429 GATEWAY_RATE_LIMITED': refused } = toCounts(blamed);
    expect(taken + refused).toBe(30);
    // Five, one more each 12 seconds, and one that the other worker was told of too late: not five in each.
    expect(taken).toBeLessThanOrEqual(7 + (performance.now() - begin) / 12_000);
    const pids = listWorkers(other);
    other.child.kill('SIGKILL');
    await until('all ended', () => !pids.some(isAlive));
    await expect(ask(other, { apiKey: 'none' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('tells why a worker cannot serve, and serves not at all', () => {
    const words = ['--model', 'digits=absent.onnx', '--plaintext', '--port', '0', '--workers', '2'];
    const { status, stderr } = place.runAlone(['serve', ...words]);
    expect(status).not.toBe(0);
    expect(stderr).toContain('absent.onnx');
    expect(stderr).not.toContain('    at ');
  });
});
