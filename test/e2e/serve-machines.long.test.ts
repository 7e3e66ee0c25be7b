/**
 * Two gateways as on two machines: homes of their own, one PostgreSQL, one Redis, each over TLS. What one of them counts, learns or
 * writes holds for both, also while a store or a gateway is killed.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../broker/tls.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../postgres.ts';
import { createRedis, describeWithRedis, type RedisServer } from '../redis.ts';
import { createWorkplace, samples } from './command.ts';
import { askServing, type Serving, startServing, until } from './serving.ts';

describeWithPostgres('gateways of several machines', () => {
  describeWithRedis('with one PostgreSQL and one Redis', runTests);
});

interface KeyFile {
  readonly keyId: string;
  readonly apiKey: string;
}

function runTests(): void {
  const places = [createWorkplace({ isOneProcess: true }), createWorkplace({ isOneProcess: true })] as const;
  const [place] = places;
  const at = (name: string): string => join(place.folder, name);
  const database = ['--database-file', at('secrets/database.url')];
  const gateways: Serving[] = [];
  /** Ids of all requests that were answered by 200. */
  const given: string[] = [];
  let postgres: Postgres;
  let redis: RedisServer;
  let ca: string;

  beforeAll(async () => {
    const identity = makeServerIdentity();
    const pem = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
    postgres = await createPostgres({ isTls: true });
    redis = await createRedis({
      tls: { certificatePem: pem(identity.certificatePem), privateKeyPem: pem(identity.privateKeyPem) },
    });
    mkdirSync(at('secrets'));
    copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
    writeFileSync(at('redis-ca.pem'), identity.caPem);
    writeFileSync(at('secrets/redis.password'), `${redis.password}\n`, { mode: 0o600 });
    const query = `?sslmode=verify-full&sslrootcert=${postgres.certificatePath}`;
    writeFileSync(at('secrets/database.url'), `${postgres.url({ query })}\n`, { mode: 0o600 });
    expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'tls']).status).toBe(0);
    ca = readFileSync(at('tls/ca.pem'), 'utf8');
    const store = {
      ...{ kind: 'redis', url: `rediss://127.0.0.1:${redis.tlsPort}`, passwordFile: 'secrets/redis.password' },
      ...{ authority: 'redis-ca.pem', machines: 2, timeoutMs: 1000 },
    };
    const config = {
      listen: { port: 0, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } },
      models: [{ name: 'digits', file: 'net.onnx' }],
      ...{ limits: { store }, database: { file: 'secrets/database.url' } },
    };
    writeFileSync(at('gateway.json'), JSON.stringify(config));
    gateways.push(await start(0), await start(1));
  });
  afterAll(async () => {
    for (const { child } of gateways) child.kill('SIGKILL');
    await redis.remove();
    postgres.remove();
    for (const one of places) one.remove();
  });

  const start = (which: number): Promise<Serving> =>
    startServing({ folder: place.folder, home: places[which].home, args: ['gateway.json'] });

  function makeKey(name: string, ...words: readonly string[]): KeyFile {
    const file = `${name}.json`;
    const create = ['apikey', 'create', '--name', name, '--model', 'digits', '-o', file, ...database, ...words];
    expect(place.run(create)).toMatchObject({ status: 0 });
    return JSON.parse(readFileSync(at(file), 'utf8')) as KeyFile;
  }

  async function ask(which: number, { apiKey }: KeyFile): Promise<number> {
    const { status, requestId } = await askServing(gateways[which], { ca, headers: { 'x-api-key': apiKey } });
    if (status === 200) given.push(requestId);
    return status;
  }

  /** Whether it is known to both, whatever else they say; or to none of them. */
  const isKnown = async (key: KeyFile): Promise<boolean> => (await ask(0, key)) !== 401 && (await ask(1, key)) !== 401;
  const isUnknown = async (key: KeyFile): Promise<boolean> =>
    (await ask(0, key)) === 401 && (await ask(1, key)) === 401;

  /** Asks both as fast as they answer, until it is told to stop. */
  function flood(key: KeyFile) {
    const began = performance.now();
    let isOver = false;
    const counts = new Map<number, number>();
    const run = async (which: number): Promise<void> => {
      while (!isOver) {
        const status = await ask(which, key);
        counts.set(status, (counts.get(status) ?? 0) + 1);
        if (status !== 200) await pause(15);
      }
    };
    const running = Promise.all([0, 0, 1, 1].map(run));
    const count = (status: number): number => counts.get(status) ?? 0;
    const end = async (): Promise<{ readonly seconds: number }> => {
      isOver = true;
      await running;
      return { seconds: (performance.now() - began) / 1000 };
    };
    return { count, end };
  }

  let exports = 0;
  const exportIds = (): string => {
    const file = `log-${exports++}.jsonl`;
    expect(place.run(['log', 'export', '-o', file, ...database])).toMatchObject({ status: 0 });
    return readFileSync(at(file), 'utf8');
  };
  const findLost = (): readonly string[] => {
    const text = exportIds();
    return given.filter((id) => !text.includes(id));
  };

  describe('a key', () => {
    test('that was made on one machine is let in by both, and once it is revoked by neither, within a second', async () => {
      const key = makeKey('short');
      await until('let in', () => isKnown(key), 1000);
      expect(place.run(['apikey', 'revoke', key.keyId, ...database]).status).toBe(0);
      await until('refused', () => isUnknown(key), 1000);
    });

    test('has one rate over both, and never more', async () => {
      const key = makeKey('rate', '--per-minute', '120', '--burst', '10');
      await until('known', () => isKnown(key), 5000);
      await pause(10_000);
      const load = flood(key);
      await pause(15_000);
      const { seconds } = await load.end();
      expect(load.count(200)).toBeLessThanOrEqual(10 + 2 * seconds);
      expect(load.count(200)).toBeGreaterThan(0.95 * (9 + 2 * seconds));
      expect(load.count(200) + load.count(429)).toBeGreaterThan(100);
    });

    test('has one budget over both, and never more', async () => {
      const before = given.length;
      const key = makeKey('budget', '--daily', '60', '--per-minute', '6000', '--burst', '200');
      await until('known', () => isKnown(key), 5000);
      const load = flood(key);
      await until('used up', () => load.count(429) > 20);
      await load.end();
      // What one of them has left of its lease, when the other has nothing any more.
      await until('used up by both', async () => (await ask(0, key)) === 429 && (await ask(1, key)) === 429);
      const { used } = place.json<{ used: { today: number } }>(['apikey', 'show', key.keyId, ...database]);
      expect(used.today).toBeLessThanOrEqual(60);
      expect(given.length - before).toBeGreaterThan(50);
      expect(given.length - before).toBeLessThanOrEqual(60);
    });
  });

  test('while Redis is killed each counts a share, beginning with nothing; when it is back, both go on together', async () => {
    const key = makeKey('outage', '--per-minute', '120', '--burst', '10');
    await until('known', () => isKnown(key), 5000);
    const load = flood(key);
    await pause(3000);
    await redis.kill();
    const told = (words: string) => () => gateways.every((gateway) => gateway.told().includes(words));
    await until('told', told('store of rates: LIMITS_STORE_FAILED'));
    await pause(8000);
    expect(load.count(503)).toBe(0);
    const before = load.count(200);
    await redis.start();
    await until('told', told('store of rates: works again'));
    await pause(6000);
    expect(load.count(200)).toBeGreaterThan(before);
    const { seconds } = await load.end();
    expect(load.count(200)).toBeLessThanOrEqual(10 + 2 * seconds);
    expect(load.count(200)).toBeGreaterThan(0.6 * 2 * seconds);
  });

  test('while PostgreSQL is away both answer, and what they answered is in it afterwards', async () => {
    const key = makeKey('log', '--per-minute', '60000', '--burst', '1000');
    await until('known', () => isKnown(key), 5000);
    postgres.stop();
    const before = given.length;
    const load = flood(key);
    await pause(2000);
    postgres.start();
    await pause(2000);
    await load.end();
    expect(given.length - before).toBeGreaterThan(50);
    await until('there', () => findLost().length === 0);
  });

  test('of one that is killed at work no row is lost: the next process of its home brings them in', async () => {
    const key = makeKey('kill', '--per-minute', '60000', '--burst', '1000');
    await until('known', () => isKnown(key), 5000);
    const load = flood(key);
    await pause(1500);
    gateways[1].child.kill('SIGKILL');
    await load.end().catch(() => undefined);
    gateways[1] = await start(1);
    await until('there', () => findLost().length === 0);
  });

  test('a rolling restart behind a balancer refuses nobody and loses nothing', async () => {
    const key = makeKey('rolling', '--per-minute', '60000', '--burst', '1000');
    const atFirst = given.length;
    await until('known', () => isKnown(key), 5000);
    const answeredAtFirst = given.length - atFirst;
    const outcomes: unknown[] = [];
    const before = given.length;
    let isOver = false;
    // As a balancer: one that closes the connection without a word is passed over.
    const balance = async (first: number): Promise<unknown> => {
      for (const which of [first, 1 - first]) {
        try {
          return await ask(which, key);
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code !== 'ECONNREFUSED' && code !== 'ECONNRESET') return code;
        }
      }
      return 'nobody';
    };
    const load = Array.from({ length: 4 }, async (_, n) => {
      for (let round = n; !isOver; round += 1) outcomes.push(await balance(round % 2));
    });
    for (const which of [0, 1]) {
      await pause(1000);
      expect(await gateways[which].stop()).toBe(0);
      gateways[which] = await start(which);
    }
    await pause(1000);
    isOver = true;
    await Promise.all(load);
    expect(outcomes.filter((outcome) => outcome !== 200)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(100);
    // Nothing that was run was left without its answer: as many rows as answers.
    const countRows = (): number =>
      exportIds()
        .split('\n')
        .filter((line) => line.includes(key.keyId) && line.includes('"status":200')).length;
    const known = given.length - before + answeredAtFirst;
    await until('there', () => countRows() >= known);
    expect(countRows()).toBe(known);
    expect(findLost()).toEqual([]);
  });

  test('the log of both is verified as one, by the ledger of each and the key of the other', async () => {
    for (const gateway of gateways) expect(await gateway.stop()).toBe(0);
    expect(findLost()).toEqual([]);
    for (const [which, one] of places.entries()) {
      const pem = places[1 - which].run(['log', 'key']).stdout;
      writeFileSync(at(`other-${which}.pem`), pem);
      const verify = ['log', 'verify', ...database];
      // Without the other one's key its checkpoints are by nobody who is known.
      expect(one.run(verify).status).toBe(1);
      const { isIntact, streams } = one.json<{
        readonly isIntact: boolean;
        readonly streams: readonly { readonly rows: number; readonly covered: number; readonly anchored: number }[];
      }>([...verify, '--public-key', at(`other-${which}.pem`)]);
      expect(isIntact).toBe(true);
      const sum = (name: 'rows' | 'covered' | 'anchored'): number => streams.reduce((all, row) => all + row[name], 0);
      expect(streams.length).toBeGreaterThanOrEqual(5);
      expect(sum('covered')).toBe(sum('rows'));
      expect(sum('anchored')).toBeGreaterThan(0);
      expect(sum('anchored')).toBeLessThan(sum('rows'));
    }
  });

  test('no password is in what they said, in the log or in a home', () => {
    const said = gateways.map((gateway) => gateway.told()).join('');
    for (const secret of [postgres.password, redis.password]) expect(said).not.toContain(secret);
  });
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
