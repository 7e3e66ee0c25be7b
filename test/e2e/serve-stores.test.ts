/** Where a gateway keeps what it shares, as a configuration names it: what is used, and what is refused before anything listens. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorkplace, samples } from './command.ts';
import { askServing, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);

beforeAll(() => {
  mkdirSync(at('conf'));
  copyFileSync(join(samples, 'mlp.onnx'), at('conf/net.onnx'));
  expect(place.run(['tls', 'init', '127.0.0.1', '--out', 'conf/tls']).status).toBe(0);
});
afterAll(() => {
  place.remove();
});

/** @returns its path */
function write(more: object): string {
  const listen = { port: 0, tls: { cert: 'tls/server.pem', key: 'tls/server.key' } };
  writeFileSync(
    at('conf/gateway.json'),
    JSON.stringify({ listen, models: [{ name: 'digits', file: 'net.onnx' }], ...more }),
  );
  return 'conf/gateway.json';
}

test('one database has keys, budgets and the log, for the gateway and for commands; its path counts from the configuration', async () => {
  const database = ['--database', `sqlite:${at('conf/gateway.db')}`];
  const create = ['apikey', 'create', '--name', 'a', '--model', 'digits', '--daily', '100', '-o', 'a.json'];
  expect(place.run([...create, ...database]).status).toBe(0);
  const { keyId, apiKey } = JSON.parse(readFileSync(at('a.json'), 'utf8')) as { keyId: string; apiKey: string };
  const config = write({ database: { url: 'sqlite:gateway.db' } });
  const gateway = await startServing({ folder: place.folder, home: place.home, args: [config] });
  const ca = readFileSync(at('conf/tls/ca.pem'), 'utf8');
  const told = await askServing(gateway, { ca, headers: { 'x-api-key': apiKey } });
  expect(told.status).toBe(200);
  expect(await gateway.stop()).toBe(0);
  const { isIntact, streams } = place.json<{ isIntact: boolean; streams: { rows: number }[] }>([
    'log',
    'verify',
    ...database,
  ]);
  expect([isIntact, streams.map(({ rows }) => rows)]).toEqual([true, [1]]);
  expect(place.run(['log', 'query', '--request', told.requestId, ...database]).stdout).toContain(told.requestId);
  const { used } = place.json<{ used: { today: number } }>(['apikey', 'show', keyId, ...database]);
  expect(used.today).toBe(1);
  // Nothing of it is in the home.
  expect(place.run(['log', 'query']).stderr).toContain('GATEWAY_LOG_NOT_FOUND');
});

test('a store of rates that is away from the start is told, and shares are counted', async () => {
  const database = ['--database', `sqlite:${at('conf/gateway.db')}`];
  const create = ['apikey', 'create', '--name', 'b', '--model', 'digits', '--per-minute', '600', '-o', 'b.json'];
  expect(place.run([...create, ...database]).status).toBe(0);
  const { apiKey } = JSON.parse(readFileSync(at('b.json'), 'utf8')) as { apiKey: string };
  const store = { kind: 'redis', url: 'redis://127.0.0.1:1', machines: 2 };
  const config = write({ database: { url: 'sqlite:gateway.db' }, limits: { store } });
  const gateway = await startServing({ folder: place.folder, home: place.home, args: [config] });
  const ca = readFileSync(at('conf/tls/ca.pem'), 'utf8');
  const ask = async () => (await askServing(gateway, { ca, headers: { 'x-api-key': apiKey } })).status;
  expect(await ask()).toBe(429);
  await until('a share', async () => (await ask()) === 200);
  await until('told', () => gateway.told().includes('store of rates: LIMITS_STORE_FAILED'));
  expect(await gateway.stop()).toBe(0);
});

const redis = (more: object): object => ({
  limits: { store: { kind: 'redis', url: 'rediss://h', machines: 2, ...more } },
});

test.each([
  ['LIMITS_URL_MALFORMED', redis({ url: 'rediss://u:hunter2@h' })],
  ['LIMITS_URL_MALFORMED', redis({ url: 'redis://limits.example' })],
  ['CLI_SECRET_FILE_EXPOSED', redis({ passwordFile: 'open' })],
  ['DATABASE_PASSWORD_EXPOSED', { database: { url: 'postgres://u:hunter2@h/d' } }],
  ['CLI_SECRET_FILE_EXPOSED', { database: { file: 'open' } }],
  ['CLI_SECRET_FILE_EXPOSED', { identity: { pepperFile: 'open' } }],
])('%s: %j listens at nothing, and tells no secret', (code, more) => {
  writeFileSync(at('conf/open'), 'hunter2');
  chmodSync(at('conf/open'), 0o644);
  const { status, stderr } = place.run(['serve', write(more)]);
  expect(status).not.toBe(0);
  expect(stderr).toContain(code);
  expect(stderr).not.toContain('gateway at');
  expect(stderr).not.toContain('hunter2');
});

test.each([
  ['DATABASE_UNREACHABLE', { ...redis({}), database: { url: 'postgres://u@127.0.0.1:1/d' } }],
  ['APIKEY_PEPPER_INVALID', { ...redis({}), identity: { pepperFile: 'short' } }],
])('%s: nothing that was opened keeps the process', (code, more) => {
  writeFileSync(at('conf/short'), 'abcd', { mode: 0o600 });
  const { status, stderr } = place.runAlone(['serve', write(more)]);
  expect([status, stderr.includes(code)]).toEqual([expect.any(Number), true]);
  expect(status).not.toBe(0);
});
