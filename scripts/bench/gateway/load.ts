/** What asks: wrk for as much as goes (closed loop), our own generator for a rate that does not wait (open loop), h2load for gRPC. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CORE } from './processes.ts';

export interface Ask {
  readonly url: string;
  /** Path of the file with the body. */
  readonly bodyPath: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Asked by turns: a key has a rate. */
  readonly credentials: readonly string[];
}

export interface ClosedLoop {
  /** Of the generator. */
  readonly loadUs: number;
  readonly requests: number;
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Other than 200, or none. */
  readonly failed: number;
}

export interface Ran {
  readonly out: string;
  /** User and system time, microseconds. */
  readonly cpuUs: number;
}

/** Bash counts children; Node cannot ask for the time of one. */
const TIMED = 'TIMEFORMAT="bench-times %U %S"; time "$0" "$@"';

/** Runs a command on the core of the others. @throws Error when it fails */
export function runOnOthers(command: readonly string[], timeoutMs = 120_000): Promise<Ran> {
  return new Promise((done, fail) => {
    const words = ['-c', String(CORE.others), 'bash', '-c', TIMED, ...command];
    const child = spawn('taskset', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', fail);
    child.on('close', (status) => {
      clearTimeout(late);
      const times = /bench-times ([\d.]+) ([\d.]+)/.exec(err);
      if (status === 0 && times !== null) done({ out, cpuUs: (Number(times[1]) + Number(times[2])) * 1e6 });
      else fail(new Error(`${command[0]} ended with ${status}: ${`${out}${err}`.slice(-500)}`));
    });
  });
}

const toLua = (text: string): string => JSON.stringify(text);

/** Requests are put together once; wrk counts what is no 2xx or 3xx. */
function toWrkScript({ bodyPath, headers, credentials }: Ask): string {
  const members = Object.entries(headers).map(([name, value]) => `[${toLua(name)}]=${toLua(value)}`);
  return `
local file = io.open(${toLua(bodyPath)}, "rb")
local body = file:read("*a")
file:close()
local credentials = {${credentials.map(toLua).join(',')}}
local requests, at = {}, 0
init = function(args)
  for i, credential in ipairs(credentials) do
    local headers = {${members.join(',')}}
    headers["authorization"] = credential
    requests[i] = wrk.format("POST", nil, headers, body)
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{"requests":%d,"us":%d,"p50":%d,"p99":%d,"failed":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
`;
}

export interface WrkOptions {
  readonly folder: string;
  readonly seconds: number;
  readonly connections: number;
}

export async function runWrk(ask: Ask, { folder, seconds, connections }: WrkOptions): Promise<ClosedLoop> {
  const script = join(folder, 'wrk.lua');
  writeFileSync(script, toWrkScript(ask));
  const flags = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '10s', '-s', script];
  const { out, cpuUs } = await runOnOthers(['wrk', ...flags, ask.url]);
  const line = JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, number>;
  const { requests, us, p50, p99, failed } = line;
  return { loadUs: cpuUs, requests, rps: (requests / us) * 1e6, p50Ms: p50 / 1000, p99Ms: p99 / 1000, failed };
}

export interface OpenLoop {
  readonly sent: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface OpenAsk extends Ask {
  readonly method?: string;
  /** Leaves the core to others between requests, which are up to a millisecond late then. */
  readonly isPatient?: boolean;
}

/** Arrivals of a Poisson process; latency counts from when a request was meant to be sent, whatever held it up. */
export async function runOpenLoop(ask: OpenAsk, rate: number, seconds: number) {
  const options = JSON.stringify({ ...ask, rate, seconds });
  const script = join(import.meta.dirname, 'servers/open-loop.js');
  const { out } = await runOnOthers([process.execPath, script, options], (seconds + 60) * 1000);
  return JSON.parse(out.trim().split('\n').at(-1)!) as OpenLoop;
}
