/** Runs the real command as a child process, in a folder and a home of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type OneProcess, type Run, startOneProcess } from './one-process/host.ts';

export type { Run } from './one-process/host.ts';

export const root = resolve(import.meta.dirname, '../..');
export const bin = join(root, 'bin/modelward.js');
export const samples = join(root, 'samples');

export interface Workplace {
  readonly folder: string;
  readonly home: string;
  /** The command: in a process of its own, or in the one of the workplace. */
  run(args: readonly string[]): Run;
  /** The command in a process of its own, in every workplace. */
  runAlone(args: readonly string[], options?: { readonly input?: string }): Run;
  /** As `run` in a workplace of one process, while the test's own servers go on answering. */
  runBeside(args: readonly string[]): Promise<Run>;
  /** The command on several command lines, in the one process of every workplace. */
  runAll(lines: readonly (readonly string[])[]): Run[];
  /** The object that `run` with --json prints, believed to be a T; throws when the exit code is not 0. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller names what it asked for
  json<T extends object>(args: readonly string[]): T;
  remove(): void;
}

/** @param options whether `run` and `json` share one process, for files of many commands that test what these do */
export function createWorkplace({ isOneProcess = false } = {}): Workplace {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-e2e-'));
  const home = join(folder, 'home');
  const toEnv = (): NodeJS.ProcessEnv => {
    return { ...process.env, MODELWARD_HOME: home, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' };
  };
  const runAlone = (args: readonly string[], options: { readonly input?: string } = {}): Run => {
    const all = [bin, ...args];
    const result = spawnSync(process.execPath, all, { cwd: folder, encoding: 'utf8', env: toEnv(), ...options });
    const { status, stdout, stderr } = result;
    return { status, stdout, stderr };
  };
  let shared: OneProcess | undefined;
  const share = (): OneProcess => (shared ??= startOneProcess({ cwd: folder, env: toEnv() }));
  const run = (args: readonly string[]): Run => (isOneProcess ? share().run(args) : runAlone(args));
  return {
    folder,
    home,
    run,
    runAlone,
    runBeside: (args) => share().runBeside(args),
    runAll: (lines) => lines.map((words) => share().run(words)),
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as declared
    json: <T extends object>(args: readonly string[]): T => {
      const result = run([...args, '--json', '--quiet']);
      if (result.status !== 0) throw new TypeError(`exit ${result.status}: ${result.stdout}${result.stderr}`);
      const lines = result.stdout.trimEnd().split('\n');
      if (lines.length !== 1) throw new TypeError(`expected one line of JSON, got ${lines.length}`);
      return JSON.parse(lines[0]) as T;
    },
    remove: () => {
      shared?.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
