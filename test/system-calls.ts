/** Runs a command under strace (Linux) and says which system calls it made: sockets, and files that came to be. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasProgram } from './shared-data.ts';

const MADE = 'openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2';

export interface TracedRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Calls that were seen, of sockets and of files. */
  readonly seen: number;
  /** Calls that make a socket of another kind than AF_UNIX, or send over one, whatever came of it. */
  readonly network: readonly string[];
  /** Calls that made or renamed a file or folder. */
  readonly made: readonly string[];
}

export interface TracedOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What puts a command into a network of its own, in which there is nothing; [] where that is not allowed. */
export function findOwnNetwork(): readonly string[] {
  const ways = [
    ['unshare', '-n'],
    ['unshare', '-rn'],
  ];
  return ways.find(([program, ...args]) => hasProgram(program, [...args, 'true'])) ?? [];
}

/** The whole tree of processes is followed. */
export function traceCalls(words: readonly string[], options: TracedOptions): TracedRun {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-trace-'));
  const trace = join(folder, 'trace');
  try {
    const args = ['-f', '-qq', '--seccomp-bpf', '-s', '256', '-o', trace, '-e', `trace=%network,${MADE}`, ...words];
    const { status, stdout, stderr } = spawnSync('strace', args, { ...options, encoding: 'utf8', maxBuffer: 2 ** 26 });
    const calls = readFileSync(trace, 'utf8').split('\n').filter(Boolean);
    return {
      ...{ status, stdout, stderr, seen: calls.length },
      network: calls.filter(isNetwork),
      made: calls.filter(
        (call) => /O_CREAT|creat\(|mkdir(at)?\(|rename(at2?)?\(/.test(call) && !call.includes(' = -1 '),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A pair of sockets is a pipe; what is sent over a socket of the local machine names no address. */
function isNetwork(call: string): boolean {
  if (/\bsocket\((?!AF_UNIX)/.test(call)) return true;
  return /\b(connect|bind|sendto|sendmsg|sendmmsg)\(/.test(call) && /sa_family=AF_(?!UNIX)/.test(call);
}
