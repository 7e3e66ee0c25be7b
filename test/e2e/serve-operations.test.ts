/** The gateway as its operator has it: admin listener, numbers, journal, files and configuration that change, an end under load. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createWorkplace, samples } from './command.ts';
import { BODY, INFER, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const ends: (() => unknown)[] = [];
const HASH_KEY = 'ab'.repeat(32);
let [caller, admin] = ['', ''];

const readKey = (name: string): string => (JSON.parse(readFileSync(at(name), 'utf8')) as { apiKey: string }).apiKey;

beforeAll(() => {
  const create = ['apikey', 'create', '--name', 'a'];
  const rate = ['--per-minute', '600000', '--burst', '100000', '--concurrency', '100'];
  expect(place.run([...create, '--model', 'digits', ...rate, '-o', 'a.json']).status).toBe(0);
  const scopes = ['admin', 'metrics:read', 'audit:read'].flatMap((scope) => ['--scope', scope]);
  expect(place.run([...create, ...scopes, '-o', 'admin.json']).status).toBe(0);
  [caller, admin] = [readKey('a.json'), readKey('admin.json')];
  writeFileSync(at('hash.key'), `${HASH_KEY}\n`, { mode: 0o600 });
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
afterAll(() => {
  place.remove();
});

interface Gateway extends Serving {
  readonly kill: (signal: NodeJS.Signals) => void;
}

const LISTEN = 'listen: {port: 0}\n';
const MODEL = 'models:\n  - {name: digits, file: net.onnx}\n';

/** With a journal on standard error, which says where it listens. */
async function start(more: string): Promise<Gateway> {
  copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
  writeFileSync(at('gateway.yaml'), LISTEN + MODEL + more);
  const { folder, home } = place;
  const serving = await startServing({ folder, home, args: ['gateway.yaml', '--plaintext'] });
  ends.push(() => serving.child.kill('SIGKILL'));
  return { ...serving, kill: (signal) => void serving.child.kill(signal) };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Ask {
  readonly key?: string;
  readonly body?: string;
  readonly agent?: Agent;
}

function ask(port: number, line: string, { key, body, agent }: Ask = {}): Promise<Answer> {
  const [method, path] = line.split(' ');
  const headers = {
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  return new Promise((done, fail) => {
    const options = { host: '127.0.0.1', port, method, path, headers, ...(agent !== undefined && { agent }) };
    const sent = request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', fail);
      response.on('end', () => {
        done({ status: response.statusCode ?? 0, text });
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

const infer = (gateway: Gateway, path = INFER, agent?: Agent): Promise<Answer> =>
  ask(gateway.port, `POST ${path}`, { key: caller, body: BODY, ...(agent !== undefined && { agent }) });

const toBody = ({ text }: Answer) => JSON.parse(text) as Record<string, unknown> & { error?: Record<string, unknown> };
const JOURNAL = 'journal: {lines: all}\n';

describe('the operator', () => {
  test('asks the admin listener for numbers, models, rows and the configuration; hashes of inputs are keyed', async () => {
    const gateway = await start(`${JOURNAL}admin: {port: 0}\nlog: {hashKeyFile: hash.key, retentionDays: 30}\n`);
    const look = (line: string, key = admin) => ask(gateway.adminPort, line, { key });
    expect((await infer(gateway)).status).toBe(200);
    expect((await ask(gateway.adminPort, 'GET /readyz')).status).toBe(200);
    expect((await ask(gateway.adminPort, 'GET /metrics')).status).toBe(401);
    expect((await look('GET /metrics', caller)).status).toBe(403);
    const { text } = await look('GET /metrics');
    expect(text).toContain('modelward_requests_total{protocol="oip",model="digits",status="200",code=""} 1');
    expect(text).toMatch(/modelward_connections_total\{listener="data"\} 1\n.*listener="admin"/);
    expect(text).toContain('modelward_run_rows_count{model="digits",version="1"} 1');
    expect(text).toContain('modelward_log_rows_total 1');
    expect(toBody(await look('GET /v1/models'))).toMatchObject({ models: [{ name: 'digits', isReady: true }] });
    const rows = async () => toBody(await look('GET /v1/log')).requests as Record<string, unknown>[];
    await until('the row is in the table', async () => (await rows()).length > 0);
    const inputHash = createHmac('sha256', Buffer.from(HASH_KEY, 'hex')).update(BODY).digest('hex');
    expect((await rows())[0]).toMatchObject({ isInputKeyed: true, inputHash, status: 200 });
    expect((await look('GET /v1/config')).text).toContain('"hashKeyFile":"(set)"');
    writeFileSync(at('body.json'), BODY);
    const found = place.json<{ requests: unknown[] }>([
      'log',
      'query',
      '--input',
      'body.json',
      '--hash-key-file',
      'hash.key',
    ]);
    expect(found.requests).toHaveLength(1);
    expect(place.json<{ requests: unknown[] }>(['log', 'query', '--input', 'body.json']).requests).toEqual([]);

    expect((await look('POST /v1/drain')).status).toBe(202);
    expect(await gateway.ended).toBe(0);
    expect(gateway.lines().map(({ event }) => event)).toEqual(
      expect.arrayContaining(['started', 'listening', 'request', 'admin-done', 'admin-refused', 'draining', 'ended']),
    );
    for (const secret of [caller, admin, HASH_KEY, place.folder]) expect(gateway.told()).not.toContain(secret);
  });

  test('exchanges the file of a model: one that is broken, or takes other tensors, changes nothing', async () => {
    const gateway = await start(`${JOURNAL}admin: {port: 0}\n`);
    const reload = (body: object) =>
      ask(gateway.adminPort, 'POST /v1/models/digits/reload', { key: admin, body: JSON.stringify(body) });
    writeFileSync(at('net.onnx'), 'no model');
    const broken = await reload({});
    expect([broken.status, toBody(broken).error?.code]).toEqual([409, 'ADMIN_RELOAD_FAILED']);
    expect((await infer(gateway)).status).toBe(200);
    copyFileSync(join(samples, 'detector/detector.onnx'), at('net.onnx'));
    expect(toBody(await reload({})).error?.code).toBe('ADMIN_SIGNATURE_CHANGED');
    expect((await infer(gateway)).status).toBe(200);
    copyFileSync(join(samples, 'mlp.onnx'), at('net.onnx'));
    const agents = Array.from({ length: 4 }, () => infer(gateway));
    const reloaded = await reload({});
    expect([reloaded.status, toBody(reloaded)]).toMatchObject([200, { name: 'digits', version: '1', isReady: true }]);
    expect((await Promise.all(agents)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await infer(gateway)).status).toBe(200);
    const isTold = (event: string, code?: string): boolean =>
      gateway.lines().some((line) => line.event === event && line.code === code);
    await until('told', () => isTold('model-refused', 'ADMIN_SIGNATURE_CHANGED') && isTold('model-reloaded'));
  });

  test('is told of budgets of tenants whom nobody belongs to, at the start and with each configuration', async () => {
    const gateway = await start(`${JOURNAL}tenants: {default: {daily: 9}, defualt: {daily: 9}}\n`);
    const unseen = () =>
      gateway
        .lines()
        .filter(({ event }) => event === 'tenant-unseen')
        .map(({ tenant, nearest }) => [tenant, nearest]);
    expect(unseen()).toEqual([['defualt', 'default']]);
    writeFileSync(at('gateway.yaml'), `${LISTEN}${MODEL}${JOURNAL}tenants: {nobody: {daily: 9}}\n`);
    gateway.kill('SIGHUP');
    await until('taken up', () => gateway.lines().some(({ event }) => event === 'config-reloaded'));
    expect(unseen().slice(1)).toEqual([['nobody', undefined]]);
  });

  test('opens the file of its journal anew by SIGHUP, which rotates it', async () => {
    const gateway = await start('journal: {file: journal.ndjson, lines: all}\n');
    renameSync(at('journal.ndjson'), at('journal.1'));
    gateway.kill('SIGHUP');
    await until('opened anew', () => existsSync(at('journal.ndjson')));
    expect((await infer(gateway)).status).toBe(200);
    await until('told there', () => readFileSync(at('journal.ndjson'), 'utf8').includes('"event":"request"'));
    expect(readFileSync(at('journal.1'), 'utf8')).not.toContain('"event":"request"');
  });

  test('changes the configuration by SIGHUP or the admin API: all of it, or nothing', async () => {
    const rest = `${JOURNAL}admin: {port: 0, openMetrics: true}\n`;
    const gateway = await start(rest);
    const count = (event: string): number => gateway.lines().filter((line) => line.event === event).length;
    const second = '  - {name: digits, file: net.onnx, version: "2"}\n';
    expect((await infer(gateway, '/v2/models/digits/versions/2/infer')).status).toBe(403);

    writeFileSync(at('gateway.yaml'), `${LISTEN}${MODEL}${second}${rest}budgets: {digits: {daily: 1000}}\n`);
    gateway.kill('SIGHUP');
    await until('taken up', () => count('config-reloaded') === 1);
    expect((await infer(gateway, '/v2/models/digits/versions/2/infer')).status).toBe(200);
    expect(gateway.lines().find(({ event }) => event === 'config-reloaded')).toMatchObject({
      members: ['budgets', 'models'],
    });

    writeFileSync(at('gateway.yaml'), `${LISTEN}${MODEL}  - {name: digits, file: none.onnx, version: "3"}\n${rest}`);
    gateway.kill('SIGHUP');
    await until('refused', () => count('config-refused') === 1);
    expect((await infer(gateway, '/v2/models/digits/versions/2/infer')).status).toBe(200);

    const reload = () => ask(gateway.adminPort, 'POST /v1/config/reload', { key: admin, body: '{}' });
    writeFileSync(at('gateway.yaml'), 'models: [');
    expect(toBody(await reload()).error).toMatchObject({
      code: 'ADMIN_RELOAD_FAILED',
      fields: { reason: 'GATEWAY_CONFIG_MALFORMED' },
    });
    writeFileSync(at('gateway.yaml'), `listen: {port: 1}\n${MODEL}${rest}integrity: {sign: true}\n`);
    expect(toBody(await reload()).error).toMatchObject({
      code: 'ADMIN_RESTART_NEEDED',
      fields: { at: ['integrity.sign', 'listen'] },
    });
    writeFileSync(at('gateway.yaml'), `${LISTEN}${MODEL}${rest}`);
    expect(toBody(await reload())).toEqual({ changed: ['budgets', 'models'] });
    expect((await infer(gateway, '/v2/models/digits/versions/2/infer')).status).toBe(403);
    expect((await infer(gateway)).status).toBe(200);
    const { text } = await ask(gateway.adminPort, 'GET /metrics');
    expect(text).toContain('modelward_config_reloads_total{outcome="taken"} 2');
    expect(text).toContain('modelward_config_reloads_total{outcome="refused"} 3');
  });

  test('ends it under load: readiness goes first, and every request that was taken has its whole answer', async () => {
    const gateway = await start(`${JOURNAL}admin: {port: 0}\nlimits: {drainDelayMs: 5000}\nopenHealth: true\n`);
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const whole: Answer[] = [];
    const load = Array.from({ length: 8 }, async () => {
      for (;;) whole.push(await infer(gateway, INFER, agent));
    });
    await until('load', () => whole.length > 50);
    gateway.kill('SIGTERM');
    await until('not ready', async () => (await ask(gateway.adminPort, 'GET /readyz')).status === 503);
    expect((await ask(gateway.port, 'GET /v2/health/ready')).status).not.toBe(200);
    const before = whole.length;
    expect((await Promise.allSettled(load)).every(({ status }) => status === 'rejected')).toBe(true);
    agent.destroy();
    expect(await gateway.ended).toBe(0);
    expect(whole.length).toBeGreaterThan(before);
    expect(whole.every(({ status, text }) => status === 200 && text.endsWith('}'))).toBe(true);
    const taken = gateway
      .lines()
      .filter(({ event, protocol, items }) => event === 'request' && protocol === 'oip' && items === 1);
    expect(taken).toHaveLength(whole.length);
  });

  test('tells a collector: numbers, and spans with keyed hashes', async () => {
    const messages: { path: string; text: string; token: string | undefined }[] = [];
    const collector: Server = createServer((incoming, answer) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('end', () => {
        messages.push({ path: incoming.url ?? '', text, token: incoming.headers['x-token'] as string | undefined });
        answer.end('{}');
      });
    }).listen(0, '127.0.0.1');
    ends.push(() => collector.close());
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    writeFileSync(at('headers'), 'X-Token: a secret of the collector\n', { mode: 0o600 });
    const telemetry = `{url: "http://127.0.0.1:${port}", headersFile: headers, sampleRatio: 1, everyMs: 100, resource: {service.name: gw}}`;
    const gateway = await start(`${JOURNAL}telemetry: ${telemetry}\nlog: {hashKeyFile: hash.key}\n`);
    expect((await infer(gateway)).status).toBe(200);
    const find = (path: string) =>
      messages
        .filter((one) => one.path === path)
        .map(({ text }) => text)
        .join('');
    await until('told', () => find('/v1/traces') !== '' && find('/v1/metrics').includes('modelward.requests'));
    expect(find('/v1/traces')).toContain('hmac-sha256:');
    expect(find('/v1/metrics')).toContain('"gw"');
    expect(messages.every(({ token }) => token === 'a secret of the collector')).toBe(true);
    gateway.kill('SIGTERM');
    expect(await gateway.ended).toBe(0);
    expect(gateway.told()).not.toContain('a secret');
  });
});

describe('before anything listens', () => {
  test.each([
    ['admin: {host: 0.0.0.0}', 'Plaintext is spoken on loopback alone'],
    ['log: {hashKeyFile: body.json}', 'CLI_SECRET_FILE_EXPOSED'],
    ['log: {hashKeyFile: short.key}', 'GATEWAY_HASH_KEY_INVALID'],
    ['telemetry: {url: "http://collector.example.com"}', 'TELEMETRY_URL_MALFORMED'],
    ['journal: {file: none/journal}', 'WRITE_FAILED'],
  ])('%s is refused', (member, words) => {
    writeFileSync(at('short.key'), 'abcd\n', { mode: 0o600 });
    writeFileSync(at('body.json'), BODY, { mode: 0o644 });
    writeFileSync(at('bad.yaml'), `${LISTEN}${MODEL}${member}\n`);
    const { status, stderr } = place.run(['serve', 'bad.yaml', '--plaintext']);
    expect(status).not.toBe(0);
    expect(stderr).toContain(words);
  });
});
