/** Configuration, models and certificates that change under load: no request fails, and bad ones change nothing. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { createWorkplace, samples } from '../../e2e/command.ts';
import { makeServerFiles } from './certificates.ts';
import type { Serving } from '../../e2e/serving.ts';
import { Client, readKey, startGateway } from './gateway-process.ts';

const place = createWorkplace({ isOneProcess: true });
let gateway: Serving | undefined;
afterAll(() => {
  gateway?.child.kill('SIGKILL');
  place.remove();
});
const at = (...names: readonly string[]): string => join(place.folder, ...names);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const BODY = JSON.stringify({
  inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) }],
});
const toConfig = (models: string): string =>
  `listen: {port: 0, tls: {cert: tls/server.pem, key: tls/server.key}}\nmodels: [{name: digits, file: net.onnx}${models}]\n`;

test('versions that come and go, a configuration that is none, and other certificates: every answer is 200', async () => {
  for (const name of ['tls', 'other']) mkdirSync(at(name));
  const [first, second] = [makeServerFiles(at('tls')), makeServerFiles(at('other'), 'other authority')];
  copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
  writeFileSync(at('gateway.yaml'), toConfig(''));
  const rates = ['--per-minute', '600000', '--burst', '100000', '--concurrency', '64'];
  const made = place.run(['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json', ...rates]);
  expect(made.status).toBe(0);
  const { apiKey } = readKey(place, 'a.json');
  const running = await startGateway(place, ['gateway.yaml']);
  gateway = running;
  const authorities = first.ca + second.ca;
  let isOver = false;
  const statuses = new Map<number, number>();
  const ask = async (client: Client, path = '/v2/models/digits/infer'): Promise<number> =>
    (await client.ask({ path, body: BODY, apiKey })).status;
  const sides = Array.from({ length: 8 }, async (_, n) => {
    let client = new Client(running.port, authorities, 1);
    for (let asked = 0; !isOver; asked++) {
      const status = await ask(client, n === 0 ? '/v2/models/digits/versions/1/infer' : undefined);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      // Half of them come over new connections now and then.
      if (n % 2 === 1 && asked % 20 === 0) {
        client.close();
        client = new Client(running.port, authorities, 1);
      }
    }
    client.close();
  });
  const client = new Client(running.port, authorities);
  const other = '/v2/models/digits/versions/2/infer';
  const change = (text: string): void => {
    writeFileSync(at('gateway.yaml'), text);
    running.child.kill('SIGHUP');
  };
  for (let round = 0; round < 3; round++) {
    change(toConfig(', {name: digits, version: "2", file: net.onnx}'));
    while ((await ask(client, other)) !== 200) await pause(20);
    change('models: 7\nextra: 1\n');
    await pause(300);
    expect(await ask(client, other)).toBe(200);
    change(toConfig(''));
    while ((await ask(client, other)) !== 403) await pause(20);
  }
  for (const name of ['server.pem', 'server.key']) writeFileSync(at('tls', name), 'no certificate');
  await pause(500);
  for (const name of ['server.pem', 'server.key']) copyFileSync(at('other', name), at('tls', name));
  while ((await handshake(running.port, second.ca)) !== 'TLSv1.3') await pause(200);
  expect(await handshake(running.port, second.ca, 'TLSv1.2')).toMatch(/^ERR_SSL_/);
  isOver = true;
  await Promise.all(sides);
  expect([...statuses.keys()]).toEqual([200]);
  running.child.kill('SIGTERM');
  expect(await running.ended).toBe(0);
});

function handshake(port: number, ca: string, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1', ca, maxVersion });
    socket.on('secureConnect', () => {
      done(socket.getProtocol() ?? '');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      done(error.code ?? 'error');
    });
  });
}
