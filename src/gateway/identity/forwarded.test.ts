import { describe, expect, test } from 'vitest';
import { makeRequest } from '../../../test/fakes/api-keys.ts';
import type { GatewayAnswer, GatewayRequest } from '../ports.ts';
import { behindProxies } from './forwarded.ts';

const ANSWER: GatewayAnswer = { status: 200, headers: [], body: new Uint8Array() };
const PROXIES = ['10.0.0.0/8', 'fd00::/8'];

/** The request as the gateway gets it. */
async function pass(request: GatewayRequest, proxies = PROXIES): Promise<GatewayRequest> {
  const seen: GatewayRequest[] = [];
  await behindProxies((one) => {
    seen.push(one);
    return Promise.resolve(ANSWER);
  }, proxies)(request);
  return seen[0];
}

const from = (address: string, forwarded?: string) =>
  makeRequest(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }, { address });
const callerOf = async (address: string, forwarded?: string): Promise<string> =>
  (await pass(from(address, forwarded))).peer.address;

describe('a caller behind a trusted proxy', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:5123', '203.0.113.9'],
    ['[2001:db8::7]:443', '2001:db8::7'],
    ['2001:DB8::7', '2001:db8::7'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['203.0.113.9, 10.1.1.1, fd00::2', '203.0.113.9'],
    ['198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['127.0.0.1,10.0.0.7,203.0.113.9,10.0.0.8', '203.0.113.9'],
  ])('by "%s" is %s', async (forwarded, caller) => {
    expect(await callerOf('10.0.0.1', forwarded)).toBe(caller);
  });

  test.each([
    [undefined, '10.0.0.1'],
    ['', '10.0.0.1'],
    ['unknown', '10.0.0.1'],
    ['10.0.0.7', '10.0.0.7'],
    ['10.0.0.9, 10.0.0.7', '10.0.0.9'],
    ['nonsense, 10.0.0.7', '10.0.0.7'],
    [',10.0.0.7', '10.0.0.7'],
    [Array<string>(100).fill('10.0.0.7').join(','), '10.0.0.7'],
  ])('is the furthest proxy that is known, where "%s" names nobody else', async (forwarded, caller) => {
    expect(await callerOf('10.0.0.1', forwarded)).toBe(caller);
  });

  test('is who he is however many there were, and asked again', async () => {
    const seen: string[] = [];
    const handle = behindProxies((request) => {
      seen.push(request.peer.address);
      return Promise.resolve(ANSWER);
    }, PROXIES);
    const addresses = Array.from({ length: 5000 }, (_, n) => `203.0.${n >> 8}.${n & 255}`);
    const asked = [...addresses, ...addresses.slice(0, 10), 'nonsense', 'nonsense'];
    for (const address of asked) await handle(from('10.0.0.1', address));
    expect(seen).toEqual([...asked.slice(0, -2), '10.0.0.1', '10.0.0.1']);
  });

  test('cannot make himself another by a list of his own, however long', async () => {
    const own = Array<string>(20_000).fill('10.0.0.7').join(',');
    expect(await callerOf('10.0.0.1', `${own}, 203.0.113.9`)).toBe('203.0.113.9');
  });

  test('has the certificate of the connection, and all else of the request', async () => {
    const certificate = { subjectAltNames: ['DNS:proxy'], sha256Hex: '00', endsMs: Infinity };
    const request = makeRequest({ 'x-forwarded-for': '203.0.113.9' }, { address: '10.0.0.1', certificate });
    const seen = await pass(request);
    expect(seen.peer).toEqual({ address: '203.0.113.9', certificate });
    expect(seen).toMatchObject({ ...request, peer: seen.peer });
    expect(seen.signal).toBe(request.signal);
  });

  test('has the memory of his body given back like others', async () => {
    const request = makeRequest({ 'x-forwarded-for': '203.0.113.9' }, { address: '10.0.0.1' });
    let freed = 0;
    const seen = await pass({
      ...request,
      freeBody: () => {
        freed++;
      },
    });
    seen.freeBody?.();
    expect(freed).toBe(1);
    (await pass(request)).freeBody?.();
  });
});

test.each(['203.0.113.50', '127.0.0.1', 'fe80::1'])('of %s, who is no proxy, the header is not read', async (peer) => {
  expect(await callerOf(peer, '198.51.100.1')).toBe(peer);
});

test('without proxies nothing is asked for it', () => {
  const handler = (): Promise<GatewayAnswer> => Promise.resolve(ANSWER);
  expect(behindProxies(handler, [])).toBe(handler);
});
