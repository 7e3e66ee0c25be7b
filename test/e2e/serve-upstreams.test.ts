/** The gateway as a process, in front of inference servers of every protocol: what gets through, what never does, and what is logged. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type InBandOutput, readKeyFile, verifyInBand } from '../../clients/typescript/modelward-verify.ts';
import {
  type InferenceServer,
  openGrpcServer,
  openOipServer,
  openOpenAiServer,
  openRowServer,
  type Sent,
  SLIP,
} from '../gateway/inference-servers.ts';
import { createWorkplace, samples } from './command.ts';
import { type Serving, startServing, until } from './serving.ts';

const place = createWorkplace({ isOneProcess: true });
const at = (name: string): string => join(place.folder, name);
const TOKEN = 'token-of-the-server-behind';

type Kind = 'oip' | 'grpc' | 'openai' | 'torchserve' | 'silent' | 'sagemaker' | 'vertex' | 'plain';

const servers = {} as Record<Kind, InferenceServer>;
let gateway: Serving;
const keys: Record<string, string> = {};

const SIGNATURE = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};

function toConfig(): string {
  // A loaded machine may be slow to answer: that is no failure here.
  const readiness = { intervalMs: 200, failures: 1, timeoutMs: 60_000 };
  const upstream = (kind: Kind, more: object): object => ({
    name: kind,
    url: servers[kind].url,
    protocol: kind,
    readiness,
    ...more,
  });
  const model = { upstreamName: 'net', signature: SIGNATURE };
  const triton = { name: 'net', versions: ['1', '2'], signature: 'server' };
  return stringify({
    models: [{ name: 'held', file: join(samples, 'mlp.onnx') }],
    upstreams: [
      upstream('oip', { models: [triton], tokenFile: 'token' }),
      upstream('grpc', { protocol: 'oip-grpc', models: [triton] }),
      upstream('openai', { models: [{ name: 'llm', upstreamName: 'org/llm' }], openai: { maxTokens: 100 } }),
      upstream('torchserve', { models: [{ name: 'ts', ...model }] }),
      upstream('silent', {
        ...{ protocol: 'torchserve', models: [{ name: 'still', ...model }], limits: { headersTimeoutMs: 300 } },
      }),
      upstream('sagemaker', { models: [{ name: 'sm', ...model }] }),
      upstream('vertex', { models: [{ name: 'vx', ...model }] }),
      upstream('plain', {
        models: [{ name: 'pj', ...model }],
        path: '/score',
        readiness: { ...readiness, path: '/up' },
      }),
    ],
    limits: { answerBytesMax: 400_000, batchMax: 5000 },
    admin: { port: 0, openMetrics: true },
  });
}

beforeAll(async () => {
  servers.oip = await openOipServer();
  servers.grpc = await openGrpcServer();
  servers.openai = await openOpenAiServer();
  for (const kind of ['torchserve', 'sagemaker', 'vertex', 'plain'] as const) servers[kind] = await openRowServer(kind);
  servers.silent = await openRowServer('torchserve');
  const create = (name: string, ...more: readonly string[]): void => {
    const file = `${name}.json`;
    const rate = ['--per-minute', '6000', '--burst', '1000'];
    const { status, stderr } = place.run(['apikey', 'create', '--name', name, ...rate, '-o', file, ...more]);
    expect([status, stderr.includes('    at ')]).toEqual([0, false]);
    keys[name] = (JSON.parse(readFileSync(at(file), 'utf8')) as { readonly apiKey: string }).apiKey;
  };
  create('all', '--model', '*');
  create('labels', '--model', '*', '--label-only');
  writeFileSync(at('token'), `${TOKEN}\n`, { mode: 0o600 });
  writeFileSync(at('gateway.yaml'), toConfig());
  gateway = await start('gateway.yaml');
});

afterAll(async () => {
  gateway.child.kill('SIGKILL');
  await Promise.all(Object.values(servers).map((server) => server.close()));
  place.remove();
});

function start(...args: readonly string[]): Promise<Serving> {
  const { folder, home } = place;
  return startServing({ folder, home, args: [...args, '--port', '0', '--plaintext'] });
}

interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Status line, headers and body as one text. */
  readonly all: string;
  readonly isWhole: boolean;
}

