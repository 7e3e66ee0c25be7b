/** No route of no protocol tells a byte of the weights, a path or a secret, whoever asks; nor does anything that is written meanwhile. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkplace, samples } from '../e2e/command.ts';
import type { Serving } from '../e2e/serving.ts';
import { listRoutes as listAdminRoutes, toOpenApiText } from '../../src/gateway/admin/index.ts';
import { type Collector, openCollector } from './reliability/collector.ts';
import {
  Client,
  Http2Client,
  type KeyFile,
  type Question,
  readKey,
  startGateway,
  type Told,
} from './reliability/gateway-process.ts';
import { LeakHunter, toWindows } from './reliability/leaks.ts';
import { type LeakyServer, openLeakyServer } from './reliability/leaky-server.ts';
import { frame, toInferRequest } from './reliability/grpc-message.ts';
import { setting } from './never-weights-setting.ts';
import { listDangerous, listRoutes, METHODS } from './reliability/walk.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (...names: readonly string[]): string => join(place.folder, ...names);
/** In what is asked: it must not be found in what is kept. */
const INPUT_CANARY = 'c4nary-of-an-input';
const toConfig = (behindPort: number, collectorUrl: string): string => `
listen: {port: 0, tls: {cert: tls/server.pem, key: tls/server.key}}
admin: {port: 0, tls: {cert: tls/server.pem, key: tls/server.key}}
metrics: {topCallers: 5}
telemetry: {url: "${collectorUrl}", sampleRatio: 1, everyMs: 500}
journal: {file: journal.log, lines: all}
protocols: [oip, oip-grpc, openai, torchserve, vertex, sagemaker, plain]
models:
  - {name: sealed, file: models/net.seal}
  - {name: plain, file: models/net.onnx}
upstreams:
  - {name: behind-oip, url: "http://127.0.0.1:${behindPort}", protocol: oip, tokenFile: token, models: [{name: far-oip, upstreamName: inner, signature: ${SIGNATURE}}]}
  - {name: behind-openai, url: "http://127.0.0.1:${behindPort}", protocol: openai, tokenFile: token, models: [{name: far-openai, upstreamName: inner}]}
  - {name: behind-torchserve, url: "http://127.0.0.1:${behindPort}", protocol: torchserve, tokenFile: token, models: [{name: far-torchserve, upstreamName: inner, signature: ${SIGNATURE}}]}
limits: {failuresPerMinute: 100000}
workers: ${setting.workers}
`;
const SIGNATURE =
  '{inputs: [{name: x, datatype: FP32, shape: [-1, 2]}], outputs: [{name: y, datatype: FP32, shape: [-1, 2]}]}';
const TOKEN = 'c4nary-token-of-the-server-behind';

let gateway: Serving;
let ca: Buffer;
let keys: Record<'right' | 'other' | 'admin', KeyFile>;
let behind: LeakyServer;
let collector: Collector;
const paths = new LeakHunter();
const secrets = new LeakHunter();
const inputs = new LeakHunter();
const MODELS = ['sealed', 'plain', 'far-oip', 'far-openai', 'far-torchserve'];
const ADMIN_SCOPES = ['keys:read', 'keys:write', 'audit:read', 'metrics:read', 'admin'];
const pixels = Array.from({ length: 144 }, (_, n) => Math.fround(0.734512 + n / 1000));

