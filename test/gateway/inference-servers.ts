/**
 * Small inference servers of each kind, as faithful as the gateway can tell: they read what they are sent by means of their
 * own, double every number, and let slip all that real ones do (names of files, versions, hosts) in headers and errors.
 */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';

/** Planted in all that a server behind could let slip. */
export const SLIP = 'c4naryOfTheServerBehind';

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Answers in place of the server; false leaves it to the server. */
export type Trouble = (sent: Sent, response: ServerResponse) => boolean;

export interface InferenceServer {
  readonly url: string;
  readonly sent: Sent[];
  /** For inference alone: questions for readiness are answered as before. */
  trouble: Trouble | null;
  isReady: boolean;
  /** What it tells of its model, in place of {@link METADATA}. */
  metadata: string | null;
  close(): Promise<void>;
}

const LEAKY = { server: `Triton/${SLIP}`, 'x-model-path': `/models/${SLIP}`, 'set-cookie': SLIP, via: SLIP };

type Answer = readonly [
  status: number,
  type: string,
  body: string | Buffer,
  headers?: Readonly<Record<string, string>>,
];
type Handle = (sent: Sent, response: ServerResponse, server: InferenceServer) => Answer | null;

async function open(handle: Handle, port = 0): Promise<InferenceServer> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const sent = { method, path, headers, body: Buffer.concat(chunks) };
      state.sent.push(sent);
      if (method === 'POST' && state.trouble?.(sent, response) === true) return;
      const answer = handle(sent, response, state);
      if (answer === null) return;
      const [status, type, body, more = {}] = answer;
      response.writeHead(status, SLIP, { ...LEAKY, 'content-type': type, ...more }).end(body);
    });
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const state: InferenceServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ sent: [], trouble: null, isReady: true, metadata: null },
    close: () => {
      server.closeAllConnections();
      return new Promise((done) =>
        server.close(() => {
          done();
        }),
      );
    },
  };
  return state;
}

const JSON_TYPE = 'application/json';
const toJson = (value: unknown, status = 200): Answer => [status, JSON_TYPE, JSON.stringify(value)];
const unknown = ({ path }: Sent): Answer => toJson({ error: `no file /models/${SLIP}${path}` }, 404);
const double = (values: readonly number[]): number[] => values.map((value) => 2 * value);

interface OipInput {
  readonly name: string;
  readonly shape: number[];
  readonly datatype: string;
  readonly data?: number[];
  readonly parameters?: { readonly binary_data_size?: number };
}

export const METADATA = {
  name: 'net',
  versions: ['1', '2'],
  platform: `onnxruntime_${SLIP}`,
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
};

/** Open Inference Protocol v2 with the binary extension, of one model `net`: y is twice x. */
export function openOipServer(port = 0): Promise<InferenceServer> {
  return open((sent, _response, { isReady, metadata }) => {
    const { method, path } = sent;
    if (method === 'GET' && /^\/v2\/(health|models\/net(\/versions\/[12])?)\/ready$/.test(path)) {
      return toJson({ ready: isReady }, isReady ? 200 : 503);
    }
    if (method === 'GET' && /^\/v2\/models\/net(\/versions\/[12])?$/.test(path))
      return [200, JSON_TYPE, metadata ?? JSON.stringify(METADATA)];
    const version = /^\/v2\/models\/net(?:\/versions\/([12]))?\/infer$/.exec(path);
    return method === 'POST' && version !== null ? infer(sent, version.at(1) ?? '2') : unknown(sent);
  }, port);
}

function infer({ headers, body }: Sent, version: string): Answer {
  const length = Number(headers['inference-header-content-length'] ?? body.length);
  const { inputs, outputs, parameters, id } = JSON.parse(body.toString('utf8', 0, length)) as {
    readonly id?: string;
    readonly inputs: readonly OipInput[];
    readonly outputs?: readonly { readonly parameters?: { readonly binary_data?: boolean } }[];
    readonly parameters?: { readonly binary_data_output?: boolean };
  };
  const [x] = inputs;
  const size = x.parameters?.binary_data_size;
  const values =
    size === undefined
      ? (x.data as unknown as number[][]).flat()
      : Array.from({ length: size / 4 }, (_, at) => body.readFloatLE(length + 4 * at));
  const isBinary = outputs?.[0]?.parameters?.binary_data ?? parameters?.binary_data_output ?? false;
  const head = {
    model_name: `net-${SLIP}`,
    model_version: version,
    ...(id !== undefined && { id }),
    parameters: { path: SLIP },
  };
  const y = { name: 'y', datatype: 'FP32', shape: x.shape };
  if (!isBinary) return toJson({ ...head, outputs: [{ ...y, data: double(values) }] });
  const bytes = Buffer.from(Float32Array.from(double(values)).buffer);
  const json = JSON.stringify({ ...head, outputs: [{ ...y, parameters: { binary_data_size: bytes.length } }] });
  const more = { 'inference-header-content-length': String(json.length) };
  return [200, 'application/octet-stream', Buffer.concat([Buffer.from(json), bytes]), more];
}