interface Ask {
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  readonly key?: string;
}

function ask(path: string, { method = 'POST', body = '', headers = {}, key = 'all' }: Ask = {}): Promise<Told> {
  const credential = { authorization: `Bearer ${keys[key]}`, 'content-type': 'application/json' };
  return new Promise((done, fail) => {
    const sent = request(
      { host: '127.0.0.1', port: gateway.port, method, path, agent: false, headers: { ...credential, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        const end = (isWhole: boolean): void => {
          const { statusCode: status = 0, statusMessage, rawHeaders, headers: told } = response;
          const whole = Buffer.concat(chunks);
          const all = [statusMessage, ...rawHeaders, whole.toString('latin1')].join('\n');
          done({ status, headers: told, body: whole, all, isWhole });
        };
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => {
          end(false);
        });
        response.on('end', () => {
          end(true);
        });
      },
    );
    sent.on('error', fail);
    sent.end(method === 'POST' ? body : undefined);
  });
}

const OIP = '/v2/models/net/infer';
const OIP_BODY = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[[1,-0.0]]}]}';
const CHAT = '/v1/chat/completions';
const toChat = (more: object = {}): string =>
  JSON.stringify({ model: 'llm', messages: [{ role: 'user', content: 'good morning' }], ...more });

/** One good inference of each protocol over HTTP/1.1, and what the answer says. */
const CALLS: readonly (readonly [kind: Kind, path: string, body: string, answered: RegExp])[] = [
  ['oip', OIP, OIP_BODY, /"data":\[2,-?0\]/],
  ['openai', CHAT, toChat(), /"content":"good morning"/],
  ['torchserve', '/predictions/ts', '[[1,2]]', /^\[\[2,4\]\]$/],
  ['sagemaker', '/invocations', '{"instances":[[1,2]]}', /^\[\[2,4\]\]$/],
  ['vertex', '/predict', '{"instances":[[1,2]]}', /^\{"predictions":\[\[2,4\]\]\}$/],
  ['vertex', '/v1/models/vx:predict', '{"instances":[[1,2]]}', /^\{"predictions":\[\[2,4\]\]\}$/],
  ['plain', '/pj', '{"inputs":{"x":[[1,2]]}}', /^\{"outputs":\{"y":\[\[2,4\]\]\}\}$/],
];

const toCode = ({ headers }: Told): unknown => headers['x-modelward-code'];

function expectNoSlip(told: Pick<Told, 'all'>, kind: Kind): void {
  for (const secret of [SLIP, TOKEN, servers[kind].url.slice('http://'.length)]) {
    expect(told.all).not.toContain(secret);
  }
}

