import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { codeOf } from '../../../test/error-code.ts';
import { createRedis, describeWithRedis, type RedisServer } from '../../../test/redis.ts';
import { createTwoGateways, nowUs, POLICY, toMost, untilItWorks } from '../../../test/redis-rates.ts';
import { GatewayError } from '../../core/errors.ts';
import type { RateCounter } from '../../gateway/ports.ts';
import { loadRedis } from './client.ts';
import { openRedisCounter, parseRedisAddress } from './index.ts';

const RULE = { intervalUs: 60_000_000, toleranceUs: 4 * 60_000_000 };

describe('an address', () => {
  test.each([
    ['redis://localhost', { host: 'localhost', port: 6379, database: 0, isTls: false, user: null, password: null }],
    ['redis://[::1]:7000/2', { host: '::1', port: 7000, database: 2 }],
    ['rediss://me:p%40ss@limits.example:6380', { host: 'limits.example', isTls: true, user: 'me', password: 'p@ss' }],
  ])('%s', (text, address) => {
    expect(parseRedisAddress(text, { isPasswordAllowed: true })).toMatchObject(address);
  });

  test.each([
    ['scheme', 'http://localhost'],
    ['scheme', 'localhost:6379'],
    ['host', 'redis://'],
    ['host', 'redis://localhost?db=1'],
    ['tls', 'redis://limits.example'],
    ['tls', 'redis://127.0.0.1.evil.example'],
    ['password', 'rediss://me:secret@limits.example'],
    ['database', 'redis://localhost/x'],
  ])('with a wrong %s is refused: %s', (at, text) => {
    expect(() => parseRedisAddress(text, { isPasswordAllowed: false })).toThrow(
      expect.objectContaining({ code: 'LIMITS_URL_MALFORMED', fields: { at } }),
    );
    expect(codeOf(() => parseRedisAddress(text, { isPasswordAllowed: false }))).toBe('LIMITS_URL_MALFORMED');
  });
});

test('a cluster has one database', () => {
  const options = { isPasswordAllowed: true, isCluster: true };
  expect(parseRedisAddress('redis://localhost/0', options).database).toBe(0);
  expect(() => parseRedisAddress('redis://localhost/1', options)).toThrow(
    expect.objectContaining({ code: 'LIMITS_URL_MALFORMED', fields: { at: 'database' } }),
  );
});

test('the package that is not there, or has another major version, is told with the command that installs it', async () => {
  const { peerDependencies } = createRequire(import.meta.url)('../../../package.json') as {
    peerDependencies: Record<string, string>;
  };
  const missing: unknown = await loadRedis('ioredis-that-nobody-installed').catch((error: unknown) => error);
  expect(missing).toMatchObject({ code: 'LIMITS_PACKAGE_MISSING', fields: { found: 'nothing' } });
  expect((missing as GatewayError).row.fix).toContain(`npm install ioredis@${peerDependencies.ioredis}`);
  await expect(loadRedis('zod')).rejects.toMatchObject({
    code: 'LIMITS_PACKAGE_MISSING',
    fields: { found: expect.stringMatching(/^4\./) },
  });
});

