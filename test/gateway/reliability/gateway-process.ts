/** The gateway as its users run it: the built command, on free ports, asked over TLS. */
import { readFileSync } from 'node:fs';
import {
  connect as connectH2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Workplace } from '../../e2e/command.ts';
import { type ServeAt, type Serving, startServing } from '../../e2e/serving.ts';

export interface KeyFile {
  readonly keyId: string;
  readonly apiKey: string;
  readonly tagKey: string;
}

/** Starts `modelward serve` in the workplace, and waits until it listens. */
export const startGateway = (
  { folder, home }: Workplace,
  args: readonly string[],
  more: Pick<ServeAt, 'env' | 'program'> = {},
): Promise<Serving> => startServing({ folder, home, args, ...more });

export function readKey(place: Workplace, name: string): KeyFile {
  return JSON.parse(readFileSync(join(place.folder, name), 'utf8')) as KeyFile;
}

export interface Told {
  readonly status: number;
  readonly code: string;
  readonly body: Buffer;
  /** Status, headers, body and trailers, as bytes. */
  readonly all: Buffer;
}

export interface Question {
  readonly method?: string;
  readonly path: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly apiKey?: string | null;
}

const toCredential = (apiKey: string | null | undefined) =>
  typeof apiKey === 'string' ? { authorization: `Bearer ${apiKey}` } : {};

/** Asks over kept connections, by HTTP/1.1. */
export class Client {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, ca: string | Buffer, sockets = 8) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets, ca });
  }

  /** Again, when a connection ended just as it was used again. */
  async ask(question: Question): Promise<Told> {
    for (let left = 3; ; left--) {
      try {
        return await this.#send(question);
      } catch (error) {
        if (left === 0 || (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
      }
    }
  }

  #send({ method = 'POST', path, body = '', headers = {}, apiKey }: Question): Promise<Told> {
    const all = {
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...toCredential(apiKey),
      ...headers,
    };
    return new Promise((done, fail) => {
      const at = { host: '127.0.0.1', port: this.#port, agent: this.#agent };
      const sent = request({ ...at, method, path, headers: all }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          const { statusCode: status = 0, statusMessage = '', rawHeaders, rawTrailers } = response;
          const body_ = Buffer.concat(chunks);
          const head = Buffer.from([statusMessage, ...rawHeaders, ...rawTrailers, ''].join('\n'), 'latin1');
          const code = String(response.headers['x-modelward-code'] ?? response.trailers['x-modelward-code'] ?? '');
          done({ status, code, body: body_, all: Buffer.concat([head, body_]) });
        });
      });
      sent.on('error', fail);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Asks over one connection of HTTP/2; the status of gRPC stands for a missing code. */
export class Http2Client {
  readonly #session: ClientHttp2Session;

  constructor(port: number, ca: string | Buffer, scheme: 'http' | 'https' = 'https') {
    this.#session = connectH2(`${scheme}://127.0.0.1:${port}`, { ca });
    this.#session.on('error', () => undefined);
  }

  ask({ method = 'POST', path, body = '', headers = {}, apiKey }: Question): Promise<Told> {
    return new Promise((done, fail) => {
      const all: OutgoingHttpHeaders = { ':method': method, ':path': path, ...toCredential(apiKey), ...headers };
      const stream = this.#session.request(all, { endStream: body.length === 0 });
      const chunks: Buffer[] = [];
      let [status, head, code] = [0, '', ''];
      const note = (given: IncomingHttpHeaders): void => {
        head += JSON.stringify(given);
        code ||= String(given['x-modelward-code'] ?? '');
      };
      stream.on('response', (given) => {
        status = Number(given[':status']);
        note(given);
      });
      stream.on('trailers', note);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', fail);
      stream.on('end', () => {
        const bytes = Buffer.concat(chunks);
        done({ status, code, body: bytes, all: Buffer.concat([Buffer.from(head), bytes]) });
      });
      if (body.length > 0) stream.end(body);
    });
  }

  close(): void {
    this.#session.destroy();
  }
}
