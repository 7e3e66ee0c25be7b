/** A front on loopback, and clients that send exactly the bytes they are given. */
import { connect, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import {
  type HttpFront,
  type HttpFrontLimits,
  type HttpFrontTls,
  openHttpFront,
} from '../../src/adapters/http-front/index.ts';
import { HTTP_FRONT_LIMITS } from '../../src/core/limits/http-front.ts';
import type { GatewayAnswer, GatewayGreeter, GatewayHandler, GatewayRequest } from '../../src/gateway/ports.ts';

export interface OpenedFront {
  readonly front: HttpFront;
  /** What the handler was given. */
  readonly seen: GatewayRequest[];
  readonly troubles: unknown[];
}

export interface FrontSetting {
  readonly handler?: GatewayHandler;
  readonly greet?: GatewayGreeter;
  readonly limits?: Partial<HttpFrontLimits>;
  readonly tls?: HttpFrontTls;
}

/** Answers with the body that came. */
function toEcho(request: GatewayRequest): GatewayAnswer {
  return { status: 200, headers: [['content-type', 'application/octet-stream']], body: request.body };
}

/** A front that ends with the test. */
export function useFronts(): (setting?: FrontSetting) => Promise<OpenedFront> {
  const opened: HttpFront[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((front) => front.close()));
  });
  return async ({ handler, greet, limits, tls }: FrontSetting = {}) => {
    const seen: GatewayRequest[] = [];
    const troubles: unknown[] = [];
    const front = await openHttpFront({
      host: '127.0.0.1',
      port: 0,
      tls: tls ?? null,
      ...(greet !== undefined && { greet }),
      limits: { ...HTTP_FRONT_LIMITS, ...limits },
      handler: (request) => {
        seen.push(request);
        return handler?.(request) ?? Promise.resolve(toEcho(request));
      },
      onTrouble: (error) => troubles.push(error),
    });
    opened.push(front);
    return { front, seen, troubles };
  };
}

/** One connection, and all that came on it. */
export interface RawClient {
  readonly socket: Socket;
  /** Text that came until now, Latin-1. */
  text(): string;
  /** Settles when `pattern` has come, or the other side has closed. */
  until(pattern: RegExp): Promise<string>;
  closed(): Promise<string>;
}

export function openRaw(port: number, localAddress = '127.0.0.1'): RawClient {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  return toRawClient(socket);
}

export function toRawClient(socket: Socket): RawClient {
  let text = '';
  let isClosed = false;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const one of [...waiting]) one();
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
    wake();
  });
  const until = (isDone: () => boolean): Promise<string> =>
    new Promise((done) => {
      const look = (): void => {
        if (!isDone()) return;
        waiting.delete(look);
        done(text);
      };
      waiting.add(look);
      look();
    });
  return {
    socket,
    text: () => text,
    until: (pattern) => until(() => isClosed || pattern.test(text)),
    closed: () => until(() => isClosed),
  };
}

/** Sends bytes on a connection of their own, and gives all that comes until the other side closes. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<string> {
  const client = openRaw(port);
  client.socket.write(bytes);
  return client.closed();
}

/** `{status, code}` of an answer of the front itself. */
export function toRefusal(text: string): { status: number; code: string } {
  const [, status = '0'] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const { error } = JSON.parse(body) as { error: { code: string } };
  return { status: Number(status), code: error.code };
}
