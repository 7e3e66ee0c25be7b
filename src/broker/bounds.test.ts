/** What the broker bounds: paths, rates, sessions, and the table of them. */
import { beforeEach, describe, expect, test } from 'vitest';
import { expectRefused } from '../../test/broker/expect-refused.ts';
import { makeBroker, makeGuest, RESOURCE, type TestBroker } from '../../test/broker/kit.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';

let broker: TestBroker;

beforeEach(() => {
  broker = makeBroker();
});

const AUTH = '/kbs/v0/auth';

const ATTEST = '/kbs/v0/attest';

describe('the broker is bounded', () => {
  test.each([
    ['GET', AUTH],
    ['POST', `/kbs/v0/resource/${RESOURCE}`],
    ['POST', '/kbs/v0/attestation-policy'],
    ['DELETE', ATTEST],
    ['GET', '/'],
    ['POST', '/kbs/v0/auth/'],
    ['POST', '//kbs/v0/auth'],
  ])('%s %s: nothing there', async (method, path) => {
    expectRefused(broker, await broker.send({ method, path, body: {} }), 404, 'BROKER_PATH_UNKNOWN');
  });

  test('an address that asks too often is refused until the minute is over, and costs one entry', async () => {
    const ask = () => broker.send({ method: 'GET', path: '/' });
    for (let n = 0; n < BROKER_LIMITS.requestsPerMinuteMax; n++) await ask();
    const above = [await ask(), await ask(), await ask()];
    expect(above.map(({ status, code }) => [status, code])).toEqual(Array(3).fill([429, 'BROKER_BUSY']));
    expect(broker.counted.filter((code) => code === 'BROKER_BUSY')).toHaveLength(1);
    expect((await broker.send({ method: 'GET', path: '/', remoteAddress: '192.0.2.2' })).status).toBe(404);
    broker.advance(60_000);
    expect((await ask()).status).toBe(404);
  });

  test('an address has so many open sessions, and gets room again when they end', async () => {
    for (let n = 0; n < BROKER_LIMITS.sessionsPerAddressMax; n++) await broker.auth();
    const body = { version: '0.4.0', tee: 'snp' };
    expectRefused(broker, await broker.send({ method: 'POST', path: AUTH, body }), 429, 'BROKER_BUSY');
    await broker.auth('snp', '192.0.2.2');
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    await broker.auth();
  });

  test('addresses below one IPv6 prefix of 64 bits are one: one host cannot fill the table', async () => {
    const toAddress = (n: number): string => `2001:db8::${n.toString(16)}`;
    for (let n = 0; n < BROKER_LIMITS.sessionsPerAddressMax; n++) await broker.auth('snp', toAddress(n));
    const ask = (remoteAddress: string) =>
      broker.send({ method: 'POST', path: AUTH, body: { version: '0.4.0', tee: 'snp' }, remoteAddress });
    expectRefused(broker, await ask('2001:db8::ffff:1:2:3'), 429, 'BROKER_BUSY');
    expect((await ask('2001:db8:0:1::1')).status).toBe(200);
  });

  test('an IPv6 network of 48 bits gets an eighth of the table, however many networks of 64 bits it has', async () => {
    const { sessionsPerNetworkMax, requestsPerMinuteOfNetworkMax, sessionsMax } = BROKER_LIMITS;
    expect(sessionsPerNetworkMax * 8).toBeLessThanOrEqual(sessionsMax);
    for (let n = 0; n < sessionsPerNetworkMax; n++) await broker.auth('snp', `2001:db8:7:${n.toString(16)}::1`);
    const ask = (remoteAddress: string) =>
      broker.send({ method: 'POST', path: AUTH, body: { version: '0.4.0', tee: 'snp' }, remoteAddress });
    expectRefused(broker, await ask('2001:db8:7:ffff::1'), 429, 'BROKER_BUSY');
    expect((await ask('2001:db8:8::1')).status).toBe(200);
    // Requests are counted by network, too: beyond its rate it takes no more places in the table of addresses.
    for (let n = sessionsPerNetworkMax + 1; n < requestsPerMinuteOfNetworkMax; n++) await ask('2001:db8:7:fffe::1');
    const path = (remoteAddress: string) => broker.send({ method: 'GET', path: '/', remoteAddress });
    expect((await path('2001:db8:7:fffd::1')).status).toBe(429);
    expect((await path('2001:db8:8::1')).status).toBe(404);
    broker.advance(BROKER_LIMITS.sessionLifeMs);
    expect((await ask('2001:db8:7:ffff::1')).status).toBe(200);
  });

  test('requests from below one IPv6 prefix, and from both forms of an IPv4 address, share one rate', async () => {
    const ask = async (remoteAddress: string) =>
      (await broker.send({ method: 'GET', path: '/', remoteAddress })).status;
    for (let n = 0; n < BROKER_LIMITS.requestsPerMinuteMax; n++) {
      await ask(`2001:db8::${n.toString(16)}`);
      await ask(n % 2 === 0 ? '203.0.113.5' : '::ffff:203.0.113.5');
    }
    const above = ['2001:db8::ffff', '203.0.113.5', '::ffff:203.0.113.5'];
    expect(await Promise.all(above.map(ask))).toEqual([429, 429, 429]);
    expect(await Promise.all(['2001:db8:0:1::1', '::ffff:203.0.113.6'].map(ask))).toEqual([404, 404]);
  });

  test('a full table refuses, and keeps the sessions that it has', async () => {
    const first = await broker.auth('snp', '198.51.100.0');
    for (let n = 1; n < BROKER_LIMITS.sessionsMax; n++) await broker.auth('snp', `10.0.${n >> 6}.1`);
    const body = { version: '0.4.0', tee: 'snp' };
    const sent = await broker.send({ method: 'POST', path: AUTH, body, remoteAddress: '203.0.113.9' });
    expectRefused(broker, sent, 429, 'BROKER_BUSY');
    expect((await broker.attest(first.cookie, first.nonce, makeGuest())).status).toBe(200);
  });
});
