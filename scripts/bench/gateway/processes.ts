/** Servers under test: started on a core of their own, measured by what the kernel counts for them and their children. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Under test on the one core, what loads and answers it on the other; a machine with one core has no figures. */
export const CORE = { tested: 0, others: 1, both: '0,1' } as const;
export type Core = number | typeof CORE.both;

/** Kernel ticks are 10 ms on Linux. */
const TICK_US = 10_000;

function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

export const findObstacle = (...programs: readonly string[]): string | null => {
  if (process.platform !== 'linux' || cpus().length < 2) return 'needs Linux and two cores';
  const missing = ['taskset', ...programs].find((name) => !hasProgram(name));
  return missing === undefined ? null : `${missing} is not installed`;
};

export interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** What it said of itself when it was ready. */
  readonly told: Readonly<Record<string, unknown>>;
  /** From its start until it was ready. */
  readonly startMs: number;
  readonly child: ChildProcess;
  /** How it ended, with its last words; null while it runs. */
  readonly findEnd: () => string | null;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ServerCommand {
  readonly name: string;
  readonly core: Core;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it says when it is ready, as an object with its port; null while it has not. */
  readonly read: (text: string) => (Record<string, unknown> & { readonly port: number }) | null;
}

const START_TIMEOUT_MS = 60_000;

/** What a server under test has of the bench's own surroundings: more, such as further certificates, would be counted as its memory. */
const KEPT_VARIABLES = ['PATH', 'HOME', 'LANG', 'TMPDIR'] as const;

function toEnvironment(env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = KEPT_VARIABLES.filter((name) => process.env[name] !== undefined);
  return { ...Object.fromEntries(kept.map((name) => [name, process.env[name]])), NO_COLOR: '1', ...env };
}

/** @throws Error when it ends before it is ready */
export async function startServer({ name, core, command, env, cwd, read }: ServerCommand): Promise<Server> {
  const startedMs = performance.now();
  const child = spawn('taskset', ['-c', String(core), ...command], {
    env: toEnvironment(env),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const told = await new Promise<Record<string, unknown> & { readonly port: number }>((done, fail) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      fail(new Error(`${name} was not ready: ${text.slice(-1000)}`));
    }, START_TIMEOUT_MS);
    const take = (chunk: Buffer): void => {
      text = `${text}${chunk.toString()}`.slice(-100_000);
      const found = read(text);
      if (found === null) return;
      clearTimeout(late);
      done(found);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('exit', () => {
      clearTimeout(late);
      fail(new Error(`${name} ended: ${text.slice(-1000)}`));
    });
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  const findEnd = (): string | null =>
    child.exitCode === null && child.signalCode === null
      ? null
      : `${name} ended by ${child.signalCode ?? `exit code ${child.exitCode}`}: ${text.slice(-2000)}`;
  return { name, pid: child.pid!, port: told.port, told, startMs: performance.now() - startedMs, child, findEnd, stop };
}

/** Servers for the time of some work: whatever it started is stopped when it ends, however it ends. */
export async function withServers<T>(
  work: (start: (server: Promise<Server>) => Promise<Server>, started: readonly Server[]) => Promise<T>,
): Promise<T> {
  const started: Server[] = [];
  try {
    return await work(async (starting) => {
      const server = await starting;
      started.push(server);
      return server;
    }, started);
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
}

/** The last line that is a JSON object with a port. */
export function readPortLine(text: string): (Record<string, unknown> & { readonly port: number }) | null {
  for (const line of text.split('\n')) {
    if (!line.startsWith('{') || !line.endsWith('}')) continue;
    const value = JSON.parse(line) as { port?: unknown };
    if (typeof value.port === 'number') return value as { port: number };
  }
  return null;
}

function listTree(pid: number): number[] {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(listTree)];
  } catch {
    return [];
  }
}

export interface CpuUs {
  /** Of the thread that answers. */
  readonly main: number;
  /** Of all threads and processes: the log's writer, garbage collection, workers. */
  readonly all: number;
}

function readTicks(path: string): number {
  // The name may hold spaces and brackets: fields are counted behind the last one.
  const fields = readFileSync(path, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** CPU time so far. */
export function readCpu({ pid }: Pick<Server, 'pid'>): CpuUs {
  let [main, all] = [0, 0];
  for (const one of listTree(pid)) {
    all += readTicks(`/proc/${one}/stat`);
    main += readTicks(`/proc/${one}/task/${one}/stat`);
  }
  return { main: main * TICK_US, all: all * TICK_US };
}

/** Of the process and its children, MiB: now, and at most. */
export function readRss({ pid }: Pick<Server, 'pid'>): { readonly nowMib: number; readonly peakMib: number } {
  const read = (one: number, name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  const sum = (name: string): number => listTree(pid).reduce((total, one) => total + read(one, name), 0);
  return { nowMib: sum('VmRSS'), peakMib: sum('VmHWM') };
}

/**
 * Busy time of all cores so far, or of one, microseconds: what is not the measured processes' is other people's. Without that of the
 * kernel for packets, which belongs to no process, and here is that of the measured ones: a quarter of a core at 60,000 requests a second.
 */
export function readBusyUs(core?: number): number {
  const [user, nice, system] = readTimes(core);
  return (user + nice + system) * TICK_US;
}

/** Time in which a core had nothing to do so far, microseconds: a server that had some could have answered more. */
export function readIdleUs(core: number): number {
  const [, , , idle, waiting] = readTimes(core);
  return (idle + waiting) * TICK_US;
}

/** proc(5), /proc/stat: ticks as user, nice, system, idle, waiting for disks and more. */
function readTimes(core?: number): number[] {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n');
  const line = lines.find((one) => one.startsWith(`cpu${core ?? ''} `))!;
  return line.split(/\s+/).slice(1).map(Number);
}