describe.each(CALLS)('in front of %s, %s', (kind, path, body, answered) => {
  test('answers, under the name of callers alone; each answer has its marks and its row', async () => {
    const before = servers[kind].sent.length;
    const told = await ask(path, { body });
    expect([told.status, told.body.toString()]).toEqual([200, expect.stringMatching(answered)]);
    expect(told.headers).toMatchObject({
      'content-digest': expect.any(String) as unknown,
      signature: expect.any(String) as unknown,
    });
    expectNoSlip(told, kind);
    const asked = servers[kind].sent.slice(before).find(({ method }) => method === 'POST')!;
    expect(asked.headers.authorization).toBe(kind === 'oip' ? `Bearer ${TOKEN}` : undefined);
    expect(asked.headers).not.toHaveProperty('x-forwarded-for');
  });

  test.each<
    readonly [
      string,
      number,
      string,
      (sent: Sent, response: Parameters<NonNullable<InferenceServer['trouble']>>[1]) => void,
    ]
  >([
    [
      'an error',
      502,
      'GATEWAY_UPSTREAM_REFUSED',
      (_sent, response) => response.writeHead(500, SLIP, { 'x-path': SLIP }).end(`Traceback: /models/${SLIP}`),
    ],
    [
      'a redirect',
      502,
      'GATEWAY_UPSTREAM_',
      (_sent, response) => response.writeHead(307, { location: `http://169.254.169.254/${SLIP}` }).end(),
    ],
    [
      'an answer that breaks off',
      502,
      'GATEWAY_UPSTREAM_MALFORMED',
      (_sent, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('{"outputs":');
        setImmediate(() => response.destroy());
      },
    ],
    [
      'an answer that is too long',
      502,
      'GATEWAY_ANSWER_TOO_LARGE',
      (_sent, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(`"${SLIP.repeat(20_000)}"`),
    ],
    [
      'an answer of another form',
      502,
      'GATEWAY_',
      (_sent, response) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(`{"path":"/models/${SLIP}","outputs":[`),
    ],
    ['no answer', 502, 'GATEWAY_UPSTREAM_', (_sent, response) => response.destroy()],
  ])('%s of the server: a code, and nothing of what it said', async (_name, status, code, trouble) => {
    servers[kind].trouble = (sent, response) => {
      trouble(sent, response);
      return true;
    };
    const told = await ask(path, { body }).finally(() => {
      servers[kind].trouble = null;
    });
    expect([told.status, toCode(told)]).toEqual([status, expect.stringContaining(code)]);
    expectNoSlip(told, kind);
    expect((await ask(path, { body })).status).toBe(200);
  });
});

describe('in front of a server of the Open Inference Protocol', () => {
  test('binary tensors go through, both ways', async () => {
    const json =
      '{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}],"parameters":{"binary_data_output":true}}';
    const values = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    const headers = {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(json.length),
    };
    const told = await ask('/v2/models/net/versions/1/infer', {
      headers,
      body: Buffer.concat([Buffer.from(json), values]),
    });
    expect(told.status).toBe(200);
    const length = Number(told.headers['inference-header-content-length']);
    const answered = told.body.subarray(length);
    expect(Array.from({ length: 4 }, (_, i) => answered.readFloatLE(4 * i))).toEqual([2, 4, 6, 8]);
    expect(JSON.parse(told.body.toString('utf8', 0, length))).toMatchObject({
      model_name: 'net',
      model_version: '1',
      parameters: { integrity: expect.stringContaining('modelward-answer-1') as unknown },
    });
    expectNoSlip(told, 'oip');
  });

  test('what stands within an answer is verified by the customer’s helper', async () => {
    const keyFile = readKeyFile(readFileSync(at('all.json'), 'utf8'));
    for (const path of [OIP, '/v2/models/net/versions/2/infer']) {
      const told = await ask(path, { body: OIP_BODY });
      const { parameters, outputs } = JSON.parse(told.body.toString()) as {
        readonly parameters: { readonly integrity: string };
        readonly outputs: readonly InBandOutput[];
      };
      const answer = { integrity: parameters.integrity, request: { path, body: OIP_BODY }, keys: { tag: keyFile } };
      expect(verifyInBand({ ...answer, outputs }).requestId).toBe(told.headers['x-request-id']);
      const changed = outputs.map((output) => ({ ...output, data: [2, 1] }));
      expect(() => verifyInBand({ ...answer, outputs: changed })).toThrow(
        expect.objectContaining({ code: 'INTEGRITY_OUTPUT_CHANGED' }) as Error,
      );
    }
  });

  test('what the server tells of a model is told, without the engine; requests are held against it', async () => {
    const told = await ask('/v2/models/net', { method: 'GET' });
    expect(JSON.parse(told.body.toString())).toEqual({
      name: 'net',
      versions: ['1', '2'],
      platform: 'modelward',
      ...SIGNATURE,
    });
    const before = servers.oip.sent.filter(({ method }) => method === 'POST').length;
    const refused = await Promise.all([
      ask(OIP, { body: OIP_BODY.replace('FP32', 'FP64') }),
      ask(OIP, { body: OIP_BODY.replace('[1,2]', '[1,3]') }),
      ask(OIP, { body: OIP_BODY.replace('"x"', '"z"') }),
      ask(OIP, { body: OIP_BODY.replace('-0.0', '1e99') }),
      ask('/v2/models/net/versions/3/infer', { body: OIP_BODY }),
      ask('/v2/models/net/load', { body: '{}' }),
    ]);
    expect(refused.map(toCode)).toEqual([
      'GATEWAY_INPUT_DTYPE',
      'GATEWAY_INPUT_SHAPE',
      'GATEWAY_INPUT_NAME',
      'GATEWAY_INPUT_VALUE',
      'GATEWAY_NOT_ALLOWED',
      'GATEWAY_ROUTE_UNKNOWN',
    ]);
    expect(servers.oip.sent.filter(({ method }) => method === 'POST')).toHaveLength(before);
  });

  test('a body that another thread reads is the same tensor as in binary, there and in a model of the gateway itself', async () => {
    const values = Float32Array.from({ length: 9000 }, (_, i) => i / 3);
    const toInput = (name: string, shape: readonly number[], more: object): string =>
      JSON.stringify({ inputs: [{ name, datatype: 'FP32', shape, ...more }] });
    const large = toInput('x', [4500, 2], { data: Array.from(values) });
    expect(large.length).toBeGreaterThan(65_536);
    expect((await ask(OIP, { body: large })).status).toBe(200);
    const head = toInput('x', [4500, 2], { parameters: { binary_data_size: values.byteLength } });
    const headers = {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.length),
    };
    const bytes = Buffer.from(values.buffer);
    expect((await ask(OIP, { headers, body: Buffer.concat([Buffer.from(head), bytes]) })).status).toBe(200);
    const image = { data: Array.from({ length: 60 * 144 }, () => 0.123456789) };
    const held = await ask('/v2/models/held/infer', { body: toInput('input', [60, 1, 12, 12], image) });
    expect([held.status, held.body.length > 1000]).toEqual([200, true]);
    const shape = await ask('/v2/models/held/infer', { body: toInput('input', [61, 1, 12, 12], image) });
    expect(toCode(shape)).toBe('GATEWAY_INPUT_SHAPE');
  });

  test('what a key may not see is taken out', async () => {
    const told = await ask(OIP, { body: OIP_BODY, key: 'labels' });
    expect(JSON.parse(told.body.toString())).toMatchObject({
      outputs: [{ name: 'y', datatype: 'INT64', shape: [1], data: [0] }],
    });
  });

  test('readiness of model and gateway is that of the server', async () => {
    const paths = ['/v2/models/net/ready', '/v2/health/ready', '/v2/models/held/ready'];
    const look = () => Promise.all(paths.map(async (path) => (await ask(path, { method: 'GET' })).status));
    const untilSeen = (wanted: readonly number[]): Promise<void> =>
      until(wanted.join(), async () => (await look()).join() === wanted.join());
    await untilSeen([200, 200, 200]);
    servers.oip.isReady = false;
    await untilSeen([503, 503, 200]);
    servers.oip.isReady = true;
    await untilSeen([200, 200, 200]);
    await until('told', () => gateway.told().includes('upstream oip: GATEWAY_UPSTREAM_UNREACHABLE'));
  });
});

