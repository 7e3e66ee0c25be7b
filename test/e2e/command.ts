/** Runs the real command as a child process, in a folder and a home of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const bin = join(root, 'bin/modelward.js');
export const samples = join(root, 'samples');

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Workplace {
  readonly folder: string;
  readonly home: string;
  run(args: readonly string[], options?: { readonly input?: string }): Run;
  /** The object that `run` with --json prints, believed to be a T; throws when the exit code is not 0. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller names what it asked for
  json<T extends object>(args: readonly string[]): T;
  remove(): void;
}

export function createWorkplace(): Workplace {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-e2e-'));
  const home = join(folder, 'home');
  const run = (args: readonly string[], options: { readonly input?: string } = {}): Run => {
    const result = spawnSync(process.execPath, [bin, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, MODELWARD_HOME: home, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' },
      ...options,
    });
    const { status, stdout, stderr } = result;
    return { status, stdout, stderr };
  };
  return {
    folder,
    home,
    run,
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as declared
    json: <T extends object>(args: readonly string[]): T => {
      const result = run([...args, '--json', '--quiet']);
      if (result.status !== 0) throw new TypeError(`exit ${result.status}: ${result.stdout}${result.stderr}`);
      const lines = result.stdout.trimEnd().split('\n');
      if (lines.length !== 1) throw new TypeError(`expected one line of JSON, got ${lines.length}`);
      return JSON.parse(lines[0]) as T;
    },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
