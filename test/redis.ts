/** A throw-away Redis server on the loopback interface. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from './free-port.ts';
import { describeWithProgram } from './shared-data.ts';

export interface RedisServer {
  readonly port: number;
  /** Where it speaks TLS, if it does. */
  readonly tlsPort: number;
  readonly password: string;
  /** Ends it with its memory, as a crash does. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing in its memory. */
  start(): Promise<void>;
  /** It answers nothing until `wake`, and keeps its connections. */
  sleep(): void;
  wake(): void;
  /** Sends one command and gives the answer's bytes as text. */
  ask(...words: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

export function describeWithRedis(name: string, body: () => void): void {
  describeWithProgram(name, 'redis-server', ['--version'], body);
}

export interface RedisOptions {
  /** PEM of certificate and key of a second, secured port. */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** It is one of a cluster, and speaks to the others on this port. */
  readonly clusterPort?: number;
}

export async function createRedis({ tls, clusterPort }: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-redis-'));
  const [port, tlsPort] = [await findFreePort(), await findFreePort()];
  const secured = tls === undefined ? [] : writeTls(folder, tlsPort, tls);
  const password = 'a-password-of-a-test';
  const joined = clusterPort === undefined ? [] : toClusterFlags(clusterPort, password);
  let server: ChildProcess | undefined;
  const ask = (...words: readonly string[]): Promise<string> => askServer(port, [['AUTH', password], words]);
  const start = async (): Promise<void> => {
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--requirepass', password];
    server = spawn('redis-server', [...own, ...secured, ...joined, '--save', '', '--appendonly', 'no'], {
      stdio: 'ignore',
    });
    for (let left = 4000; ; left -= 1) {
      const answer = await ask('PING').catch(() => '');
      if (answer.includes('PONG')) return;
      if (left === 0) throw new TypeError('redis-server did not start');
      await new Promise((done) => setTimeout(done, 25));
    }
  };
  const kill = async (): Promise<void> => {
    const ended = server;
    server = undefined;
    if (ended === undefined) return;
    ended.kill('SIGKILL');
    if (ended.exitCode === null && ended.signalCode === null) await new Promise((done) => ended.once('exit', done));
  };
  await start();
  return {
    ...{ port, tlsPort, password, kill, start, ask },
    sleep: () => server?.kill('SIGSTOP'),
    wake: () => server?.kill('SIGCONT'),
    remove: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One that is away for a second is taken for dead. */
const toClusterFlags = (port: number, password: string): string[] => [
  ...['--cluster-enabled', 'yes', '--cluster-port', String(port), '--cluster-node-timeout', '1000'],
  ...['--masterauth', password],
];

function writeTls(folder: string, port: number, tls: NonNullable<RedisOptions['tls']>): string[] {
  const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  writeFileSync(certificate, tls.certificatePem);
  writeFileSync(key, tls.privateKeyPem, { mode: 0o600 });
  const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
  return ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
}

function askServer(port: number, commands: readonly (readonly string[])[]): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', fail);
    socket.on('close', () => {
      done(answer);
    });
    const words = (one: readonly string[]): string =>
      `*${one.length}\r\n${one.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
    socket.write([...commands, ['QUIT']].map(words).join(''));
  });
}
