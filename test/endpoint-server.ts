/** Servers on this machine that answer as model servers do, written from their documentation and not from our client. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createRawServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RuntimeSession } from '../src/model/runtime.ts';
import type { ServerIdentity } from './broker/tls.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface TestServer {
  /** Such as "http://127.0.0.1:40000". */
  readonly url: string;
  readonly asked: Asked[];
  /** Ends connections, and takes no new ones until it is told again: an outage. */
  setOut(isOut: boolean): void;
  close(): Promise<void>;
}

/** Answers one request; what it returns is sent as JSON, undefined when it wrote the response itself. */
export type Handler = (asked: Asked, response: ServerResponse, count: number) => unknown;

export async function serve(
  handler: Handler,
  tls?: { readonly key: string | Buffer; readonly cert: string | Buffer },
): Promise<TestServer> {
  const asked: Asked[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    void receive(request).then(async (body) => {
      const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      asked.push(one);
      const reply = await handler(one, response, asked.length);
      if (reply === undefined) return;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(reply));
    });
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  let isOutNow = false;
  server.on('connection', (socket: Socket) => {
    if (isOutNow) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    asked,
    setOut: (isOut) => {
      isOutNow = isOut;
      if (isOut) server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

/** An outage of the server, which loses nothing that it holds. */
export function toOutage(server: TestServer): { begin(): void; end(): Promise<void> } {
  return {
    begin: () => {
      server.setOut(true);
    },
    end: async () => {
      server.setOut(false);
      // Until the other side has seen that its connections are gone.
      await sleep(20);
    },
  };
}

async function receive(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Scores of float32 rows, [rows, classes], by a session with one input. */
export async function score(session: RuntimeSession, rows: readonly unknown[]): Promise<number[][]> {
  const [input] = session.inputs;
  const shape = [rows.length, ...(input.shape ?? []).slice(1).map(Number)];
  const data = Float32Array.from((rows as number[][]).flat(8));
  const results = await session.run(
    new Map([[input.name, { dtype: 'f32', shape, data: new Uint8Array(data.buffer) }]]),
  );
  const [output] = results.values();
  const scores = new Float32Array(new Uint8Array(output.data).buffer);
  const width = scores.length / rows.length;
  return rows.map((_, row) => [...scores.subarray(row * width, (row + 1) * width)]);
}

/** {"inputs": […]} → {"outputs": [scores, …]}. */
export function plainHandler(session: RuntimeSession): Handler {
  return async ({ body }) => ({ outputs: await score(session, (body as { inputs: unknown[] }).inputs) });
}

/** The Open Inference Protocol, version 2, REST. */
export function oipHandler(session: RuntimeSession, output: string): Handler {
  return async ({ body }) => {
    const [input] = (body as { inputs: { shape: number[]; datatype: string; data: number[] }[] }).inputs;
    const [rows] = input.shape;
    const size = input.data.length / rows;
    const items = Array.from({ length: rows }, (_, row) => input.data.slice(row * size, (row + 1) * size));
    const scores = await score(session, items);
    const named = (name: string, data: unknown[]) => ({
      name,
      shape: [rows, data.length / rows],
      datatype: 'FP32',
      data,
    });
    return { model_name: 'm', outputs: [named('other', Array(rows).fill(0)), named(output, scores.flat())] };
  };
}

/** A server that speaks bytes, for what Node's own would not send: `speak` is told when a request began. */
export async function serveRaw(speak: (socket: Socket) => void): Promise<{ readonly url: string; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      speak(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A server over TLS that answers as it is told, without a look at what came. */
export async function serveTls(
  { certificatePem, privateKeyPem }: ServerIdentity,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createTlsServer({ cert: Buffer.from(certificatePem), key: Buffer.from(privateKeyPem) }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