/** Chat of OpenAI's API: echoes the last message, whole or as events of one word each. */
export function openOpenAiServer(): Promise<InferenceServer> {
  return open((sent, response) => {
    const { method, path, body } = sent;
    if (method === 'GET' && path === '/v1/models')
      return toJson({ object: 'list', data: [{ id: `/models/${SLIP}.gguf` }] });
    if (method !== 'POST' || path !== '/v1/chat/completions') return unknown(sent);
    const {
      stream = false,
      messages,
      model,
    } = JSON.parse(body.toString()) as {
      readonly stream?: boolean;
      readonly model: string;
      readonly messages: readonly { readonly content: string }[];
    };
    const text = messages.at(-1)!.content;
    const head = { id: 'chat-1', created: 1, model: `/models/${model}-${SLIP}.gguf`, system_fingerprint: SLIP };
    if (!stream) {
      const message = { role: 'assistant', content: text };
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      return toJson({
        ...{ ...head, object: 'chat.completion', usage, timings: { path: SLIP } },
        choices: [{ index: 0, message, finish_reason: 'stop' }],
      });
    }
    response.writeHead(200, { ...LEAKY, 'content-type': 'text/event-stream' });
    const say = (value: unknown): void => {
      response.write(`: ${SLIP}\n\ndata: ${JSON.stringify(value)}\n\n`);
    };
    const chunk = { ...head, object: 'chat.completion.chunk' };
    for (const word of text.split(' '))
      say({ ...chunk, choices: [{ index: 0, delta: { content: word }, finish_reason: null }] });
    say({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    response.end('data: [DONE]\n\n');
    return null;
  });
}

const readRows = ({ body }: Sent): number[][] => {
  const read = JSON.parse(body.toString()) as
    | number[][]
    | { readonly instances: number[][] }
    | { readonly inputs: { readonly x: number[][] } };
  if (Array.isArray(read)) return read;
  return 'instances' in read ? read.instances : read.inputs.x;
};

/** TorchServe, SageMaker's and Vertex AI's containers, and a route of plain JSON: all of them double rows. */
export function openRowServer(kind: 'torchserve' | 'sagemaker' | 'vertex' | 'plain'): Promise<InferenceServer> {
  const ready = { torchserve: '/ping', sagemaker: '/ping', vertex: '/health', plain: '/up' }[kind];
  const ask = { torchserve: '/predictions/net', sagemaker: '/invocations', vertex: '/predict', plain: '/score' }[kind];
  return open((sent, _response, { isReady }) => {
    const { method, path } = sent;
    if (method === 'GET' && path === ready) return toJson({ status: 'Healthy' }, isReady ? 200 : 500);
    if (method !== 'POST' || path !== ask) return unknown(sent);
    const rows = readRows(sent).map(double);
    if (kind === 'vertex') return toJson({ predictions: rows, deployedModelId: SLIP });
    return toJson(kind === 'plain' ? { outputs: { y: rows }, path: SLIP } : rows);
  });
}

/** A message of protobuf as its fields: numbers of varints, bytes of the others. */
function readFields(message: Buffer): (readonly [field: number, value: number | Buffer])[] {
  const fields: (readonly [number, number | Buffer])[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const value = varint();
    if ((tag & 7) === 0) fields.push([tag >> 3, value]);
    else {
      fields.push([tag >> 3, message.subarray(at, at + value)]);
      at += value;
    }
  }
  return fields;
}

/** A field of bytes shorter than 2^14. */
function toField(field: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value as string);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), bytes]);
}

const ANY_LENGTH = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];

/** The gRPC half of {@link openOipServer}, with raw contents. */
export async function openGrpcServer(): Promise<InferenceServer & { readonly texts: string[] }> {
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createHttp2Server();
  const state = { url: '', sent: [] as Sent[], trouble: null, isReady: true, metadata: null, texts: [] as string[] };
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const path = String(headers[':path']);
      const body = Buffer.concat(chunks);
      state.sent.push({ method: 'POST', path, headers: {}, body });
      const message = answerGrpc(path.split('/').at(-1)!, readFields(body.subarray(5)), state.isReady);
      if (message === null) {
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': SLIP },
          { endStream: true },
        );
        return;
      }
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(message.length, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', server: SLIP }, { waitForTrailers: true });
      stream.on('wantTrailers', () => {
        stream.sendTrailers({ 'grpc-status': '0', 'x-path': SLIP });
      });
      stream.end(Buffer.concat([frame, message]));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: (): Promise<void> => {
      for (const session of sessions) session.destroy();
      return new Promise((done) =>
        server.close(() => {
          done();
        }),
      );
    },
  });
}

function answerGrpc(method: string, fields: ReturnType<typeof readFields>, isReady: boolean): Buffer | null {
  const find = (field: number): Buffer | undefined =>
    fields.find(([number]) => number === field)?.[1] as Buffer | undefined;
  const name = find(1)?.toString();
  if (method === 'ModelReady') return Buffer.from(isReady && name === 'net' ? [8, 1] : []);
  if (name !== 'net') return null;
  if (method === 'ModelMetadata') {
    const shape = toField(3, Buffer.from([...ANY_LENGTH, 2]));
    const tensor = (text: string): Buffer => Buffer.concat([toField(1, text), toField(2, 'FP32'), shape]);
    return Buffer.concat([
      toField(1, 'net'),
      toField(2, '2'),
      toField(3, SLIP),
      toField(4, tensor('x')),
      toField(5, tensor('y')),
    ]);
  }
  if (method !== 'ModelInfer') return null;
  const [input, raw] = [readFields(find(5)!), find(7)!];
  const shape = input.find(([number]) => number === 3)![1] as Buffer;
  const values = Buffer.alloc(raw.length);
  for (let at = 0; at < raw.length; at += 4) values.writeFloatLE(2 * raw.readFloatLE(at), at);
  const output = Buffer.concat([toField(1, 'y'), toField(2, 'FP32'), toField(3, shape)]);
  return Buffer.concat([toField(1, `net-${SLIP}`), toField(2, '2'), toField(5, output), toField(6, values)]);
}
