/** A gateway whose rates are in a Redis cluster: a caller has his rate and no more, also when a copy takes a server's place. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRedisCluster, type RedisCluster } from '../redis-cluster.ts';
import { describeWithRedis } from '../redis.ts';
import { createWorkplace, samples } from './command.ts';
import { askServing, type Serving, startServing, until } from './serving.ts';

describeWithRedis('a gateway with a Redis cluster', () => {
  const place = createWorkplace({ isOneProcess: true });
  const at = (name: string): string => join(place.folder, name);
  let cluster: RedisCluster;
  let gateway: Serving;
  let apiKey: string;

  beforeAll(async () => {
    cluster = await createRedisCluster();
    copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
    expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'tls']).status).toBe(0);
    writeFileSync(at('redis.password'), `${cluster.password}\n`, { mode: 0o600 });
    const url = `redis://127.0.0.1:${cluster.servers[0].port}`;
    const store = { kind: 'redis', url, cluster: true, passwordFile: 'redis.password', machines: 2, timeoutMs: 1000 };
    const listen = { port: 0, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } };
    const models = [{ name: 'digits', file: 'net.onnx' }];
    writeFileSync(at('gateway.json'), JSON.stringify({ listen, models, limits: { store } }));
    const create = ['apikey', 'create', '--name', 'a', '--model', 'digits', '--per-minute', '600', '--burst', '10'];
    expect(place.run([...create, '-o', 'key.json']).status).toBe(0);
    ({ apiKey } = JSON.parse(readFileSync(at('key.json'), 'utf8')) as { apiKey: string });
    gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.json'] });
  });
  afterAll(async () => {
    await gateway.stop();
    await cluster.remove();
    place.remove();
  });

  /** Asks as fast as it is answered. @returns how many answers of each status, and how long it took */
  async function flood(seconds: number) {
    const ca = readFileSync(at('tls/ca.pem'), 'utf8');
    const counts = new Map<number, number>();
    const began = performance.now();
    while (performance.now() - began < seconds * 1000) {
      const { status } = await askServing(gateway, { ca, headers: { 'x-api-key': apiKey } });
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
    return { given: counts.get(200) ?? 0, refused: counts.get(429) ?? 0, seconds: (performance.now() - began) / 1000 };
  }

  /** Of the servers that are no copies. */
  const findCallers = async (): Promise<string[]> => {
    const found = await Promise.all(
      cluster.servers.slice(0, 3).map((server) => server.ask('KEYS', 'modelward:rate:{*}:of:key:*').catch(() => '')),
    );
    return found.flatMap((text) => text.match(/modelward:rate:\S+/g) ?? []);
  };

  test('counts his rate there', async () => {
    await flood(2);
    const { given, refused, seconds } = await flood(5);
    expect(given).toBeLessThanOrEqual(10 + 10 * seconds);
    expect(given).toBeGreaterThan(0.8 * 10 * seconds);
    expect(refused).toBeGreaterThan(0);
    expect(await findCallers()).toHaveLength(1);
    expect(gateway.told()).not.toContain('LIMITS_STORE_FAILED');
  });

  test('goes on by a copy when a server dies, and never above his rate', async () => {
    const before = performance.now();
    const [first, rest] = [await flood(1), flood(12)];
    await cluster.servers[2].kill();
    const last = await rest;
    const seconds = (performance.now() - before) / 1000;
    expect(first.given + last.given).toBeLessThanOrEqual(10 + 10 * seconds);
    expect(last.given).toBeGreaterThan(0);
    const isBack = (): boolean =>
      !gateway.told().includes('LIMITS_STORE_FAILED') ||
      gateway.told().lastIndexOf('works again') > gateway.told().lastIndexOf('LIMITS_STORE_FAILED');
    // It is looked for when somebody asks.
    await until('the store works', async () => {
      await flood(0.2);
      return isBack();
    });
    expect((await flood(3)).given).toBeGreaterThan(15);
  });
});
