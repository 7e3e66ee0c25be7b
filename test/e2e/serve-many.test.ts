/** A configuration of two thousand models: it is read, each of them answers, and a reload of it takes effect. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readKey } from '../gateway/reliability/gateway-process.ts';
import { createWorkplace } from './command.ts';
import { type Serving, startServing, until } from './serving.ts';

const MODELS = 2000;
/** Of one server, in the configuration. */
const OF_ONE = 250;
const place = createWorkplace({ isOneProcess: true });
const asked: string[] = [];
let behind: Server;
let gateway: Serving | undefined;

function writeConfig(count: number): void {
  const tensor = (name: string) => ({ name, datatype: 'FP32', shape: [-1, 1] });
  const signature = { inputs: [tensor('x')], outputs: [tensor('y')] };
  const models = Array.from({ length: count }, (_, n) => ({ name: `m${n}`, signature }));
  const url = `http://127.0.0.1:${(behind.address() as AddressInfo).port}`;
  const upstreams = Array.from({ length: Math.ceil(count / OF_ONE) }, (_, n) => ({
    ...{ name: `behind-${n}`, url, protocol: 'oip' },
    models: models.slice(n * OF_ONE, (n + 1) * OF_ONE),
  }));
  writeFileSync(join(place.folder, 'gateway.json'), JSON.stringify({ listen: { port: 0 }, journal: {}, upstreams }));
}

beforeAll(async () => {
  behind = createServer((incoming, response) => {
    incoming.resume();
    if (incoming.method === 'POST') asked.push(incoming.url ?? '');
    const outputs = [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [1] }];
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ model_name: 'any', outputs }));
  });
  await once(behind.listen(0, '127.0.0.1'), 'listening');
  writeConfig(MODELS);
  const rate = ['--per-minute', '60000', '--burst', '1000'];
  expect(place.run(['apikey', 'create', '--name', 'a', '--model', '*', ...rate, '-o', 'a.json']).status).toBe(0);
  gateway = await startServing({ folder: place.folder, home: place.home, args: ['gateway.json', '--plaintext'] });
});
afterAll(() => {
  gateway?.child.kill('SIGKILL');
  behind.close();
  place.remove();
});

async function infer(model: string): Promise<number> {
  const headers = {
    authorization: `Bearer ${readKey(place, 'a.json').apiKey}`,
    'content-type': 'application/json',
  };
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] });
  const path = `/v2/models/${model}/infer`;
  return (await fetch(`http://127.0.0.1:${gateway!.port}${path}`, { method: 'POST', headers, body })).status;
}

test('each of them answers, one that is not there does not, and one more is taken up while it serves', async () => {
  const names = Array.from({ length: MODELS }, (_, n) => `m${n}`).filter((_, n) => n % 97 === 0 || n === MODELS - 1);
  for (const name of names) expect([name, await infer(name)]).toEqual([name, 200]);
  expect(asked).toEqual(names.map((name) => `/v2/models/${name}/infer`));
  expect(await infer(`m${MODELS}`)).not.toBe(200);
  writeConfig(MODELS + 1);
  gateway!.child.kill('SIGHUP');
  await until('taken up', () => gateway!.lines().some(({ event }) => event === 'config-reloaded'));
  expect(await infer(`m${MODELS}`)).toBe(200);
});
