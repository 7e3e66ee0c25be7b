/** How long a key that was revoked is let in by any of several workers, while it is used on connections to each of them. */
import { existsSync, readFileSync, readlinkSync, readdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWhere } from '../shared-data.ts';
import { createWorkplace, samples } from './command.ts';
import { listWorkers } from './gateway-workers.ts';
import { BODY, INFER, type Serving, startServing, until } from './serving.ts';

const WORKERS = 4;
/** So many that the workers, who take them in turn, have some each. */
const CONNECTIONS = 4 * WORKERS;
const ROUNDS = 6;
const WITHIN_MS = 1000;

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const agents = Array.from({ length: CONNECTIONS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
let gateway: Serving;
let admin: string;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly key: string;
  readonly body?: string;
  readonly agent?: Agent;
}

function ask(port: number, { method, path, key, body = '', agent }: Asked): Promise<{ status: number; text: string }> {
  const headers = {
    ...{ authorization: `Bearer ${key}`, 'content-length': Buffer.byteLength(body) },
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise((done, fail) => {
    const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => {
        done({ status: response.statusCode ?? 0, text });
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

const infer = async (key: string, agent: Agent): Promise<number> =>
  (await ask(gateway.port, { method: 'POST', path: INFER, key, body: BODY, agent })).status;

async function makeKey(name: string): Promise<{ readonly keyId: string; readonly apiKey: string }> {
  const limits = { perMinute: 600_000, burst: 10_000, concurrency: 1000 };
  const body = JSON.stringify({ name, tenant: 'default', scopes: ['infer:digits'], limits });
  const { status, text } = await ask(gateway.adminPort, { method: 'POST', path: '/v1/keys', key: admin, body });
  expect(status).toBe(201);
  const made = JSON.parse(text) as { readonly key: { readonly id: string }; readonly apiKey: string };
  return { keyId: made.key.id, apiKey: made.apiKey };
}

const WAYS: readonly ((keyId: string) => Promise<void>)[] = [
  async (keyId) => {
    const asked = { method: 'DELETE', path: `/v1/keys/${keyId}`, key: admin };
    expect((await ask(gateway.adminPort, asked)).status).toBe(200);
  },
  async (keyId) => {
    expect((await place.runBeside(['apikey', 'revoke', keyId])).status).toBe(0);
  },
];

/** Connections of callers that a process has, as Linux tells of them. */
function countConnections(pid: number): number {
  const port = `:${gateway.port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n');
  const cells = rows.map((row) => row.trim().split(/\s+/));
  const inodes = new Set(cells.filter((row) => row[1]?.endsWith(port) && row[3] === '01').map((row) => row[9]));
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  return links.filter((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '')).length;
}

/** Asks on each connection a hundred times a second until that is refused. @returns when the last request that was let in had been sent */
async function useUntilRefused(key: string): Promise<number> {
  const last = await Promise.all(
    agents.map(async (agent) => {
      for (let sentAt = 0; ; ) {
        const now = performance.now();
        const status = await infer(key, agent);
        if (status !== 200) {
          expect(status).toBe(401);
          return sentAt;
        }
        sentAt = now;
        await setTimeout(10);
      }
    }),
  );
  return Math.max(...last);
}

describeWhere(existsSync('/proc/self/task'), 'a key that is revoked, at four workers', '/proc', () => {
  beforeAll(async () => {
    const scopes = ['keys:read', 'keys:write'].flatMap((scope) => ['--scope', scope]);
    expect(place.run(['apikey', 'create', '--name', 'admin', ...scopes, '-o', 'admin.json']).status).toBe(0);
    admin = (JSON.parse(readFileSync(at('admin.json'), 'utf8')) as { apiKey: string }).apiKey;
    const models = `models: [{name: digits, file: ${JSON.stringify(join(samples, 'mlp.onnx'))}}]\n`;
    // Not refused as an address of many wrong keys.
    const limits = 'limits: {failuresPerMinute: 100000}\n';
    writeFileSync(at('gateway.yaml'), `workers: ${WORKERS}\nlisten: {port: 0}\nadmin: {port: 0}\n${limits}${models}`);
    gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.yaml', '--plaintext'] });
    await until('its admin listener', () => gateway.adminPort > 0);
  });
  afterAll(() => {
    for (const agent of agents) agent.destroy();
    gateway.child.kill('SIGKILL');
    place.remove();
  });

  test('is let in by none of them a second later, however it was revoked', async () => {
    const lateMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { keyId, apiKey } = await makeKey(`round-${round}`);
      await until('known to all', async () =>
        (await Promise.all(agents.map((agent) => infer(apiKey, agent)))).every((status) => status === 200),
      );
      const shares = listWorkers(gateway).map(countConnections);
      expect(shares).toHaveLength(WORKERS);
      expect(Math.min(...shares)).toBeGreaterThan(0);
      const used = useUntilRefused(apiKey);
      await WAYS[round % WAYS.length](keyId);
      const revokedAt = performance.now();
      lateMs.push((await used) - revokedAt);
    }
    expect(Math.max(...lateMs), `of rounds, ms: ${lateMs.map(Math.round).join(' ')}`).toBeLessThan(WITHIN_MS);
  });
});
