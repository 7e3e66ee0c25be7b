/** `modelward serve` as processes of any number of homes, and questions to them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { bin } from './command.ts';

/** A line of the journal. */
export type JournalLine = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Serving {
  readonly child: ChildProcess;
  readonly port: number;
  /** Of the admin listener; 0 without one, and until a journal tells of it. */
  readonly adminPort: number;
  /** What it said until now. */
  readonly told: () => string;
  /** Its journal until now, where that is on standard error. */
  readonly lines: () => readonly JournalLine[];
  /** Exit code, when it has said all; null when it was killed. */
  readonly ended: Promise<number | null>;
  /** Ends it by SIGTERM. */
  stop(): Promise<number | null>;
}

export interface ServeAt {
  readonly folder: string;
  readonly home: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** What starts Node, such as a tracer, and Node itself. */
  readonly program?: readonly [string, ...string[]];
}

/** Fulfilled when it listens. @throws when it ends before */
export async function startServing(options: ServeAt): Promise<Serving> {
  const { folder, home, args, env = {}, program = [process.execPath] } = options;
  const [command, ...before] = program;
  const child = spawn(command, [...before, bin, 'serve', ...args], {
    cwd: folder,
    // As a user's environment is: nothing but the gateway itself switches telemetry of the runtime off.
    env: {
      ...{ ...process.env, ORT_DISABLE_TELEMETRY: undefined },
      ...{ MODELWARD_HOME: home, NO_COLOR: '1', MODELWARD_MEMORY_WARNING: '0', ...env },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  // Not its exit: what it said last may still be in the pipe then.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const stop = (): Promise<number | null> => {
    child.kill('SIGTERM');
    return ended;
  };
  for (;;) {
    const port = findPort(text, 'data');
    if (port > 0) {
      return {
        ...{ child, port, told: () => text, lines: () => readLines(text), ended, stop },
        get adminPort() {
          return findPort(text, 'admin');
        },
      };
    }
    await Promise.race([once(child.stderr, 'data'), ended]);
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ended early: ${await ended}, ${text}`);
  }
}

/** Of whole lines alone: the last one may have come in part. */
function readLines(text: string): readonly JournalLine[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as JournalLine);
}

const IN_WORDS = {
  data: /gateway at https?:\/\/\S+?:(\d+)[,\s]/,
  admin: /admin API at https?:\/\/\S+?:(\d+)\s/,
} as const;

function findPort(text: string, listener: keyof typeof IN_WORDS): number {
  const line = readLines(text).find((one) => one.event === 'listening' && one.listener === listener);
  return Number(line?.port ?? IN_WORDS[listener].exec(text)?.[1] ?? 0);
}

/** Fulfilled when `look` says so; throws with `what` after so long, which a loaded machine may need for a start. */
export async function until(what: string, look: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
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