describe('in front of a server of gRPC', () => {
  const toField = (field: number, value: Buffer | string): Buffer => {
    const bytes = Buffer.from(value as string);
    return Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
  };

  function call(
    method: string,
    message: Buffer,
  ): Promise<{ readonly status: string; readonly body: Buffer; readonly all: string }> {
    const session = connect(`http://127.0.0.1:${gateway.port}`);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    return new Promise((done, fail) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': `/inference.GRPCInferenceService/${method}`,
        te: 'trailers',
        'content-type': 'application/grpc',
        authorization: `Bearer ${keys.all}`,
      });
      const chunks: Buffer[] = [];
      let seen: Record<string, unknown> = {};
      stream.on('response', (headers) => {
        seen = { ...seen, ...headers };
      });
      stream.on('trailers', (trailers) => {
        seen = { ...seen, ...trailers };
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', fail);
      stream.on('close', () => {
        session.close();
        const body = Buffer.concat(chunks);
        const { 'grpc-status': status = '' } = seen as Record<string, string>;
        done({ status, body, all: JSON.stringify(seen) + body.toString('latin1') });
      });
      stream.end(Buffer.concat([frame, message]));
    });
  }

  const infer = (values: Buffer): Buffer =>
    Buffer.concat([
      toField(1, 'net'),
      toField(5, Buffer.concat([toField(1, 'x'), toField(2, 'FP32'), toField(3, Buffer.from([1, 2]))])),
      toField(7, values),
    ]);

  test('answers; the same model as over REST, and the same hash of the same tensor', async () => {
    const values = Buffer.from(Float32Array.of(1, 0).buffer);
    const told = await call('ModelInfer', infer(values));
    expect(told.status).toBe('0');
    expect(told.body.includes(Buffer.from(Float32Array.of(2, 0).buffer))).toBe(true);
    expectNoSlip(told, 'grpc');
    expect(await call('ModelReady', toField(1, 'net'))).toMatchObject({
      status: '0',
      body: Buffer.from([0, 0, 0, 0, 2, 8, 1]),
    });
    expect((await call('ModelInfer', infer(values.subarray(4)))).status).toBe('3');
  });
});

