/** The program of test/oracles/witness: a witness of another make, and a client of one; built once by .ci/run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describeWhere } from './shared-data.ts';

const PROGRAM = join(import.meta.dirname, 'oracles/witness/witness-oracle');

/** One question; the fields are those of main.go. */
export type WitnessQuestion = Readonly<Record<string, string | number | readonly string[]>>;

export interface WitnessAnswered {
  readonly error?: string;
  readonly lines?: string;
  readonly size?: number;
  readonly time?: number;
}

/** Asks without stopping this process, which may be the one that is asked about. */
export async function askOracle(questions: readonly WitnessQuestion[]): Promise<WitnessAnswered[]> {
  const child = spawn(PROGRAM, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  child.stdin.end(questions.map((row) => `${JSON.stringify(row)}\n`).join(''));
  await once(child, 'close');
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as WitnessAnswered);
}

/** Starts the witness for one log. @returns its address */
export async function startOracleWitness(logKey: string, secret: string): Promise<{ url: string; stop(): void }> {
  const child: ChildProcess = spawn(PROGRAM, ['serve', logKey, secret], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  return { url: chunk.toString('utf8').trim(), stop: () => child.kill('SIGKILL') };
}

export function describeWithWitnessOracle(name: string, body: () => void): void {
  describeWhere(existsSync(PROGRAM), name, 'test/oracles/witness/build.sh', body);
}
