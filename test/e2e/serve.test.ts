/** The gateway as a process: from a sealed model to answers that are checked, and an end in good order. */
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type Ask, ask as askAt, keepAnswer } from '../deploy/kit.ts';
import { createWorkplace, samples } from './command.ts';
import { BODY, INFER, type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const children: ChildProcess[] = [];

interface KeyFile {
  readonly keyId: string;
  readonly apiKey: string;
}

let key: KeyFile;
let ca: string;
const INPUT = { name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) };

const readKey = (name: string): KeyFile => JSON.parse(readFileSync(at(name), 'utf8')) as KeyFile;

beforeAll(() => {
  // Apart from the home, whose key opens the sealed one.
  mkdirSync(at('models'));
  copyFileSync(join(samples, 'mlp.onnx'), at('models/net.onnx'));
  expect(place.run(['tls', 'init', '--out', 'tls']).status).toBe(0);
  expect(place.run(['apikey', 'create', '--name', 'a', '--model', 'digits', '-o', 'a.json']).status).toBe(0);
  expect(place.run(['seal', 'models/net.onnx', '-o', 'models/net.seal'])).toMatchObject({ status: 0 });
  key = readKey('a.json');
  ca = readFileSync(at('tls/ca.pem'), 'utf8');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  place.remove();
});

async function start(...args: readonly string[]): Promise<Serving> {
  const tls = ['--tls-cert', 'tls/server.pem', '--tls-key', 'tls/server.key'];
  const { folder, home } = place;
  const gateway = await startServing({ folder, home, args: [...args, '--port', '0', ...tls] });
  children.push(gateway.child);
  return gateway;
}

type Asking = Partial<Omit<Ask, 'port' | 'ca'>> & {
  /** null: none. */
  readonly apiKey?: string | null;
};

function ask({ port }: Serving, { apiKey = key.apiKey, headers, ...rest }: Asking = {}): Promise<Answer> {
  const credential: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  return askAt({ port, ca, ...rest, headers: { ...credential, ...headers } });
}

const toCode = ({ headers }: Answer): unknown => headers['x-modelward-code'];
const toScores = ({ body }: Answer): number[] =>
  (JSON.parse(body.toString()) as { outputs: { data: number[] }[] }).outputs[0].data;

