/** Answers as the whole gateway gives them, checked by who asked: REST, gRPC and streams. */
import { describe, expect, test } from 'vitest';
import {
  type InBandOutput,
  readKeyFile,
  StreamVerifier,
  verifyAnswer,
  verifyInBand,
} from '../../clients/typescript/modelward-verify.ts';
import { toBase64Url } from '../../src/core/base64url.ts';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import {
  createAddressLimiter,
  createAnswerSealer,
  createGateway,
  createLimiter,
  createPermits,
  MemoryRates,
} from '../../src/gateway/index.ts';
import type { GatewayAnswer, LogRow, ModelSignature, Principal, ServedModel } from '../../src/gateway/ports.ts';
import { createOipGrpc } from '../../src/gateway/protocols/grpc/grpc.ts';
import { WireCursor, WireWriter } from '../../src/gateway/protocols/grpc/wire.ts';
import { createOip } from '../../src/gateway/protocols/oip/oip.ts';
import { createOpenAi } from '../../src/gateway/protocols/openai/openai.ts';
import { createEmbeddedTarget } from '../../src/gateway/targets/embedded.ts';
import { createProxiedTarget } from '../../src/gateway/targets/proxied.ts';
import { signer, toPrincipal } from './integrity-cases.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);
const TAG_KEY = new Uint8Array(32).fill(9);
const keys = {
  tag: readKeyFile(JSON.stringify({ keyId: 'k_A', tagKey: toBase64Url(TAG_KEY) })),
};
const now = { nowSec: NOW_MS / 1000, maxAgeSec: 60 };

const SIGNATURE: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
  outputs: [
    { name: 'y', dtype: 'f32', shape: [null, 2] },
    { name: 'best', dtype: 'i64', shape: [null] },
  ],
};

const served: ServedModel = {
  ...{ name: 'digits', version: '1', signature: SIGNATURE, isReady: true },
  run: (inputs) =>
    Promise.resolve([
      { name: 'y', dtype: 'f32', shape: inputs[0].shape, data: inputs[0].data },
      { name: 'best', dtype: 'i64', shape: [1], data: new Uint8Array(new BigInt64Array([-3n]).buffer) },
    ]),
};

const EVENTS = ['data: {"id":"1","model":"llama","choices":[]}\n\n', 'data: [DONE]\n\n'];

async function* toStream(): AsyncGenerator<Uint8Array> {
  for (const text of EVENTS) {
    await Promise.resolve();
    yield utf8(text);
  }
}

function createTestGateway(principal: Principal) {
  const rows: LogRow[] = [];
  const nowUs = (): number => NOW_MS * 1000;
  const embedded = createEmbeddedTarget({
    ...{ model: 'digits', list: () => [served], answerBytesMax: 1 << 20, hashKey: null },
  });
  const llama = createProxiedTarget({
    ...{ model: 'llama', protocol: createOpenAi(), versions: [], upstreamName: 'llama', findSignature: () => null },
    ...{ isReady: () => true, answerBytesMax: 1 << 20, isHashed: true, hashKey: null },
    upstream: {
      name: 'behind',
      send: () => Promise.resolve({ status: 200, headers: [['content-type', 'text/event-stream']], body: toStream() }),
      inFlight: 0,
      close: () => Promise.resolve(),
    },
  });
  const handle = createGateway({
    protocols: [createOip(), createOipGrpc(), createOpenAi()],
    targets: new Map([embedded, llama].map((target) => [target.model, target])),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 10 }, nowUs }),
    identifier: { identify: () => ({ isKnown: true, principal }) },
    limiter: createLimiter({ rates: new MemoryRates({ nowUs }), budgets: null, tenants: new Map(), models: new Map() }),
    permits: createPermits(),
    sealer: createAnswerSealer({ signer, isAlwaysSigned: false }),
    log: { append: (row) => ({ stream: 'stream', index: rows.push(row) - 1 }) },
    meter: { onAnswer: () => undefined },
    settings: { name: 'g', version: '1', isHealthOpen: false, batchMax: 8, hashKey: null },
    makeRequestId: () => '019aa4d2-6f00-7a10-8000-000000000001',
    ...{ nowMs: () => NOW_MS, nowUs },
    onFault: (error) => {
      throw error;
    },
  });
  const ask = (path: string, contentType: string, body: Uint8Array): Promise<GatewayAnswer> =>
    handle({
      ...{ method: 'POST', path, query: '', headers: { 'content-type': contentType }, body, httpVersion: '1.1' },
      peer: { address: '192.0.2.1', certificate: null },
      signal: new AbortController().signal,
    });
  return { ask, rows };
}

const principal: Principal = {
  ...toPrincipal(TAG_KEY, 'key:k_A'),
  scopes: ['infer:*'],
  limits: { ...toPrincipal().limits, perMinute: 100, burst: 100, concurrency: 5 },
};

