/** Runs one command and measures it: wall time, CPU seconds with children, peak RSS, the JSON it printed last. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { BenchCommand, BenchSample } from './types.ts';

const POLL_MS = 5;
/** Bash's `time` keyword counts the children too; Node cannot ask the kernel for a child's CPU time. */
const TIMED = 'TIMEFORMAT="modelward-times %U %S"; time "$0" "$@"';

/** The highest VmHWM of the process tree below `pid` (the shell itself excluded), in MiB. */
function readPeakMib(pid: number): number | null {
  let peak: number | null = null;
  for (const child of listChildren(pid)) {
    try {
      const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1];
      if (kib !== undefined) peak = Math.max(peak ?? 0, Number(kib) / 1024);
    } catch {
      // The process ended between the listing and the reading.
    }
  }
  return peak;
}

function listChildren(pid: number): number[] {
  try {
    const direct = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return direct.flatMap((child) => [child, ...listChildren(child)]);
  } catch {
    return [];
  }
}

function findLastJson(text: string): Readonly<Record<string, unknown>> | null {
  for (const line of text.trim().split('\n').reverse()) {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    } catch {
      continue;
    }
  }
  return null;
}

/** @throws Error when the command fails: a bench row with a failing side has no figure. */
export async function measure(command: BenchCommand): Promise<BenchSample> {
  command.before?.();
  const startedMs = performance.now();
  const child = spawn('bash', ['-c', TIMED, command.command, ...command.args], {
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let polledMib = 0;
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const timer = setInterval(() => {
    const now = child.pid === undefined ? null : readPeakMib(child.pid);
    polledMib = Math.max(polledMib, now ?? 0);
  }, POLL_MS);
  const status = await new Promise<number | null>((done) => child.on('close', done));
  clearInterval(timer);
  const wallMs = performance.now() - startedMs;
  const times = /modelward-times ([\d.]+) ([\d.]+)/.exec(stderr);
  if (status !== 0 || times === null) {
    throw new Error(`${command.command} ${command.args.join(' ')} ended with ${status}: ${stderr.slice(-2000)}`);
  }
  const output = findLastJson(stdout);
  const reported = output?.peakRssMib;
  const peakRssMib = Math.max(polledMib, typeof reported === 'number' ? reported : 0);
  return {
    wallMs,
    cpuMs: (Number(times[1]) + Number(times[2])) * 1000,
    peakRssMib: peakRssMib === 0 ? null : peakRssMib,
    output,
  };
}