beforeAll(async () => {
  mkdirSync(at('models'));
  copyFileSync(join(samples, 'mlp.onnx'), at('models/net.onnx'));
  writeFileSync(at('pepper'), 'f00dfeedc0ffee11'.repeat(4), { mode: 0o600 });
  writeFileSync(at('token'), TOKEN, { mode: 0o600 });
  behind = await openLeakyServer(readFileSync(at('models/net.onnx')).subarray(0, 300_000));
  collector = await openCollector();
  writeFileSync(at('gateway.yaml'), toConfig(behind.port, collector.url));
  const create = ['apikey', 'create', '--pepper-file', 'pepper', '--per-minute', '600000', '--burst', '100000'];
  const runs = place.runAll([
    ['tls', 'init', '--out', 'tls'],
    [...create, '--name', 'right', '--model', ...MODELS, '-o', 'right.json'],
    [...create, '--name', 'other', '--model', 'elsewhere', '-o', 'other.json'],
    [...create, '--name', 'admin', '--scope', ...ADMIN_SCOPES, '-o', 'admin.json'],
    ['seal', 'models/net.onnx', '-o', 'models/net.seal'],
  ]);
  expect(runs.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
  ca = readFileSync(at('tls/ca.pem'));
  keys = {
    right: readKey(place, 'right.json'),
    other: readKey(place, 'other.json'),
    admin: readKey(place, 'admin.json'),
  };
  gateway = await startGateway(place, ['gateway.yaml', '--pepper-file', 'pepper']);
  plantCanaries();
});
afterAll(() => {
  gateway.child.kill('SIGKILL');
  behind.close();
  collector.close();
  place.remove();
});

const toDer = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

/** Of the gateway that is walked through. */
export const gatewayProcess = () => gateway.child;

/** Everything that the gateway knows and nobody may hear. */
function plantCanaries(): void {
  toWindows(readFileSync(at('models/net.onnx'))).forEach((window, n) => {
    secrets.addBytes(`weights ${n}`, window);
    secrets.addFloats(`weights ${n}`, window);
  });
  toWindows(readFileSync(at('models/net.seal')), 4).forEach((window, n) => {
    secrets.addBytes(`sealed weights ${n}`, window);
  });
  for (const { apiKey, tagKey } of Object.values(keys)) {
    secrets.addText('an API key', apiKey);
    secrets.addBytes('a tag key', Buffer.from(tagKey, 'base64url'));
  }
  secrets.addText('the token of the server behind', TOKEN);
  secrets.addText('the pepper', 'f00dfeedc0ffee11f00dfeed');
  secrets.addBytes('the pepper', Buffer.from('f00dfeedc0ffee11'.repeat(4), 'hex'));
  secrets.addBytes('the key of TLS', toDer(readFileSync(at('tls/server.key'), 'utf8')).subarray(36, 68));
  secrets.addBytes(
    'the signing key',
    toDer(readFileSync(join(place.home, 'gateway/signing.key'), 'utf8')).subarray(-32),
  );
  const { versions } = JSON.parse(readFileSync(join(place.home, 'keys/model.kek.json'), 'utf8')) as {
    versions: { kek: string }[];
  };
  secrets.addBytes('the key of sealed models', Buffer.from(versions[0].kek, 'hex'));
  const owner = JSON.parse(readFileSync(join(place.home, 'owner/owner.key'), 'utf8')) as Record<string, string>;
  for (const name of ['ledgerSeed', 'sealKey', 'signKey']) {
    // What is secret in a PKCS #8 is behind its head.
    const bytes = Buffer.from(owner[name], 'base64');
    secrets.addBytes(`the owner's ${name}`, name === 'signKey' ? bytes.subarray(36, 68) : bytes);
  }
  for (const text of [
    place.folder,
    place.home,
    'net.onnx',
    'net.seal',
    'server.key',
    'gateway.yaml',
    'keys.db',
    `127.0.0.1:${behind.port}`,
  ]) {
    paths.addText(`the path ${text}`, text);
  }
  inputs.addText('an input', INPUT_CANARY);
  inputs.addBytes('an input', Buffer.from(Float32Array.from(pixels.slice(0, 8)).buffer));
  inputs.addText('an input', pixels.slice(0, 2).join(','));
}

const leaksOf = ({ all }: Pick<Told, 'all'>): readonly string[] => [...secrets.find(all), ...paths.find(all)];

/** Who asks: nobody, somebody with a key that is none, with one of another model, and with the right one. */
const toCallers = (): readonly (readonly [string, string | null])[] => [
  ['nobody', null],
  ['a wrong key', `${keys.right.apiKey.slice(0, -1)}${keys.right.apiKey.endsWith('x') ? 'y' : 'x'}`],
  ['a key of another model', keys.other.apiKey],
  ['the right key', keys.right.apiKey],
];

interface Finding {
  readonly question: string;
  readonly status: number;
  /** An answer, and no refusal: of gRPC both have status 200. */
  readonly isGood: boolean;
  readonly leaks: readonly string[];
}

async function walk(
  client: Pick<Client, 'ask'>,
  questions: readonly (Question & { readonly path: string })[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const left = [...questions];
  const work = async (): Promise<void> => {
    for (let question = left.pop(); question !== undefined; question = left.pop()) {
      const told = await client.ask(question);
      findings.push({
        question: `${question.method} ${question.path}`,
        status: told.status,
        isGood: told.status < 300 && told.code === '',
        leaks: leaksOf(told),
      });
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return findings;
}

describe('of all that can be asked, over HTTP/1.1', () => {
  test('nothing tells of weights, paths or secrets, to nobody; who may not is told nothing else', async () => {
    const client = new Client(gateway.port, ca);
    const routes = ['sealed', 'plain', 'absent'].flatMap((model) => listRoutes(model, ['1', '2']));
    const dangerous = listDangerous('sealed');
    for (const [who, apiKey] of toCallers()) {
      const ask = (path: string, methods: readonly string[]) =>
        methods.map((method) => ({ method, path, apiKey, body: method.startsWith('P') ? '{}' : '' }));
      const findings = await walk(client, [
        ...routes.flatMap((path) => ask(path, METHODS)),
        ...dangerous.flatMap((path) => ask(path, ['GET', 'POST', 'PUT', 'DELETE'])),
      ]);
      expect(
        findings.filter(({ leaks }) => leaks.length > 0),
        who,
      ).toEqual([]);
      expect(
        findings.filter(({ status }) => status >= 500 && status !== 503),
        who,
      ).toEqual([]);
      const good = findings.filter(({ isGood }) => isGood).map(({ question }) => question);
      if (who !== 'the right key')
        expect(
          good.filter((question) => !isOfNoModel(question)),
          who,
        ).toEqual([]);
      if (apiKey === null || who === 'a wrong key') expect(good, who).toEqual([]);
      const shut = new Set(dangerous);
      const opened = findings.filter(
        ({ question, isGood }) => isGood && shut.has(question.slice(question.indexOf(' ') + 1)),
      );
      expect(opened, who).toEqual([]);
    }
    client.close();
  });

  test('good questions of every protocol are answered without a byte of the weights', async () => {
    const client = new Client(gateway.port, ca);
    const rows = JSON.stringify([[Array.from({ length: 12 }, (_, row) => pixels.slice(12 * row, 12 * row + 12))]]);
    const input = { name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: pixels };
    const binary = JSON.stringify({
      id: INPUT_CANARY,
      inputs: [{ ...input, data: undefined, parameters: { binary_data_size: 576 } }],
      parameters: { binary_data_output: true },
    });
    const questions: readonly Question[] = ['sealed', 'plain'].flatMap((model) => [
      { path: `/v2/models/${model}/infer`, body: JSON.stringify({ id: INPUT_CANARY, inputs: [input] }) },
      {
        path: `/v2/models/${model}/versions/1/infer`,
        headers: {
          'content-type': 'application/octet-stream',
          'inference-header-content-length': String(binary.length),
        },
        body: Buffer.concat([Buffer.from(binary), Buffer.from(Float32Array.from(pixels).buffer)]),
      },
      { path: `/predictions/${model}`, body: rows },
      { path: `/v1/models/${model}:predict`, body: `{"instances":${rows}}` },
      { method: 'GET', path: `/v2/models/${model}` },
      { method: 'GET', path: `/v2/models/${model}/ready` },
    ]);
    // These protocols and routes know one model alone: the first one.
    const single = [
      { path: '/invocations', body: `{"instances":${rows}}` },
      { path: '/sealed', body: `{"inputs":{"input":${rows}}}` },
    ];
    for (const question of [...questions, ...single]) {
      const told = await client.ask({ ...question, apiKey: keys.right.apiKey });
      expect([question.path, told.status, leaksOf(told)]).toEqual([question.path, 200, []]);
    }
    client.close();
  });
});

// What a model writes as text, and bytes of a model without a declared signature, are its answer: nobody can tell them from weights.
describe('models of servers behind, which give their weights away', () => {
  const far = [
    ['far-oip', '/v2/models/far-oip/infer', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'],
    ['far-openai', '/v1/chat/completions', '{"model":"far-openai","messages":[{"role":"user","content":"hi"}]}'],
    ['far-torchserve', '/predictions/far-torchserve', '[[1,2]]'],
  ] as const;

  test('are asked at the paths of their protocols alone; what they slip in comes to nobody', async () => {
    const client = new Client(gateway.port, ca);
    for (const [who, apiKey] of toCallers()) {
      behind.asked.length = 0;
      const questions = far.flatMap(([model, path, body]) => [
        { method: 'POST', path, body, apiKey },
        ...[...listRoutes(model, ['1']), ...listDangerous(model)].flatMap((one) => [
          { method: 'GET', path: one, apiKey },
          { method: 'POST', path: one, body, apiKey },
        ]),
      ]);
      const findings = await walk(client, questions);
      expect(
        findings.filter(({ leaks }) => leaks.length > 0),
        who,
      ).toEqual([]);
      const posted = new Set(behind.asked.filter((question) => question.startsWith('POST ')));
      const open = ['POST /predictions/inner', 'POST /v1/chat/completions', 'POST /v2/models/inner/infer'];
      expect([...posted].sort(), who).toEqual(who === 'the right key' ? expect.arrayContaining(open) : []);
      const allowed =
        /^(POST \/(predictions\/inner|v1\/(chat\/)?completions|v1\/embeddings|v2\/models\/inner\/infer)|GET \/(ping|v1\/models|health|v2\/(health|models\/inner)\/ready))$/;
      expect(
        behind.asked.filter((question) => !allowed.test(question)),
        who,
      ).toEqual([]);
    }
    for (const [, path, body] of far.slice(0, 2)) {
      const told = await client.ask({ path, body, apiKey: keys.right.apiKey });
      expect([path, told.status, leaksOf(told)]).toEqual([path, 200, []]);
    }
    client.close();
  });
});

/** Every row of the admin API, and what no row has. */
function listViews(): readonly (readonly [method: string, path: string])[] {
  const rows = listAdminRoutes({ document: toOpenApiText, isMetricsOpen: false }).map(
    ({ method, path }) => [method, path.replace('{id}', keys.right.keyId).replace('{name}', 'sealed')] as const,
  );
  const more = [
    '/',
    '/v1/keys?count=100',
    '/v1/log?count=100',
    '/../etc/passwd',
    '/v1/config/..%2f..',
    '/dashboard',
    '/assets/net.onnx',
    '/models/net.seal',
  ];
  return [...rows, ...more.map((path) => ['GET', path] as const)];
}

test('no view of the admin listener tells of them, whoever looks; who may not changes nothing', async () => {
  const client = new Client(gateway.adminPort, ca);
  const views = listViews();
  expect(views.length).toBeGreaterThan(20);
  for (const apiKey of [null, keys.right.apiKey, keys.admin.apiKey]) {
    const isAdmin = apiKey === keys.admin.apiKey;
    // Others ask by every method; who may would end the gateway by some.
    for (const [method, path] of views.filter(([name]) => name === 'GET' || !isAdmin)) {
      const told = await client.ask({ method, path, apiKey, body: method === 'POST' ? '{}' : '' });
      expect([method, path, leaksOf(told), inputs.find(told.all)]).toEqual([method, path, [], []]);
      const isOpen = isAdmin || path === '/healthz' || path === '/readyz';
      expect([path, told.status < 400]).toEqual([path, isOpen && told.status < 400]);
      expect(told.status).toBeLessThan(500);
    }
  }
  const metrics = await client.ask({ method: 'GET', path: '/metrics', apiKey: keys.admin.apiKey });
  expect(metrics.body.toString()).toContain('model="sealed"');
  const rows = await client.ask({ method: 'GET', path: '/v1/log?count=100', apiKey: keys.admin.apiKey });
  expect([rows.status, rows.body.length > 1000]).toEqual([200, true]);
  client.close();
});

/** Those that are answered to every caller with a key: whether the server is there. */
const isOfNoModel = (question: string): boolean =>
  /^(GET \/v2\/?(health\/(live|ready))?|GET \/(ping|health)|GET \/v1\/models)$/.test(question);

test('over HTTP/2 and gRPC nothing tells of them either', async () => {
  const client = new Http2Client(gateway.port, ca);
  const grpc = listRoutes('sealed', ['1']).filter((path) => path.startsWith('/inference.'));
  const rest = listRoutes('sealed', ['1', '2']).filter((path) => !grpc.includes(path));
  const closed = listDangerous('sealed').filter((path) => path.startsWith('/') && /^[\x21-\x7e]+$/.test(path));
  const type = { 'content-type': 'application/grpc', te: 'trailers' };
  const body = toInferRequest({
    model: 'sealed',
    id: INPUT_CANARY,
    name: 'input',
    shape: [1, 1, 12, 12],
    values: pixels,
  });
  const named = frame(Buffer.from('\x0a\x06sealed'));
  const bodies = [Buffer.alloc(0), frame(Buffer.alloc(0)), named, body];
  for (const [who, apiKey] of toCallers()) {
    const asked = [
      ...[...grpc, ...closed].flatMap((path) =>
        bodies.map((one) => ({ method: 'POST', path, apiKey, headers: type, body: one })),
      ),
      ...closed.map((path) => ({ method: 'GET', path, apiKey })),
      ...rest.flatMap((path) => METHODS.map((method) => ({ method, path, apiKey }))),
    ];
    const findings = await walk(client, asked);
    expect(
      findings.filter(({ leaks }) => leaks.length > 0),
      who,
    ).toEqual([]);
    expect(
      findings.filter(({ status }) => status >= 500 && status !== 503),
      who,
    ).toEqual([]);
    const good = findings.filter(({ isGood }) => isGood).map(({ question }) => question);
    const opened = good.filter((question) => closed.includes(question.slice(question.indexOf(' ') + 1)));
    expect(opened, who).toEqual([]);
    if (apiKey === null || who === 'a wrong key') expect(good, who).toEqual([]);
    const isOfServer = (question: string): boolean =>
      isOfNoModel(question) || /\/Server(Live|Ready|Metadata)$/.test(question);
    if (who === 'a key of another model') expect(good.filter((question) => !isOfServer(question))).toEqual([]);
  }
  const told = await client.ask({
    path: '/inference.GRPCInferenceService/ModelInfer',
    headers: type,
    body,
    apiKey: keys.right.apiKey,
  });
  expect([told.status, told.all.includes('"grpc-status":"0"'), leaksOf(told)]).toEqual([200, true, []]);
  client.close();
});

/** Files below a folder. */
const listFiles = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

/** Its bytes; none where a gateway at work has taken it away since. */
function readIfThere(name: string): Buffer {
  try {
    return readFileSync(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

test('nothing of it is in what was written or sent meanwhile: log, spool, ledger, tables, journal, telemetry', async () => {
  // Where a secret lives, and nothing else is written.
  const own = ['gateway/signing.key', 'keys/model.kek.json', 'owner/owner.key'].map((name) => join(place.home, name));
  const before = listFiles(place.home);
  const spooled = before.filter((name) => name.includes('/spool/'));
  expect(spooled.length).toBeGreaterThan(0);
  const check = (names: readonly string[]): void => {
    for (const name of names) {
      if (own.includes(name)) continue;
      const bytes = readIfThere(name);
      expect([name, secrets.find(bytes), inputs.find(bytes)]).toEqual([name, [], []]);
    }
  };
  check(before);
  gateway.child.kill('SIGTERM');
  expect(await gateway.ended).toBe(0);
  check(listFiles(place.home));
  expect(place.run(['log', 'export', '-o', 'log.jsonl']).status).toBe(0);
  const kept = readFileSync(at('log.jsonl'));
  expect(kept.length).toBeGreaterThan(1000);
  const journal = readFileSync(at('journal.log'));
  expect(journal.length).toBeGreaterThan(1000);
  const collected = collector.told();
  for (const name of ['/v1/traces', '/v1/metrics', 'sealed']) expect(collected.includes(name)).toBe(true);
  for (const text of [kept, journal, collected, Buffer.from(gateway.told())]) {
    expect([secrets.find(text), inputs.find(text), paths.find(text)]).toEqual([[], [], []]);
  }
});

test('a hunter finds what is there, in each spelling', () => {
  const hunter = new LeakHunter();
  const secret = Buffer.from('8f3a5b0c9d7e11f2a4b6c8d0e2f40516', 'hex');
  hunter.addBytes('it', secret);
  const around = Buffer.from('some text around');
  for (let before = 0; before < 4; before++) {
    const whole = Buffer.concat([around.subarray(0, before), secret, around]);
    for (const told of [
      whole,
      whole.toString('hex').toUpperCase(),
      whole.toString('base64'),
      whole.toString('base64url'),
    ]) {
      expect(hunter.find(Buffer.from(told))).not.toEqual([]);
    }
  }
  expect(hunter.find(Buffer.from(`${around.toString()} ${secret.toString('hex').slice(2)}`))).toEqual([]);
});
