/** SHA-256 of every input: whatever protocol, transport and pieces it comes by, taken or refused, its row has that of the very bytes. */
import { createHash } from 'node:crypto';
import { connect as connectH2 } from 'node:http2';
import { Agent, request as sendHttp } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import { type FuzzRequest, GOOD } from '../fuzz-cases.ts';
import { toInferRequest } from './grpc-message.ts';
import { MODEL, useWhole } from './whole.ts';

const open = useWhole();
const agent = new Agent({ keepAlive: true });
afterAll(() => {
  agent.destroy();
});

/** Those that a model which is held here answers. */
const RUNS = GOOD.filter(({ path }) => !path.startsWith('/v1/chat') && !/embeddings|ModelMetadata/.test(path));
const spaces = (bytes: number): Buffer => Buffer.alloc(bytes, ' ');
const SPACED = RUNS.filter(
  ({ headers }) => headers['content-type'] === 'application/json' && !('inference-header-content-length' in headers),
);

const CASES: readonly (readonly [string, FuzzRequest])[] = [
  ...RUNS.map((one) => [`${one.path}, ${one.headers['content-type']}`, one] as const),
  // A message of gRPC that is cut off names no model: it has no row.
  ...RUNS.filter(({ path }) => !path.startsWith('/inference.')).map(
    (one) =>
      [
        `${one.path}, ${one.headers['content-type']}, that is cut off`,
        { ...one, body: one.body.subarray(0, -3) },
      ] as const,
  ),
  // Large ones are read into memory that is used again, and by other ways.
  ...SPACED.map(
    (one) => [`${one.path} of 300 KB`, { ...one, body: Buffer.concat([one.body, spaces(300_000)]) }] as const,
  ),
  [
    'gRPC of many rows, which are too many',
    {
      ...RUNS.find(({ path }) => path.startsWith('/inference.'))!,
      body: toInferRequest({ model: MODEL, name: 'x', shape: [1000, 2], values: Array<number>(2000).fill(0.5) }),
    },
  ],
  [
    'bytes that are no text',
    { ...RUNS[0], body: Buffer.from(Array.from({ length: 70_000 }, (_, n) => (n * 7) % 256)) },
  ],
];

type Send = (port: number, request: FuzzRequest) => Promise<void>;

const overHttp1: Send = (port, { path, headers, body }) =>
  new Promise((done, fail) => {
    const sent = sendHttp({ host: '127.0.0.1', port, method: 'POST', path, headers, agent }, (response) => {
      response.resume().on('end', done).on('error', fail);
    });
    sent.on('error', fail);
    sent.end(body);
  });

/** Without a length, in pieces. */
const inPieces: Send = (port, { path, headers, body }) =>
  new Promise((done, fail) => {
    const sent = sendHttp({ host: '127.0.0.1', port, method: 'POST', path, headers, agent }, (response) => {
      response.resume().on('end', done).on('error', fail);
    });
    sent.on('error', fail);
    for (let at = 0; at < body.length; at += 7001) sent.write(body.subarray(at, at + 7001));
    sent.end();
  });

const overHttp2: Send = (port, { path, headers, body }) =>
  new Promise((done, fail) => {
    const session = connectH2(`http://127.0.0.1:${port}`);
    session.on('error', fail);
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
    stream.on('error', fail);
    stream.resume().on('close', () => {
      session.close(done);
    });
    stream.end(body);
  });

describe.each<readonly [string, Send]>([
  ['HTTP/1.1', overHttp1],
  ['HTTP/1.1 in pieces', inPieces],
  ['HTTP/2', overHttp2],
])('over %s', (_name, ask) => {
  test.each(CASES)('a request of %s', async (_what, request) => {
    const { front, rows, faults, apiKey, quiet } = await open();
    // Others before and after it: memory that is used again shows nobody the bytes of theirs.
    const asked = [RUNS[0], request, RUNS[0]];
    for (const one of asked) {
      await ask(front.port, { ...one, headers: { ...one.headers, authorization: `Bearer ${apiKey}` } });
      await quiet();
    }
    const toHash = (body: Buffer): string => createHash('sha256').update(body).digest('hex');
    const found = rows.map(({ inputHash, inputBytes }) => [Buffer.from(inputHash).toString('hex'), inputBytes]);
    expect(found).toEqual(asked.map(({ body }) => [toHash(body), body.length]));
    expect(rows.map(({ isInputKeyed }) => isInputKeyed)).toEqual([false, false, false]);
    expect(faults).toEqual([]);
  });
});
