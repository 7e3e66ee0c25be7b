/** The admin API from socket to socket: a listener of its own, a real key, and the numbers of that very listener. */
import { request as sendHttp } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HttpFront, openHttpFront } from '../../src/adapters/http-front/index.ts';
import { openProcessReader } from '../../src/adapters/process-sample/index.ts';
import { HTTP_FRONT_LIMITS } from '../../src/core/limits/http-front.ts';
import {
  ADMIN_SCOPES,
  type AdminDesk,
  createAddressLimiter,
  createAdminHandler,
  createIdentifier,
  createJournal,
  createKeyHasher,
  KeyIndex,
  MemoryRates,
  MetricsRegistry,
  observeGateway,
  observeListeners,
} from '../../src/gateway/index.ts';
import { makeKey } from '../fakes/api-keys.ts';

const hasher = createKeyHasher(null);
const admin = makeKey(hasher, { scopes: ADMIN_SCOPES });
const reader = openProcessReader();
const notAsked = (): never => {
  throw new TypeError('no test asks for this');
};
let front: HttpFront;
let isDrained = false;

beforeAll(async () => {
  const index = new KeyIndex(hasher);
  index.put(admin.record);
  index.trustUntil(Infinity);
  const registry = new MetricsRegistry(Date.now());
  observeGateway(registry, {
    ...{ inFlight: () => 0, models: () => [], upstreams: () => [], spoolBytes: () => 0, logRows: () => 0 },
    readProcess: reader.read,
  });
  observeListeners(registry, () => [['admin', front.stats]]);
  const keys = { list: notAsked, find: notAsked, create: notAsked, rotate: notAsked, revoke: notAsked };
  const desk: AdminDesk = {
    ...{
      isReady: () => true,
      keys,
      models: () => [],
      reloadModel: notAsked,
      reloadConfig: notAsked,
      readUses: notAsked,
      readLog: notAsked,
    },
    ...{ config: () => ({}), readMetrics: () => Promise.resolve(registry.read()) },
    drain: () => {
      isDrained = true;
    },
  };
  const nowUs = () => performance.now() * 1000;
  const handler = createAdminHandler({
    desk,
    identifier: createIdentifier({ keys: index, tokens: null, certificates: null, clock: { nowMs: Date.now } }),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 60 }, nowUs }),
    rates: new MemoryRates({ nowUs }),
    makeRequestId: () => '0192f0c1-2345-7abc-8def-0123456789ab',
    journal: createJournal({ clock: { nowMs: Date.now }, write: () => true }),
  });
  const limits = { ...HTTP_FRONT_LIMITS, bodyBytesMax: 64 * 1024 };
  front = await openHttpFront({ host: '127.0.0.1', port: 0, tls: null, limits, handler, onTrouble: notAsked });
});
afterAll(async () => {
  reader.stop();
  await front.close();
});

function ask(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<[number, string]> {
  return new Promise((done, fail) => {
    const sent = sendHttp({ port: front.port, host: '127.0.0.1', method, path, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => {
        done([answer.statusCode ?? 0, text]);
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

const credential = { authorization: `Bearer ${admin.text}` };

test('health is told to anybody, all else to who may', async () => {
  expect(await ask('GET', '/healthz')).toEqual([200, '{"status":"live"}']);
  expect((await ask('GET', '/metrics'))[0]).toBe(401);
  expect((await ask('POST', '/v1/drain'))[0]).toBe(401);
  expect(isDrained).toBe(false);
  expect(await ask('POST', '/v1/drain', credential)).toEqual([202, '{"isDraining":true}']);
  expect(isDrained).toBe(true);
});

test('the page for Prometheus has the numbers of this process and this listener', async () => {
  const [status, text] = await ask('GET', '/metrics', credential);
  expect(status).toBe(200);
  expect(Number(/^process_memory_usage_bytes (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(10e6);
  expect(Number(/^modelward_connections_total\{listener="admin"\} (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(text).not.toContain('certificate');
});

test('a body above the cap of the listener, and a method that no route has, are refused', async () => {
  const json = { ...credential, 'content-type': 'application/json' };
  expect((await ask('POST', '/v1/keys', json, ' '.repeat(65 * 1024)))[0]).toBe(413);
  expect((await ask('PUT', '/v1/keys', json, '{}'))[0]).toBe(405);
  expect((await ask('DELETE', '/v1/config', credential))[0]).toBe(405);
});
