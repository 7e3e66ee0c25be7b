/** The first API key of a gateway, and ports that are not opened where nobody could ask. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask, startGateway } from '../deploy/kit.ts';
import { createWorkplace, samples } from './command.ts';

const place = createWorkplace();
const at = (name: string): string => join(place.folder, name);
const WORDS = [
  '--model',
  `digits=${join(samples, 'mlp.onnx')}`,
  '--tls-cert',
  'tls/server.pem',
  '--tls-key',
  'tls/server.key',
];

beforeAll(() => {
  expect(place.run(['tls', 'init']).status).toBe(0);
});
afterAll(() => {
  place.remove();
});

test('beyond loopback nothing is opened where nobody could ask', () => {
  const { status, stderr } = place.run(['serve', ...WORDS, '--host', '0.0.0.0', '--port', '0']);
  expect([status, stderr]).toEqual([2, expect.stringContaining('GATEWAY_NO_CALLERS')]);
  expect(stderr).not.toContain('gateway at');
});

test('the first key goes to a file of mode 600, to no terminal and no log; later starts make no other', async () => {
  const words = [...WORDS, '--port', '0', '--host', '0.0.0.0', '--first-key', 'first.json'];
  const gateway = await startGateway(place, words);
  const { apiKey } = JSON.parse(readFileSync(at('first.json'), 'utf8')) as { apiKey: string };
  for (const name of ['first.json', 'first.json.header']) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
  expect(gateway.told()).toContain('first.json');
  const line = { port: gateway.port, ca: readFileSync(at('tls/ca.pem'), 'utf8') };
  expect((await ask({ ...line, headers: { authorization: `Bearer ${apiKey}` } })).status).toBe(200);
  expect((await ask(line)).status).toBe(401);
  gateway.child.kill('SIGTERM');
  expect(await gateway.ended).toBe(0);
  expect(gateway.told()).not.toContain(apiKey);
  expect(readFileSync(at('first.json.header'), 'utf8')).toBe(`authorization: Bearer ${apiKey}\n`);
  const again = await startGateway(
    place,
    words.map((word) => (word === 'first.json' ? 'second.json' : word)),
  );
  expect(existsSync(at('second.json'))).toBe(false);
  again.child.kill('SIGTERM');
  await again.ended;
});

test('a file that is there is not written over, and no key is made', () => {
  const other = createWorkplace();
  writeFileSync(join(other.folder, 'taken.json'), 'mine');
  const words = ['serve', '--model', `digits=${join(samples, 'mlp.onnx')}`, '--plaintext', '--port', '0'];
  const { status, stderr } = other.run([...words, '--first-key', 'taken.json']);
  expect(readFileSync(join(other.folder, 'taken.json'), 'utf8')).toBe('mine');
  expect([status === 0, stderr]).toEqual([false, expect.stringContaining('WRITE_EXISTS')]);
  expect(other.json<{ keys: unknown[] }>(['apikey', 'list', '--json']).keys).toEqual([]);
  other.remove();
});
