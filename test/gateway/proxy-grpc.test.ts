/** The data path of gRPC from socket to socket, in front of a server that says more than it should: what gets through, and what never does. */
import { connect, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openHttpFront } from '../../src/adapters/http-front/index.ts';
import { openGrpcUpstream } from '../../src/adapters/upstream/index.ts';
import { HTTP_FRONT_LIMITS } from '../../src/core/limits/http-front.ts';
import { createAddressLimiter, createPermits } from '../../src/gateway/limits/index.ts';
import { createGateway } from '../../src/gateway/pipeline/pipeline.ts';
import type { LogRow, ModelSignature } from '../../src/gateway/ports.ts';
import { createOipGrpc } from '../../src/gateway/protocols/index.ts';
import { createProxiedTarget } from '../../src/gateway/targets/proxied.ts';
import { LIMITS, makePrincipal } from '../fakes/api-keys.ts';
import { makeBareParts, makeGoodIdentifier, readNowUs } from './bare-parts.ts';
import { Http2Client, type Question, type Told } from './reliability/gateway-process.ts';
import { frame, toInferRequest } from './reliability/grpc-message.ts';

const CANARY = 'c4naryOfTheServerBehind';
const SERVICE = '/inference.GRPCInferenceService';
const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [{ name: 'y', dtype: 'f32', shape: [null, 2] }],
};
const GRPC = { 'content-type': 'application/grpc', te: 'trailers' };
const LEAKY = {
  ':status': 200,
  'content-type': 'application/grpc',
  server: CANARY,
  'x-model-path': `/models/${CANARY}`,
};

type Answer = (stream: ServerHttp2Stream) => void;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A server that answers as it is told to, and remembers what it was asked. */
async function openBehind(answer: Answer) {
  const [asked, working, sessions] = [[] as string[], new Set<ServerHttp2Stream>(), new Set<ServerHttp2Session>()];
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session)).on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    working.add(stream);
    stream.on('close', () => working.delete(stream)).on('error', () => undefined);
    stream.resume().on('end', () => {
      asked.push(String(headers[':path']));
      answer(stream);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ends.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((done) => server.close(done));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, working };
}

async function open(answer: Answer) {
  const behind = await openBehind(answer);
  const upstream = await openGrpcUpstream({
    ...{ name: 'behind', url: behind.url, limits: { answerBytesMax: 100_000 } },
    onTrouble: () => undefined,
  });
  const [rows, faults, permits] = [[] as LogRow[], [] as unknown[], createPermits()];
  const limits = { ...LIMITS, perMinute: 1_000_000, burst: 100_000, concurrency: 1 };
  const principal = makePrincipal({ scopes: ['infer:net', 'meta:net'], limits });
  const protocol = createOipGrpc();
  const handler = createGateway({
    ...makeBareParts(rows),
    protocols: [protocol],
    targets: new Map([
      [
        'net',
        createProxiedTarget({
          ...{ model: 'net', protocol, versions: ['7'], upstreamName: 'inner', upstream, isReady: () => true },
          ...{ findSignature: () => SIGNATURE, answerBytesMax: 100_000, isHashed: true, hashKey: null },
        }),
      ],
    ]),
    addresses: createAddressLimiter({ policy: { perMinute: 6000, burst: 1000 }, nowUs: readNowUs }),
    identifier: makeGoodIdentifier(principal),
    permits,
    onFault: (error) => faults.push(error),
  });
  const front = await openHttpFront({
    ...{ host: '127.0.0.1', port: 0, tls: null, limits: HTTP_FRONT_LIMITS, handler },
    onTrouble: (error) => faults.push(error),
  });
  ends.unshift(
    () => front.close(),
    () => upstream.close(),
  );
  const quiet = async (): Promise<void> => {
    const isQuiet = (): boolean =>
      permits.count + upstream.stats.requestsNow + front.stats.requestsNow + behind.working.size === 0;
    while (!isQuiet()) await new Promise((done) => setTimeout(done, 2));
  };
  return { behind, port: front.port, permits, rows, faults, quiet };
}

const INFER = toInferRequest({ model: 'net', name: 'x', shape: [1, 2], values: [1, 2] });

async function ask(port: number, question: Partial<Question> = {}): Promise<Told> {
  const client = new Http2Client(port, '', 'http');
  try {
    return await client.ask({ path: `${SERVICE}/ModelInfer`, headers: GRPC, body: INFER, apiKey: 'good', ...question });
  } finally {
    client.close();
  }
}
const toStatus = ({ all }: Told): string | undefined => /"grpc-status":"(\d+)"/.exec(all.toString('latin1'))?.[1];

const text = (number: number, value: string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)]);
/** One tensor y of this shape, with values for it. */
function toAnswer(name: string, shape: readonly number[]): Buffer {
  const output = Buffer.concat([text(1, name), text(2, 'FP32'), Buffer.from([0x1a, shape.length, ...shape])]);
  const bytes = 4 * shape.reduce((all, axis) => all * axis, 1);
  return frame(
    Buffer.concat([
      text(1, `inner-${CANARY}`),
      Buffer.from([0x2a, output.length]),
      output,
      Buffer.from([0x32, bytes]),
      Buffer.alloc(bytes),
    ]),
  );
}
const answerWith =
  (message: Buffer, trailers: Record<string, string> = { 'grpc-status': '0', 'x-path': CANARY }): Answer =>
  (stream) => {
    stream.respond(LEAKY, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers);
    });
    stream.end(message);
  };