describe('in front of a server of text models', () => {
  test('events come as they are made, under the name of callers, and end with their marks', async () => {
    const told = await ask(CHAT, { body: toChat({ stream: true }) });
    expect([told.status, told.isWhole]).toEqual([200, true]);
    const text = told.body.toString();
    expect(text.match(/"content":"\w+"|\[DONE\]|modelward-integrity/g)).toEqual([
      '"content":"good"',
      '"content":"morning"',
      '[DONE]',
      'modelward-integrity',
    ]);
    expect(text).toContain('"model":"llm"');
    expectNoSlip(told, 'openai');
  });

  test('tokens are capped: more are refused, and a cap is said where the caller says none', async () => {
    await ask(CHAT, { body: toChat() });
    await ask(CHAT, { body: toChat({ max_completion_tokens: 7 }) });
    const [none, some] = servers.openai.sent.slice(-2).map(({ body }) => JSON.parse(body.toString()) as object);
    expect([none, some]).toEqual([
      { model: 'org/llm', messages: expect.any(Array) as unknown, max_tokens: 100 },
      { model: 'org/llm', messages: expect.any(Array) as unknown, max_completion_tokens: 7 },
    ]);
    const more = await ask(CHAT, { body: toChat({ max_tokens: 101 }) });
    expect([more.status, toCode(more)]).toEqual([403, 'GATEWAY_OUTPUT_NOT_ALLOWED']);
  });

  test('a stream that the server breaks off is cut off, too, and has no marks', async () => {
    servers.openai.trouble = (_sent, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"choices":[]}\n\n');
      setTimeout(() => response.destroy(), 20);
      return true;
    };
    const told = await ask(CHAT, { body: toChat({ stream: true }) }).finally(() => {
      servers.openai.trouble = null;
    });
    expect([told.isWhole, told.all.includes('modelward-integrity')]).toEqual([false, false]);
    expectNoSlip(told, 'openai');
  });
});

test('without a file: a server that the command names is asked by the protocol that it names', async () => {
  const named = await start('--upstream', `llm=${servers.openai.url}`, '--protocol', 'openai');
  try {
    const headers = { authorization: `Bearer ${keys.all}`, 'content-type': 'application/json' };
    const told = await fetch(`http://127.0.0.1:${named.port}${CHAT}`, { method: 'POST', headers, body: toChat() });
    expect([told.status, await told.text()]).toEqual([200, expect.stringContaining('"content":"good morning"')]);
    expect(servers.openai.sent.filter(({ method }) => method === 'POST').at(-1)!.path).toBe(CHAT);
  } finally {
    await named.stop();
  }
});