describeWithRedis('rates in Redis', () => {
  let server: RedisServer;
  let counters: RateCounter[] = [];
  beforeAll(async () => {
    server = await createRedis();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    // The moment when everybody was empty is an hour ago.
    await server.ask('FLUSHALL');
    await server.ask('SET', 'modelward:rate:empty', String((Date.now() - 3_600_000) * 1000));
  });
  afterEach(async () => {
    server.wake();
    await Promise.all(counters.map((counter) => counter.close()));
    counters = [];
  });

  const open = async (timeoutMs = 2000): Promise<RateCounter> => {
    const address = parseRedisAddress(`redis://:${server.password}@127.0.0.1:${server.port}`, {
      isPasswordAllowed: true,
    });
    const counter = await openRedisCounter({ address, timeoutMs });
    counters.push(counter);
    await untilItWorks(() => counter.refund('nobody', RULE));
    return counter;
  };
  const takeMany = async (counter: RateCounter, count: number, subject = 'a'): Promise<number> => {
    const takes = await Promise.all(Array.from({ length: count }, () => counter.take(subject, RULE)));
    return takes.filter(({ isAdmitted }) => isAdmitted).length;
  };

  test('are one for all that ask, with the whole burst and no more', async () => {
    const [one, two] = [await open(), await open()];
    const admitted = await Promise.all([takeMany(one, 10), takeMany(two, 10)]);
    expect(admitted[0] + admitted[1]).toBe(5);
    const refused = await one.take('a', RULE);
    expect(refused.isAdmitted).toBe(false);
    expect(refused.aheadUs).toBeGreaterThan(RULE.toleranceUs);
    await two.refund('a', RULE);
    expect(await takeMany(one, 3)).toBe(1);
    expect(await takeMany(two, 9, 'b')).toBe(5);
  });

  test('a refund never gives more than a whole burst', async () => {
    const counter = await open();
    await counter.take('a', RULE);
    for (let at = 0; at < 9; at += 1) await counter.refund('a', RULE);
    expect(await takeMany(counter, 12)).toBe(5);
  });

  test('keys of callers at rest go by themselves', async () => {
    const counter = await open();
    await counter.take('a', { intervalUs: 1000, toleranceUs: 0 });
    expect(await server.ask('PTTL', 'modelward:rate:of:a')).toMatch(/:\d{1,4}\r\n\+OK\r\n$/);
  });

  test('a server that lost its memory, or its script, has nothing left for anybody but what comes', async () => {
    const counter = await open();
    expect(await takeMany(counter, 9)).toBe(5);
    await server.kill();
    await expect(counter.take('a', RULE)).rejects.toMatchObject({ code: 'LIMITS_STORE_FAILED' });
    await server.start();
    await untilItWorks(() => counter.take('b', RULE));
    expect(await takeMany(counter, 9)).toBe(0);
    expect(await takeMany(counter, 9, 'c')).toBe(0);
    await server.ask('SCRIPT', 'FLUSH');
    expect(await takeMany(counter, 9, 'c')).toBe(0);
  });

  test('a clock of the server that was set back holds callers up for one interval, not for the difference', async () => {
    const counter = await open();
    const rule = { intervalUs: 50_000, toleranceUs: 0 };
    const ahead = String((Date.now() + 3_600_000) * 1000);
    await server.ask('SET', 'modelward:rate:of:a', ahead);
    await server.ask('SET', 'modelward:rate:empty', ahead);
    expect(await counter.take('a', rule)).toEqual({ isAdmitted: false, aheadUs: 50_000 });
    await untilItWorks(async () => {
      if (!(await counter.take('a', rule)).isAdmitted) throw new GatewayError('LIMITS_STORE_FAILED');
    });
  });

  test('a server that does not answer in time is a failure, and so is one that refuses the login', async () => {
    const counter = await open(100);
    server.sleep();
    await expect(counter.take('a', RULE)).rejects.toMatchObject({
      code: 'LIMITS_STORE_FAILED',
      fields: { reason: 'time' },
    });
    server.wake();
    const address = parseRedisAddress(`redis://:wrong@127.0.0.1:${server.port}`, { isPasswordAllowed: true });
    const stranger = await openRedisCounter({ address });
    counters.push(stranger);
    const refused: unknown = await untilItWorks(async () => {
      const error: unknown = await stranger.take('a', RULE).catch((one: unknown) => one);
      if (error instanceof GatewayError && error.fields.reason !== 'line') return error;
      throw new GatewayError('LIMITS_STORE_FAILED');
    });
    expect(refused).toMatchObject({ code: 'LIMITS_STORE_FAILED', fields: { reason: 'WRONGPASS' } });
    expect(JSON.stringify((refused as GatewayError).fields)).not.toContain('wrong');
  });

  test('through a crash, two gateways admit no more than the rate, and go on by themselves', async () => {
    const { both, told } = createTwoGateways([await open(), await open()]);
    const beginUs = nowUs();
    let admitted = 0;
    const ask = async (ms: number): Promise<void> => {
      for (const end = nowUs() + ms * 1000; nowUs() < end; ) {
        for (const rates of both) if ((await rates.take('a', POLICY)).isAdmitted) admitted += 1;
        await new Promise((done) => setTimeout(done, 5));
      }
    };
    await ask(300);
    await server.kill();
    await ask(1000);
    await server.start();
    while (told.filter((code) => code === null).length < 2) await ask(50);
    await ask(500);
    expect(admitted).toBeLessThanOrEqual(toMost(beginUs));
    expect(admitted).toBeGreaterThan(10);
    expect(told.filter((code) => code === 'LIMITS_STORE_FAILED')).toHaveLength(2);
  });

  test('two processes admit within 5 of 100 of the ideal, and never more', async () => {
    const begin = performance.now();
    const runs = await Promise.all([runProcess(server), runProcess(server)]);
    const longestMs = performance.now() - begin;
    const admitted = runs[0].admitted + runs[1].admitted;
    const sharedMs = Math.max(...runs.map(({ endMs }) => endMs)) - Math.min(...runs.map(({ beginMs }) => beginMs));
    expect(admitted).toBeLessThanOrEqual(20 + longestMs / 20);
    const stalledMs = runs[0].stalledMs + runs[1].stalledMs;
    // One in an interval may be under way at either end.
    expect(admitted).toBeGreaterThanOrEqual(0.95 * (20 + (sharedMs - stalledMs) / 20) - 2);
    expect(runs.every(({ asked }) => asked > 20)).toBe(true);
  });
});