describe('an answer of the gateway', () => {
  const path = '/v2/models/digits/infer';
  const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.1,-0.0]}]}';

  test.each([
    ['JSON', ''],
    ['the binary extension', ',"parameters":{"binary_data_output":true}}'],
  ])('over REST in %s is verified by headers and by what stands within it', async (_name, more) => {
    const sent = more === '' ? body : body.replace(/}$/, more);
    const { ask, rows } = createTestGateway(principal);
    const answer = await ask(path, 'application/json', utf8(sent));
    expect([answer.status, Buffer.from(answer.body as Uint8Array).toString('latin1')]).toEqual([
      200,
      expect.any(String),
    ]);
    const request = { method: 'POST', path, body: sent };
    const bytes = answer.body as Uint8Array;
    verifyAnswer({ request, status: 200, headers: answer.headers, body: bytes, keys, ...now });
    const cut = new Map(answer.headers).get('inference-header-content-length');
    const head = cut === undefined ? bytes.length : Number(cut);
    const { parameters, outputs } = JSON.parse(Buffer.from(bytes.subarray(0, head)).toString()) as {
      parameters: { integrity: string };
      outputs: (InBandOutput & { parameters?: { binary_data_size: number } })[];
    };
    let at = head;
    const read = outputs.map((output) => {
      const size = output.parameters?.binary_data_size;
      if (size === undefined) return output;
      at += size;
      return { ...output, data: bytes.subarray(at - size, at) };
    });
    const found = verifyInBand({ integrity: parameters.integrity, outputs: read, request, keys, ...now });
    expect(found).toMatchObject({ requestId: rows[0].requestId, marks: ['tag'] });
    expect(rows).toHaveLength(1);
  });

  test('over gRPC has what stands within it, over the bytes that were sent', async () => {
    const input = new WireWriter().text(1, 'x').text(2, 'FP32').packedInts(3, [1, 2]);
    const data = new Uint8Array(new Float32Array([0.5, -7]).buffer);
    const message = new WireWriter().text(1, 'digits').message(5, input).bytes(7, data).finish();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const sent = concatBytes(head, message);
    const grpcPath = '/inference.GRPCInferenceService/ModelInfer';
    const answer = await createTestGateway(principal).ask(grpcPath, 'application/grpc', sent);
    const { integrity, outputs } = readGrpc(answer.body as Uint8Array);
    const request = { path: grpcPath, body: sent };
    expect(verifyInBand({ integrity, outputs, request, keys, ...now }).marks).toEqual(['tag']);
    expect(outputs.map(({ name }) => name)).toEqual(['y', 'best']);
  });

  test('that is a stream is verified at its end, and not before', async () => {
    const sent = '{"model":"llama","stream":true,"messages":[{"role":"user","content":"hi"}]}';
    const { ask, rows } = createTestGateway(principal);
    const answer = await ask('/v1/chat/completions', 'application/json', utf8(sent));
    const request = { method: 'POST', path: '/v1/chat/completions', body: sent };
    const options = { request, status: answer.status, headers: answer.headers, keys, ...now };
    const verifier = new StreamVerifier(options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      verifier.update(chunk);
    }
    expect(verifier.finish().requestId).toBe(rows[1].requestId);
    const whole = concatBytes(...chunks);
    const last = Buffer.from(whole).lastIndexOf('event: modelward-integrity');
    expect(Buffer.from(whole.subarray(0, last)).toString()).toContain('data: [DONE]\n\n');
    verifyAnswer({ ...options, body: whole });
    expect(() => verifyAnswer({ ...options, body: whole.subarray(0, last) })).toThrow('INTEGRITY_STREAM_UNENDED');
    expect(rows.map(({ status }) => status)).toEqual([100, 200]);
  });

  test('to a caller without a tag is signed', async () => {
    const { ask } = createTestGateway({ ...principal, tagKey: null, id: 'jwt:acme', kind: 'jwt' });
    const answer = await ask(path, 'application/json', utf8(body));
    const names = new Map(answer.headers).get('signature-input');
    expect(names).toMatch(/^sig=\(/);
    expect(names).toContain(`keyid="${signer.keyId}"`);
  });
});

/** Parameter and tensors of a ModelInferResponse in its frame. */
function readGrpc(frame: Uint8Array): { integrity: string; outputs: InBandOutput[] } {
  const cursor = new WireCursor(frame, 5, frame.length, 'GATEWAY_UPSTREAM_MALFORMED');
  const heads: Omit<InBandOutput, 'data'>[] = [];
  const raw: Uint8Array[] = [];
  let integrity = '';
  while (cursor.next()) {
    if (cursor.number === 4) integrity = /modelward-answer-1[ -~]*/.exec(Buffer.from(cursor.view()).toString())![0];
    if (cursor.number === 5) heads.push(readHead(cursor.enter()));
    if (cursor.number === 6) raw.push(Uint8Array.from(cursor.view()));
  }
  return { integrity, outputs: heads.map((output, at) => ({ ...output, data: raw[at] })) };
}

function readHead(cursor: WireCursor): Omit<InBandOutput, 'data'> {
  let [name, datatype] = ['', ''];
  const shape: number[] = [];
  while (cursor.next()) {
    if (cursor.number === 1) name = cursor.text(100);
    if (cursor.number === 2) datatype = cursor.text(100);
    if (cursor.number === 3) shape.push(...cursor.view());
  }
  return { name, datatype, shape };
}