test('in front of text models alone, readiness is told where its protocol is named, too, and to everybody where that is open', async () => {
  const models = [{ name: 'llm', upstreamName: 'org/llm' }];
  const upstreams = [{ name: 'openai', url: servers.openai.url, protocol: 'openai', models }];
  writeFileSync(at('text.yaml'), stringify({ openHealth: true, protocols: ['oip', 'openai'], upstreams }));
  writeFileSync(at('text-alone.yaml'), stringify({ openHealth: true, upstreams }));
  const askReady = async ({ port }: Serving): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/v2/health/ready`)).status;
  const [both, alone] = await Promise.all([start('text.yaml'), start('text-alone.yaml')]);
  try {
    await until('readiness', async () => (await askReady(both)) === 200);
    expect(await askReady(alone)).toBe(404);
  } finally {
    await Promise.all([both.stop(), alone.stop()]);
  }
});

test('a server that is silent ends in a code, and its request with it', async () => {
  const over = new Promise<void>((done) => {
    servers.silent.trouble = (_sent, response) => {
      response.on('close', done);
      return true;
    };
  });
  const told = await ask('/predictions/still', { body: '[[1,2]]' });
  servers.silent.trouble = null;
  expect([told.status, toCode(told)]).toEqual([504, 'GATEWAY_UPSTREAM_TIMEOUT']);
  expectNoSlip(told, 'silent');
  await over;
});

test('no answer is given for a model by a protocol that its server does not speak', async () => {
  const told = await Promise.all([
    ask('/v2/models/llm/infer', { body: OIP_BODY }),
    ask('/predictions/net', { body: '[[1,2]]' }),
    ask(CHAT, { body: toChat({ model: 'held' }) }),
  ]);
  expect(told.map((one) => [one.status, toCode(one)])).toEqual(Array.from(told, () => [403, 'GATEWAY_NOT_ALLOWED']));
});

test('the numbers have the answers and the failures of each protocol, and nothing of a server', async () => {
  const text = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`)).text();
  const asked = Array.from(
    text.matchAll(/^modelward_requests_total\{protocol="([^"]+)",model="(\w+)",status="(\d+)"/gm),
  );
  const ofStatus = (wanted: string) =>
    new Set(asked.filter(([, , , status]) => status === wanted).map(([, protocol, model]) => `${protocol} ${model}`));
  const rows = ['openai llm', 'torchserve ts', 'sagemaker sm', 'vertex vx', 'plain pj'];
  for (const row of ['oip net', 'oip-grpc net', 'oip held', ...rows]) expect(ofStatus('200')).toContain(row);
  for (const row of ['oip net', ...rows]) expect(ofStatus('502')).toContain(row);
  for (const secret of [SLIP, TOKEN, servers.oip.url]) expect(text).not.toContain(secret);
});

test('the log has the hash of the tensors, the same for each encoding and for a model that the gateway holds', async () => {
  expect(await gateway.stop()).toBe(0);
  expect(place.run(['log', 'verify']).status).toBe(0);
  expect(place.run(['log', 'export', '-o', 'log.jsonl']).status).toBe(0);
  const text = readFileSync(at('log.jsonl'), 'utf8');
  const rows = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const hashes = rows
    .filter(({ model, status }) => model === 'net' && status === 200)
    .map(({ protocol, tensorHash }) => [protocol, tensorHash]);
  const same = hashes.filter(([, hash]) => hash === hashes[0][1]);
  expect(new Set(same.map(([protocol]) => protocol))).toEqual(new Set(['oip', 'oip-grpc']));
  const large = rows.filter(({ model, items }) => model === 'net' && items === 4500).map((row) => row.tensorHash);
  expect([large.length, new Set(large).size, large[0]]).toEqual([2, 1, expect.any(String)]);
  for (const secret of [SLIP, TOKEN, 'morning', servers.oip.url]) expect(text + gateway.told()).not.toContain(secret);
});

describe('is refused before anything listens:', () => {
  test.each([
    ['plaintext to another machine', ['--upstream', 'net=http://10.0.0.1:8000'], 'UPSTREAM_PLAINTEXT'],
    ['a metadata service', ['--upstream', 'net=https://169.254.169.254'], 'UPSTREAM_ADDRESS_REFUSED'],
    ['an address with a credential', ['--upstream', 'net=https://user:word@host'], 'upstreams.0.url'],
    ['no address', ['--upstream', 'net'], 'NAME=URL'],
    [
      'a model that is there twice',
      ['--upstream', 'net=http://127.0.0.1:1', '--model', 'net=x.onnx'],
      'held by the gateway itself',
    ],
  ])('%s', (_name, args, words) => {
    const { status, stderr } = place.runAlone(['serve', ...args, '--plaintext', '--port', '0']);
    expect([status === 0, stderr]).toEqual([false, expect.stringContaining(words)]);
    expect(stderr).not.toContain('    at ');
    expect(stderr).not.toContain('user:word');
  });
});
