/** `modelward serve` as processes of any number of homes, and questions to them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { bin } from './command.ts';

export interface Serving {
  readonly child: ChildProcess;
  readonly port: number;
  /** What it said until now. */
  readonly told: () => string;
  /** Exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
  /** Ends it by SIGTERM. */
  stop(): Promise<number | null>;
}

export interface ServeAt {
  readonly folder: string;
  readonly home: string;
  readonly args: readonly string[];
}

/** Fulfilled when it listens. */
export async function startServing({ folder, home, args }: ServeAt): Promise<Serving> {
  const child = spawn(process.execPath, [bin, 'serve', ...args], {
    cwd: folder,
    env: { ...process.env, MODELWARD_HOME: home, NO_COLOR: '1', MODELWARD_MEMORY_WARNING: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const stop = (): Promise<number | null> => {
    child.kill('SIGTERM');
    return ended;
  };
  for (;;) {
    const port = /gateway at https?:\/\/[\d.]+:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { child, port: Number(port), told: () => text, ended, stop };
    await Promise.race([once(child.stderr, 'data'), ended]);
    if (child.exitCode !== null) throw new Error(`ended early: ${text}`);
  }
}

/** Fulfilled when `look` says so; throws with `what` after so long. */
export async function until(what: string, look: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  for (const deadline = performance.now() + withinMs; ; ) {
    if (await look()) return;
    if (performance.now() > deadline) throw new TypeError(`${what}: not within ${withinMs} ms`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

export interface Asking {
  readonly ca: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly body?: string;
  /** PEM of a client's certificate and key. */
  readonly client?: { readonly cert: string; readonly key: string };
  /** Keeps its connections. */
  readonly agent?: Agent;
}

export interface Told {
  readonly status: number;
  /** The gateway's; '' without one. */
  readonly code: string;
  readonly requestId: string;
}

const INPUT = { name: 'input', datatype: 'FP32', shape: [1, 1, 12, 12], data: Array<number>(144).fill(0.25) };
/** An input of the bundled sample. */
export const BODY = JSON.stringify({ inputs: [INPUT] });
export const INFER = '/v2/models/digits/infer';

export function askServing({ port }: Pick<Serving, 'port'>, asking: Asking): Promise<Told> {
  const { ca, headers, path = INFER, body = BODY, client = {}, agent = false } = asking;
  return new Promise((done, fail) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port, method: 'POST', path, ca, agent, ...client },
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
      },
      (response) => {
        response.resume();
        response.on('error', fail);
        response.on('end', () => {
          const { 'x-modelward-code': code = '', 'x-request-id': id = '' } = response.headers;
          done({ status: response.statusCode ?? 0, code: String(code), requestId: String(id) });
        });
      },
    );
    sent.on('error', fail);
    sent.end(body);
  });
}
