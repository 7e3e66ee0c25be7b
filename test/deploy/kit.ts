/** For recipes: the real gateway as a process, programs in front of it, and callers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { request } from 'node:https';
import { join, resolve } from 'node:path';
import type { Workplace } from '../e2e/command.ts';
import { BODY, INFER, type ServeAt, type Serving, startServing } from '../e2e/serving.ts';

export const deploy = resolve(import.meta.dirname, '../../deploy');
export const readRecipe = (...parts: readonly string[]): string => readFileSync(join(deploy, ...parts), 'utf8');

export interface Started {
  readonly child: ChildProcess;
  readonly told: () => string;
  readonly ended: Promise<number | null>;
}

export interface StartOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function startProgram(command: string, args: readonly string[], { cwd, env = {} }: StartOptions): Started {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, told: () => text, ended: once(child, 'close').then(([code]) => code as number | null) };
}

/** `modelward serve` with these words, once it takes requests. @throws when it ends before */
export const startGateway = (
  { folder, home }: Workplace,
  args: readonly string[],
  more: Pick<ServeAt, 'env' | 'program'> = {},
): Promise<Serving> => startServing({ folder, home, args, ...more });

/** @throws when the program ended before somebody listened */
export async function waitForPort(port: number, { child, told }: Started): Promise<void> {
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ended early: ${told()}`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Ask {
  readonly port: number;
  readonly ca: string;
  readonly servername?: string;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the caller is. */
  readonly localAddress?: string;
}

export function ask(options: Ask): Promise<Answer> {
  const { port, ca, servername, method = 'POST', path = INFER, body = BODY, headers = {}, localAddress } = options;
  const type = method === 'POST' ? { 'content-type': 'application/json' } : {};
  return new Promise((done, fail) => {
    const sent = request(
      {
        ...{ host: '127.0.0.1', port, method, path, ca, agent: false, headers: { ...type, ...headers } },
        ...(servername !== undefined && { servername }),
        ...(localAddress !== undefined && { localAddress }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          done({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on('error', fail);
    sent.end(method === 'POST' ? body : undefined);
  });
}

/** Status line, headers and body, as `curl -i` writes them. */
export function keepAnswer(path: string, { status, headers, body }: Answer): void {
  const lines = Object.entries(headers).map(([header, value]) => `${header}: ${String(value)}`);
  writeFileSync(path, Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n`), body]));
}