describe('what a server of gRPC says', () => {
  test('comes through as the answer of our model, and nothing else of it', async () => {
    const { behind, port, rows, quiet } = await open(answerWith(toAnswer('y', [1, 2])));
    const told = await ask(port);
    expect([told.status, toStatus(told), told.code]).toEqual([200, '0', '']);
    expect(told.all.toString('latin1')).not.toMatch(new RegExp(`${CANARY}|inner`));
    await quiet();
    expect([behind.asked, rows.map(({ code }) => code)]).toEqual([[`${SERVICE}/ModelInfer`], [null]]);
  });

  test.each<readonly [string, string, Answer]>([
    [
      'an error in its headers',
      'GATEWAY_UPSTREAM_REFUSED',
      (stream) => {
        stream.respond({ ...LEAKY, 'grpc-status': '5', 'grpc-message': `no /models/${CANARY}` }, { endStream: true });
      },
    ],
    [
      'an error in its trailers',
      'GATEWAY_UPSTREAM_REFUSED',
      answerWith(Buffer.alloc(0), { 'grpc-status': '13', 'grpc-message': CANARY }),
    ],
    [
      'an error behind an answer',
      'GATEWAY_UPSTREAM_REFUSED',
      answerWith(toAnswer('y', [1, 2]), { 'grpc-status': '2', 'grpc-message': CANARY }),
    ],
    [
      'a status of HTTP',
      'GATEWAY_UPSTREAM_REFUSED',
      (stream) => {
        stream.respond({ ':status': 503, 'content-type': 'text/html' });
        stream.end(`<html>/models/${CANARY}`);
      },
    ],
    ['another tensor', 'GATEWAY_ANSWER_SHAPE', answerWith(toAnswer(CANARY, [1, 2]))],
    ['another shape', 'GATEWAY_ANSWER_SHAPE', answerWith(toAnswer('y', [1, 3]))],
    ['weights', 'GATEWAY_ANSWER_TOO_LARGE', answerWith(frame(Buffer.alloc(200_000, CANARY)))],
    ['what is no message', 'GATEWAY_UPSTREAM_MALFORMED', answerWith(frame(Buffer.alloc(60, CANARY)))],
    [
      'half of an answer',
      'GATEWAY_UPSTREAM_MALFORMED',
      (stream) => {
        stream.respond(LEAKY);
        stream.write(toAnswer('y', [1, 2]).subarray(0, 20), () => {
          stream.destroy(new Error('of the test'));
        });
      },
    ],
  ])('%s is a status with a code of ours: %s', async (_what, code, answer) => {
    const { port, rows, faults, quiet } = await open(answer);
    const told = await ask(port);
    expect([told.status, told.code]).toEqual([200, code]);
    expect(toStatus(told)).not.toBe('0');
    expect(told.all.toString('latin1')).not.toMatch(new RegExp(`${CANARY}|inner|/models`));
    await quiet();
    expect([faults, rows.map((row) => row.code)]).toEqual([[], [code]]);
  });
});

test.each([
  'RepositoryIndex',
  'RepositoryModelLoad',
  'RepositoryModelUnload',
  'ModelConfig',
  'ModelStatistics',
  'SystemSharedMemoryRegister',
  'CudaSharedMemoryStatus',
  'TraceSetting',
  'LogSettings',
  'ModelStreamInfer',
  'modelinfer',
  'ModelInfer/',
  '../inference.GRPCInferenceService/ModelInfer',
])('%s never reaches a server, and neither does a caller whom nobody knows', async (method) => {
  const { behind, port } = await open(answerWith(toAnswer('y', [1, 2])));
  const told = await ask(port, { path: `${SERVICE}/${method}` });
  expect([told.code === '', toStatus(told) === '0']).toEqual([false, false]);
  const stranger = await ask(port, { apiKey: 'bad' });
  expect(stranger.code).toBe('GATEWAY_CREDENTIAL_INVALID');
  expect(behind.asked).toEqual([]);
});

test.each([
  ['his connection', true],
  ['his stream alone', false],
])('a caller who gives up %s ends his call at the server, and his place is free', async (_what, isWhole) => {
  let arrived = (): void => undefined;
  let isHeld = true;
  const { behind, port, permits, rows, faults, quiet } = await open((stream) => {
    if (isHeld) arrived();
    else answerWith(toAnswer('y', [1, 2]))(stream);
  });
  const isThere = new Promise<void>((done) => {
    arrived = done;
  });
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  ends.unshift(() => {
    session.destroy();
    return Promise.resolve();
  });
  const sent = session.request({
    ':method': 'POST',
    ':path': `${SERVICE}/ModelInfer`,
    ...GRPC,
    authorization: 'Bearer good',
  });
  sent.on('error', () => undefined);
  sent.end(INFER);
  await isThere;
  expect([permits.count, behind.working.size]).toEqual([1, 1]);
  if (isWhole) session.destroy();
  else sent.close(8);
  await quiet();
  expect(rows.map(({ code }) => code)).toEqual(['GATEWAY_STREAM_CUT']);
  isHeld = false;
  expect(toStatus(await ask(port))).toBe('0');
  expect(faults).toEqual([]);
});