describe('modelward serve', () => {
  test('answers for a sealed model as for the plain one; the answer is checked, proven, and in the log', async () => {
    const plain = await start('--model', 'digits=models/net.onnx');
    const sealed = await start('--model', 'digits=models/net.seal');
    const [one, other] = [await ask(plain), await ask(sealed)];
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(toScores(one)).toHaveLength(10);
    expect(toScores(other)).toEqual(toScores(one));
    keepAnswer(at('answer.http'), other);
    writeFileSync(at('body.json'), BODY);
    const checked = [
      'verify-response',
      'answer.http',
      '--request-body',
      'body.json',
      '--path',
      INFER,
      '--key',
      'a.json',
    ];
    expect(place.run(checked).status).toBe(0);
    writeFileSync(at('other.json'), BODY.replace('0.25', '0.5'));
    expect(place.run(checked.map((word) => (word === 'body.json' ? 'other.json' : word))).status).toBe(1);
    for (const { child, ended, told } of [plain, sealed]) {
      child.kill('SIGTERM');
      expect([await ended, told()]).toEqual([0, expect.stringContaining('no more requests are taken')]);
    }
    const { streams, isIntact } = place.json<{ streams: { rows: number; anchored: number }[]; isIntact: boolean }>([
      'log',
      'verify',
      '--json',
    ]);
    expect(isIntact).toBe(true);
    expect(streams.map(({ rows, anchored }) => [rows, anchored])).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(place.run(['log', 'prove', String(other.headers['x-request-id']), '-o', 'proof.json']).status).toBe(0);
    writeFileSync(at('gateway.pem'), place.run(['log', 'key']).stdout);
    expect(place.run([...checked.slice(0, -2), '--public-key', 'gateway.pem', '--proof', 'proof.json']).status).toBe(0);
  });

  test('says nothing to who has no key, a wrong one, or one of another model; and nothing of what there is', async () => {
    expect(place.run(['apikey', 'create', '--name', 'b', '--model', 'other', '-o', 'b.json']).status).toBe(0);
    const gateway = await start('--model', 'digits=models/net.onnx');
    const stranger = readKey('b.json').apiKey;
    const told = await Promise.all([
      ask(gateway, { apiKey: null }),
      ask(gateway, { apiKey: key.apiKey.replace(/.$/, (last) => (last === 'x' ? 'y' : 'x')) }),
      ask(gateway, { apiKey: stranger }),
      ask(gateway, { apiKey: stranger, path: '/v2/models/none/infer' }),
      ask(gateway, { path: '/v2/repository/index' }),
      ask(gateway, { path: '/v2/models/digits/../../net.onnx', method: 'GET' }),
      ask(gateway, { path: '/net.onnx', method: 'GET' }),
      ask(gateway, { path: INFER, method: 'DELETE' }),
    ]);
    expect(told.map((answer) => [answer.status, toCode(answer)])).toEqual([
      [401, 'GATEWAY_CREDENTIAL_MISSING'],
      [401, 'GATEWAY_CREDENTIAL_INVALID'],
      [403, 'GATEWAY_NOT_ALLOWED'],
      [403, 'GATEWAY_NOT_ALLOWED'],
      ...Array.from({ length: 3 }, () => [404, 'GATEWAY_ROUTE_UNKNOWN']),
      [405, 'GATEWAY_METHOD_NOT_ALLOWED'],
    ]);
    const all = told.map(({ headers, body }) => JSON.stringify(headers) + body.toString()).join('');
    for (const secret of [place.folder, place.home, 'net.onnx', key.apiKey, 'mlp']) expect(all).not.toContain(secret);
    expect(told[2].body).toEqual(told[3].body);
  });

  test('a request that cannot be read is refused with a code, and costs as much as others', async () => {
    // Nothing comes back while it is asked.
    const create = ['apikey', 'create', '--name', 'f', '--model', 'digits', '-o', 'f.json'];
    expect(place.run([...create, '--per-minute', '1', '--burst', '20']).status).toBe(0);
    const { apiKey } = readKey('f.json');
    const gateway = await start('--model', 'digits=models/net.onnx');
    const input = (change: object): string => JSON.stringify({ inputs: [{ ...INPUT, ...change }] });
    const bodies = [
      '{',
      input({ name: 'none' }),
      input({ datatype: 'INT32' }),
      input({ shape: [1, 144] }),
      input({ data: ['x'] }),
      input({ data: [...INPUT.data.slice(1), null] }),
      JSON.stringify({ inputs: [{ ...INPUT, shape: [100, 1, 12, 12], data: Array<number>(14_400).fill(0) }] }),
    ];
    const codes = [];
    for (const body of bodies) codes.push(toCode(await ask(gateway, { apiKey, body })));
    expect(codes).toEqual([
      'GATEWAY_INPUT_MALFORMED',
      'GATEWAY_INPUT_NAME',
      'GATEWAY_INPUT_DTYPE',
      'GATEWAY_INPUT_SHAPE',
      ...Array.from({ length: 2 }, () => expect.stringMatching(/^GATEWAY_INPUT_(SHAPE|VALUE|MALFORMED)$/) as unknown),
      'GATEWAY_BATCH_TOO_LARGE',
    ]);
    const wrong = { 'content-type': 'text/csv' };
    expect(toCode(await ask(gateway, { apiKey, headers: wrong }))).toBe('GATEWAY_CONTENT_TYPE');
    expect(Number((await ask(gateway, { apiKey })).headers['x-ratelimit-remaining'])).toBe(20 - bodies.length - 2);
  });

  test('more than the burst is refused, and says when to come again', async () => {
    const create = ['apikey', 'create', '--name', 'c', '--model', 'digits', '-o', 'c.json'];
    expect(place.run([...create, '--per-minute', '1', '--burst', '3']).status).toBe(0);
    const { apiKey } = readKey('c.json');
    const gateway = await start('--model', 'digits=models/net.onnx');
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(gateway, { apiKey })));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(refused.map(toCode)).toEqual(['GATEWAY_RATE_LIMITED', 'GATEWAY_RATE_LIMITED']);
    expect(Number(refused[0].headers['retry-after'])).toBeGreaterThan(0);
    for (const { headers } of answers) {
      expect(headers).toMatchObject({ 'ratelimit-policy': '"key";q=1;w=60', 'x-ratelimit-limit': '1' });
      expect(headers.ratelimit).toMatch(/^"key";r=[0-2];t=\d+$/);
    }
  });

  test.runIf(process.platform === 'linux')(
    'telemetry of the runtime is switched off by the gateway alone, before any thread or process of a model starts',
    async () => {
      // A thread refuses to load the runtime where its parent has not switched it off (RUNTIME_TELEMETRY_ON).
      const plain = await start('--model', 'digits=models/net.onnx');
      expect(readFileSync(`/proc/${plain.child.pid}/environ`, 'utf8')).not.toContain('ORT_DISABLE_TELEMETRY');
      expect((await ask(plain)).status).toBe(200);
      const { child } = await start('--model', 'digits=models/net.seal');
      const below = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
      expect(below).toHaveLength(1);
      expect(readFileSync(`/proc/${below[0]}/environ`, 'utf8')).toContain('ORT_DISABLE_TELEMETRY=1');
    },
  );

  test('a key that is revoked while it serves is refused soon', async () => {
    expect(place.run(['apikey', 'create', '--name', 'd', '--model', 'digits', '-o', 'd.json']).status).toBe(0);
    const { apiKey, keyId } = readKey('d.json');
    const gateway = await start('--model', 'digits=models/net.onnx');
    expect((await ask(gateway, { apiKey })).status).toBe(200);
    expect(place.run(['apikey', 'revoke', keyId]).status).toBe(0);
    await until('refused', async () => (await ask(gateway, { apiKey })).status === 401);
  });

  test('speaks TLS 1.3 alone', async () => {
    const { port } = await start('--model', 'digits=models/net.onnx');
    const outcome = await new Promise<string>((done) => {
      const socket = connect({ host: '127.0.0.1', port, ca, maxVersion: 'TLSv1.2' }, () => {
        done('connected');
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        done(error.code ?? 'error');
      });
    });
    expect(outcome).toMatch(/^ERR_SSL_/);
  });

  test('killed at work, it loses no row of an answer that was given', async () => {
    const create = ['apikey', 'create', '--name', 'e', '--model', 'digits', '-o', 'e.json'];
    expect(place.run([...create, '--per-minute', '60000', '--burst', '1000', '--concurrency', '100']).status).toBe(0);
    const { apiKey } = readKey('e.json');
    const gateway = await start('--model', 'digits=models/net.onnx');
    const given: string[] = [];
    const load = Array.from({ length: 8 }, async () => {
      for (;;) {
        const { status, headers } = await ask(gateway, { apiKey });
        // Refusals on a machine that is short of time cost nothing, and have no rows.
        if (status === 200) given.push(String(headers['x-request-id']));
      }
    });
    await until('load', () => given.length > 50);
    gateway.child.kill('SIGKILL');
    await Promise.allSettled(load);
    const next = await start('--model', 'digits=models/net.onnx');
    expect(await next.stop()).toBe(0);
    const known = place.run(['log', 'export', '-o', 'log.jsonl']);
    expect(known.status).toBe(0);
    const text = readFileSync(at('log.jsonl'), 'utf8');
    expect(given.filter((id) => !text.includes(id))).toEqual([]);
    // Folders without rows may be those of processes that begin: they are let be for an hour.
    const left = readdirSync(join(place.home, 'gateway/spool'), { recursive: true });
    expect(left.filter((name) => String(name).endsWith('.spool'))).toEqual([]);
    expect(place.run(['log', 'verify']).status).toBe(0);
  });

  test.each([
    [
      ['--model', 'digits=models/net.onnx', '--host', '0.0.0.0', '--plaintext'],
      'Plaintext is spoken on loopback alone',
    ],
    [['--model', 'digits=models/net.onnx'], 'tls init'],
    [['--model', 'net.onnx', '--plaintext'], 'NAME=FILE'],
    [['--plaintext'], '--model'],
    [['--model', 'digits=absent.onnx', '--plaintext'], 'absent.onnx'],
    [['none.yaml'], 'none.yaml'],
  ])('%j is refused before anything listens', (args, words) => {
    const { status, stderr } = place.runAlone(['serve', ...args]);
    expect(status).not.toBe(0);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('    at ');
  });

  test('a configuration file serves several versions, and its mistakes are named', async () => {
    writeFileSync(
      at('gateway.yaml'),
      'models:\n  - {name: digits, file: models/net.onnx}\n  - {name: digits, version: "2", file: models/net.seal}\nopenHealth: true\n',
    );
    const gateway = await start('gateway.yaml');
    const versions = await Promise.all(
      ['', '/versions/1', '/versions/2', '/versions/3'].map((part) =>
        ask(gateway, { path: `/v2/models/digits${part}/infer` }),
      ),
    );
    expect(versions.map(({ status }) => status)).toEqual([200, 200, 200, 403]);
    const ready = await ask(gateway, { method: 'GET', path: '/v2/health/ready', apiKey: null });
    expect(ready.status).toBe(200);
    writeFileSync(at('bad.yaml'), 'models: [{name: a}]\nlisten: {port: 99999}\nextra: 1\n');
    const { status, stderr } = place.runAlone(['serve', 'bad.yaml', '--plaintext']);
    expect(status).toBe(3);
    for (const word of ['models', 'listen.port', 'extra']) expect(stderr).toContain(word);
  });
});