describeWithRedis('a line to Redis over TLS 1.3', () => {
  const identity = makeServerIdentity();
  const toText = (pem: Uint8Array | string): string => Buffer.from(pem).toString();
  let server: RedisServer;
  beforeAll(async () => {
    const { certificatePem, privateKeyPem } = identity;
    server = await createRedis({
      tls: { certificatePem: toText(certificatePem), privateKeyPem: toText(privateKeyPem) },
    });
  });
  afterAll(() => server.remove());

  test('is secured by the authority that is named, and there is none without it', async () => {
    const url = `rediss://:${server.password}@127.0.0.1:${server.tlsPort}`;
    const address = parseRedisAddress(url, { isPasswordAllowed: true });
    const trusted = await openRedisCounter({ address, caPem: toText(identity.caPem), timeoutMs: 2000 });
    await untilItWorks(() => trusted.take('a', RULE));
    await trusted.close();
    const stranger = await openRedisCounter({ address, timeoutMs: 2000 });
    for (let at = 0; at < 20; at += 1) {
      await expect(stranger.take('a', RULE)).rejects.toMatchObject({
        code: 'LIMITS_STORE_FAILED',
        fields: { reason: 'line' },
      });
      await new Promise((done) => setTimeout(done, 10));
    }
    await stranger.close();
  });
});

interface ProcessRun {
  readonly admitted: number;
  readonly asked: number;
  /** For so long it did not run, or got no answer: what came meanwhile may have overflowed. */
  readonly stalledMs: number;
  /** Wall clock. */
  readonly beginMs: number;
  readonly endMs: number;
}

/** A process of its own asks for 3,000 a minute and 20 at once, for two seconds, as fast as it gets answers. */
function runProcess({ port, password }: RedisServer): Promise<ProcessRun> {
  const root = resolve(import.meta.dirname, '../../../dist');
  const of = (path: string): string => JSON.stringify(pathToFileURL(resolve(root, path)).href);
  const script = `
    import { openRedisCounter, parseRedisAddress } from ${of('adapters/redis-limits/index.js')};
    import { createCounterRates } from ${of('gateway/index.js')};
    const address = parseRedisAddress('redis://:${password}@127.0.0.1:${port}', { isPasswordAllowed: true });
    const rates = createCounterRates(await openRedisCounter({ address, timeoutMs: 5000 }));
    const policy = { perMinute: 3000, burst: 20 };
    for (;;) { try { await rates.take('warm', policy); break; } catch { await new Promise((done) => setTimeout(done, 10)); } }
    const beginMs = Date.now();
    let [admitted, asked, stalledMs, lastMs] = [0, 0, 0, beginMs];
    while (Date.now() < beginMs + 2000) {
      const takes = await Promise.all([1, 2, 3, 4].map(() => rates.take('both', policy)));
      asked += takes.length;
      admitted += takes.filter((take) => take.isAdmitted).length;
      const gapMs = Date.now() - lastMs;
      lastMs += gapMs;
      if (gapMs > 100) stalledMs += gapMs;
    }
    process.stdout.write(JSON.stringify({ admitted, asked, stalledMs, beginMs, endMs: Date.now() }));
    await rates.close();`;
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', fail);
    child.on('close', () => {
      try {
        done(JSON.parse(text) as ProcessRun);
      } catch (error) {
        fail(error instanceof Error ? error : new TypeError('no answer'));
      }
    });
  });
}
