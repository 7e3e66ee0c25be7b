/** A configuration of two thousand models behind 64 servers: each is found, and all of them are exchanged while the gateway serves. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorkplace } from '../../e2e/command.ts';
import { askServing, type Serving, startServing, until } from '../../e2e/serving.ts';

const place = createWorkplace();
const at = (name: string): string => join(place.folder, name);
const ANSWER = JSON.stringify({ outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [2] }] });
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
let server: Server;
let serving: Serving | undefined;

beforeAll(async () => {
  server = createServer((incoming, response) => {
    incoming.resume();
    incoming.on('end', () => response.setHeader('content-type', 'application/json').end(ANSWER));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'tls']).status).toBe(0);
  expect(place.run(['apikey', 'create', '--name', 'a', '--model', '*', '-o', 'a.json']).status).toBe(0);
});
afterAll(async () => {
  await serving?.stop();
  server.closeAllConnections();
  server.close();
  place.remove();
});

/** 64 servers with 32 models each, called after `prefix`. */
function write(prefix: string): void {
  const { port } = server.address() as AddressInfo;
  const tensor = (name: string) => ({ name, datatype: 'FP32', shape: [-1, 1] });
  const signature = { inputs: [tensor('x')], outputs: [tensor('y')] };
  const upstreams = Array.from({ length: 64 }, (_, n) => ({
    ...{ name: `server-${n}`, url: `http://127.0.0.1:${port}`, protocol: 'oip' },
    models: Array.from({ length: 32 }, (_, m) => ({ name: `${prefix}-${n}-${m}`, upstreamName: 'net', signature })),
  }));
  const listen = { port: 0, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } };
  writeFileSync(at('gateway.json'), JSON.stringify({ listen, upstreams }));
}

test('2,048 models behind 64 servers are each found; others take their place, and theirs end', async () => {
  write('net');
  const gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.json'] });
  serving = gateway;
  const ca = readFileSync(at('tls/ca.pem'), 'utf8');
  const { apiKey } = JSON.parse(readFileSync(at('a.json'), 'utf8')) as { readonly apiKey: string };
  const ask = async (model: string): Promise<string> => {
    const path = `/v2/models/${model}/infer`;
    const { status, code } = await askServing(gateway, { ca, path, body: BODY, headers: { 'x-api-key': apiKey } });
    return `${status} ${code}`.trim();
  };
  const ends = ['0-0', '0-31', '31-16', '63-31'];
  for (const end of ends) await until(end, async () => (await ask(`net-${end}`)) === '200');
  expect(await ask('net-64-0')).toBe('403 GATEWAY_NOT_ALLOWED');
  write('other');
  gateway.child.kill('SIGHUP');
  await until('taken up', async () => (await ask('other-63-31')) === '200');
  expect(await Promise.all(ends.map((end) => ask(`net-${end}`)))).toEqual(ends.map(() => '403 GATEWAY_NOT_ALLOWED'));
});
