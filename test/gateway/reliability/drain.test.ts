/** The end under load: what was taken is answered whole, nothing is cut, and the process ends with 0. */
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, expect, test } from 'vitest';
import { createWorkplace, samples } from '../../e2e/command.ts';
import type { Serving } from '../../e2e/serving.ts';
import { readKey, startGateway } from './gateway-process.ts';

const place = createWorkplace({ isOneProcess: true });
let gateway: Serving | undefined;
afterAll(() => {
  gateway?.child.kill('SIGKILL');
  place.remove();
});

const BODY = JSON.stringify({
  inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) }],
});

test('each request that was written before the signal has its answer, then "connection: close"; the log has them all', async () => {
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'net.onnx'));
  const rates = ['--per-minute', '600000', '--burst', '100000', '--concurrency', '64'];
  const runs = place.runAll([
    ['tls', 'init', '--out', 'tls'],
    ['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json', ...rates],
  ]);
  expect(runs.map(({ status }) => status)).toEqual([0, 0]);
  const { apiKey } = readKey(place, 'a.json');
  const words = [
    '--model',
    'digits=net.onnx',
    '--port',
    '0',
    '--tls-cert',
    'tls/server.pem',
    '--tls-key',
    'tls/server.key',
  ];
  const running = await startGateway(place, words);
  gateway = running;
  const ca = readFileSync(join(place.folder, 'tls/ca.pem'));
  const head = `POST /v2/models/digits/infer HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`;
  let [asked, answered, isSignalled] = [0, 0, false];
  const clients = Array.from({ length: 16 }, async () => {
    const socket = connect({ port: running.port, host: '127.0.0.1', ca });
    socket.on('error', () => undefined);
    await new Promise((done) => socket.once('secureConnect', done));
    let text = '';
    const ask = (): void => {
      asked++;
      socket.write(head + BODY);
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      if (end < 0 || text.length < end + 4 + length) return;
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      answered++;
      const isLast = /connection: close/i.test(text);
      text = '';
      // After the signal nothing more is asked: whatever is under way then must be answered.
      if (!isLast && !isSignalled) ask();
    });
    const closed = new Promise((done) => socket.once('close', done));
    ask();
    await closed;
    expect(text).toBe('');
  });
  while (answered < 200) await new Promise((done) => setTimeout(done, 5));
  isSignalled = true;
  running.child.kill('SIGTERM');
  await Promise.all(clients);
  expect(await running.ended).toBe(0);
  expect(answered).toBe(asked);
  const { streams, isIntact } = place.json<{ streams: { rows: number }[]; isIntact: boolean }>([
    'log',
    'verify',
    '--json',
  ]);
  expect([streams.map(({ rows }) => rows), isIntact]).toEqual([[asked], true]);
});
