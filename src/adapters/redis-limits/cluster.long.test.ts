/** Rates in a cluster: whatever its servers do, no caller gets more than his rate. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRedisCluster, type RedisCluster } from '../../../test/redis-cluster.ts';
import { describeWithRedis } from '../../../test/redis.ts';
import { createTwoGateways, nowUs, POLICY, toMost, untilItWorks } from '../../../test/redis-rates.ts';
import { GatewayError } from '../../core/errors.ts';
import { loadRedis } from './client.ts';
import { openRedisCounter, parseRedisAddress, type RedisCounter } from './index.ts';

/** Five at once, and then one a minute. */
const RULE = { intervalUs: 60_000_000, toleranceUs: 4 * 60_000_000 };
const CALLERS = Array.from({ length: 40 }, (_, index) => `caller-${index}`);
const PARTS = Array.from({ length: 64 }, (_, part) => part);

describeWithRedis('rates in a cluster', () => {
  let cluster: RedisCluster;
  let counters: RedisCounter[] = [];
  beforeEach(async () => {
    cluster = await createRedisCluster();
    await rest(cluster);
  });
  afterEach(async () => {
    await Promise.all(counters.map((counter) => counter.close()));
    counters = [];
    await cluster.remove();
  });

  const open = async (options: { readonly isCluster?: boolean; readonly timeoutMs?: number } = {}) => {
    const url = `redis://:${cluster.password}@127.0.0.1:${cluster.servers[0].port}`;
    const address = parseRedisAddress(url, { isPasswordAllowed: true });
    const counter = await openRedisCounter({ address, isCluster: true, timeoutMs: 2000, ...options });
    counters.push(counter);
    return counter;
  };
  const openReady = async (): Promise<RedisCounter> => {
    const counter = await open();
    await untilItWorks(() => counter.begin());
    return counter;
  };

  test('are one for all that ask, and lie on all its servers', async () => {
    const both = [await openReady(), await openReady()];
    const takes = CALLERS.map((caller) =>
      Promise.all([...both, ...both, ...both, ...both].map((one) => one.take(caller, RULE))),
    );
    for (const taken of await Promise.all(takes)) expect(taken.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(5);
    for (const server of cluster.servers.slice(0, 3)) expect(await server.ask('DBSIZE')).toMatch(/:[1-9]\d+\r\n/);
    await both[0].refund('caller-7', RULE);
    expect([await both[1].take('caller-7', RULE), await both[1].take('caller-7', RULE)]).toMatchObject([
      { isAdmitted: true },
      { isAdmitted: false },
    ]);
    await both[0].drain();
    expect(await both[1].take('caller-new', RULE)).toMatchObject({ isAdmitted: false });
  });

  test('are counted on where keys move to another server meanwhile', async () => {
    const both = [await openReady(), await openReady()];
    const admitted = new Map(CALLERS.map((caller) => [caller, 0]));
    let [asked, failed, isMoving] = [0, 0, true];
    const askOn = async (counter: RedisCounter): Promise<void> => {
      for (let at = 0; isMoving || at < 20 * CALLERS.length; at += 1) {
        const caller = CALLERS[at % CALLERS.length];
        asked += 1;
        try {
          if ((await counter.take(caller, RULE)).isAdmitted) admitted.set(caller, admitted.get(caller)! + 1);
        } catch (error) {
          expect(error).toMatchObject({ code: 'LIMITS_STORE_FAILED' });
          failed += 1;
        }
      }
    };
    const asking = Promise.all(both.map(askOn));
    await cluster.moveSlots(cluster.servers[0], cluster.servers[1]).finally(() => {
      isMoving = false;
    });
    await asking;
    expect(await cluster.servers[0].ask('DBSIZE')).toContain(':0\r\n');
    expect([...admitted.values()].filter((count) => count > 5)).toEqual([]);
    expect([...admitted.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(
      5 * CALLERS.length - failed,
    );
    expect(failed).toBeLessThan(asked / 20);
    expect(await both[0].take('somebody new', { intervalUs: 1, toleranceUs: 0 })).toBeDefined();
  });

  test('go on where a copy takes the place of a server that died, and it knows what was counted', async () => {
    const counter = await openReady();
    const takeAll = () =>
      Promise.all(CALLERS.flatMap((caller) => [0, 1, 2, 3, 4].map(() => counter.take(caller, RULE))));
    expect((await takeAll()).every(({ isAdmitted }) => isAdmitted)).toBe(true);
    const dying = cluster.servers[2];
    expect(await dying.ask('WAIT', '1', '5000')).toContain(':1\r\n');
    await dying.kill();
    const after = await untilItWorks(takeAll);
    expect(after.filter(({ isAdmitted }) => isAdmitted)).toEqual([]);
  });

  test('admit no more than the rate with two gateways, through the death of a server that has no copy, and its return without a memory', async () => {
    const { both, told } = createTwoGateways([await openReady(), await openReady()]);
    const callers = CALLERS.slice(0, 8);
    const admitted = new Map(callers.map((caller) => [caller, 0]));
    const beginUs = nowUs();
    const askFor = async (ms: number): Promise<void> => {
      for (const end = nowUs() + ms * 1000; nowUs() < end; ) {
        const asks = both.flatMap((rates) =>
          callers.map(async (caller) => {
            if ((await rates.take(caller, POLICY)).isAdmitted) admitted.set(caller, admitted.get(caller)! + 1);
          }),
        );
        await Promise.all(asks);
        await new Promise((done) => setTimeout(done, 5));
      }
    };
    await askFor(300);
    await cluster.servers[0].kill();
    await askFor(1000);
    await cluster.servers[0].start();
    while (told.at(-1) !== null || told.filter((code) => code === null).length < 2) await askFor(50);
    await askFor(500);
    const most = toMost(beginUs);
    for (const count of admitted.values()) {
      expect(count).toBeLessThanOrEqual(most);
      expect(count).toBeGreaterThan(10);
    }
  });

  test('by somebody who takes it for one server are a failure that says so', async () => {
    const counter = await open({ isCluster: false });
    const error = await untilItWorks(async () => {
      const one: unknown = await counter.take('a', RULE).catch((cause: unknown) => cause);
      if (one instanceof GatewayError && one.fields.reason === 'line') throw one;
      return one;
    });
    expect(error).toMatchObject({
      code: 'LIMITS_STORE_FAILED',
      fields: { reason: expect.stringMatching(/^(CROSSSLOT|MOVED)$/) },
    });
    expect((error as GatewayError).row.fix).toContain('limits.store.cluster');
  });
});

/** The moment when nobody had anything left is an hour ago. */
async function rest({ servers, password }: RedisCluster): Promise<void> {
  const { Cluster } = await loadRedis();
  const client = new Cluster([{ host: '127.0.0.1', port: servers[0].port }], { redisOptions: { password } });
  const hourAgo = String((Date.now() - 3_600_000) * 1000);
  await Promise.all(PARTS.map((part) => client.set(`modelward:rate:{${part}}:empty`, hourAgo)));
  client.disconnect();
}
