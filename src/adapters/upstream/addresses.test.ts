/** Where inference servers are asked, and where never. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { failureOf, textOf, toHttp, toUpstreamRequest, useLines } from '../../../test/upstream/kit.ts';
import { createAddressCheck, isLoopback } from './addresses.ts';

const { line, server } = useLines();

describe('an address', () => {
  test.each([
    ['169.254.169.254'],
    ['169.254.170.2'],
    ['::ffff:169.254.169.254'],
    ['::ffff:a9fe:a9fe'],
    ['0:0:0:0:0:ffff:a9fe:a9fe'],
    ['::169.254.169.254'],
    ['64:ff9b::a9fe:a9fe'],
    ['2002:a9fe:a9fe::1'],
    ['fe80::1'],
    ['fe80::1%eth0'],
    ['febf::1'],
    ['fd00:ec2::254'],
    ['fd20:ce::254'],
    ['100.100.100.200'],
    ['192.0.0.192'],
    ['168.63.129.16'],
    ['0.0.0.0'],
    ['::'],
    ['::ffff:0.0.0.0'],
    ['224.0.0.1'],
    ['255.255.255.255'],
    ['ff02::1'],
    ['metadata.google.internal'],
    [''],
  ])('%s is not asked', (address) => {
    expect(createAddressCheck().isAllowed(address)).toBe(false);
  });

  test.each([
    ['127.0.0.1'],
    ['::1'],
    ['10.0.0.7'],
    ['172.16.1.1'],
    ['192.168.0.1'],
    ['fd12::1'],
    ['203.0.113.9'],
    ['2001:db8::1'],
  ])('%s is asked', (address) => {
    expect(createAddressCheck().isAllowed(address)).toBe(true);
  });

  test('that a configuration allows is asked, and one that it denies is not', () => {
    const check = createAddressCheck({ allow: ['169.254.7.0/24', 'fe80::/64'], deny: ['10.0.0.0/8', '127.0.0.0/8'] });
    expect(['169.254.7.1', 'fe80::9', '::ffff:169.254.7.1'].map((one) => check.isAllowed(one))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['169.254.8.1', '10.1.1.1', '::ffff:10.1.1.1', '127.0.0.1'].some((one) => check.isAllowed(one))).toBe(false);
  });

  test.each([
    ['10.0.0.0'],
    ['10.0.0.0/33'],
    ['fe80::/129'],
    ['x/8'],
    ['10.0.0.0/8 '],
  ])('no network: "%s"', (network) => {
    expect(codeOf(() => createAddressCheck({ allow: [network] }))).toBe('UPSTREAM_SETTING_INVALID');
  });

  test.each([
    ['127.0.0.1', true],
    ['127.255.0.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['128.0.0.1', false],
    ['::2', false],
    ['127.example', false],
  ])('%s is of this machine: %s', (address, isLocal) => {
    expect(isLoopback(address)).toBe(isLocal);
  });
});

describe('the address of a line', () => {
  test.each([
    ['ftp://127.0.0.1', 'UPSTREAM_URL_INVALID'],
    ['x', 'UPSTREAM_URL_INVALID'],
    ['https://user@127.0.0.1', 'UPSTREAM_URL_INVALID'],
    ['https://127.0.0.1/?a=b', 'UPSTREAM_URL_INVALID'],
    ['https://127.0.0.1/#a', 'UPSTREAM_URL_INVALID'],
    ['https://127.0.0.1/a%2fb', 'UPSTREAM_URL_INVALID'],
    ['http://10.0.0.7', 'UPSTREAM_PLAINTEXT'],
    ['http://triton:8000', 'UPSTREAM_PLAINTEXT'],
    ['http://127.0.0.1.example:8000', 'UPSTREAM_PLAINTEXT'],
    ['https://169.254.169.254/latest', 'UPSTREAM_ADDRESS_REFUSED'],
    ['https://[fe80::1]', 'UPSTREAM_ADDRESS_REFUSED'],
    ['https://0xa9fea9fe', 'UPSTREAM_ADDRESS_REFUSED'],
  ])('%s is refused: %s', async (url, code) => {
    expect((await failureOf(line(url))).code).toBe(code);
  });

  test.each([
    [['host', 'evil']],
    [['transfer-encoding', 'chunked']],
    [['X-Upper', 'a']],
    [['x-a', 'a\r\nb: c']],
    [['x-a', '']],
  ] as const)('with the header %j of its own is refused', async (header) => {
    expect((await failureOf(line('http://127.0.0.1:9', { headers: [header] }))).code).toBe('UPSTREAM_SETTING_INVALID');
  });
});

describe('a name', () => {
  test('that comes to stand for a metadata service is asked only while it does not', async () => {
    const faulty = await server((socket) => socket.write(toHttp('ok', 'connection: close\r\n')));
    const answers = [['127.0.0.1'], ['169.254.169.254'], ['169.254.169.254', '127.0.0.1']];
    let asked = 0;
    const upstream = await line(`http://model.test:${faulty.port}`, {
      allowPlaintext: true,
      resolve: () => Promise.resolve(answers[asked++]),
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    await faulty.idle();
    const second = await failureOf(upstream.send(toUpstreamRequest()));
    expect(second).toEqual({ code: 'GATEWAY_UPSTREAM_UNREACHABLE', fields: { reason: 'address' } });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    // Once for each connection: what was checked is what was connected to.
    expect(asked).toBe(3);
    expect(faulty.requests[0]).toContain(`host: model.test:${faulty.port}\r\n`);
  });

  test('of this machine in plaintext must be one: "localhost" that leads elsewhere is not asked', async () => {
    const upstream = await line('http://localhost:9', { resolve: () => Promise.resolve(['203.0.113.9']) });
    expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ fields: { reason: 'plaintext' } });
  });

  test('that stands for nothing, or cannot be resolved, is unreachable', async () => {
    for (const resolve of [() => Promise.resolve([]), () => Promise.reject(new Error('ENOTFOUND'))]) {
      const upstream = await line('http://model.test', { allowPlaintext: true, resolve });
      expect(await failureOf(upstream.send(toUpstreamRequest()))).toMatchObject({ fields: { reason: 'name' } });
    }
  });

  test('with several addresses is asked at the next one when the first does not listen', async () => {
    const faulty = await server((socket) => socket.write(toHttp('ok')));
    const upstream = await line(`http://model.test:${faulty.port}`, {
      allowPlaintext: true,
      resolve: () => Promise.resolve(['127.0.0.2', '127.0.0.1']),
    });
    expect(textOf(await upstream.send(toUpstreamRequest()))).toBe('ok');
    expect(upstream.stats.retries).toBe(0);
  });
});
