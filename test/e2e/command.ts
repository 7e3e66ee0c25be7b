/** Runs the real command as a child process, in a folder and a home of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

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
  /** The built command on several command lines, in one process: starting one for each would take most of the time. */
  runAll(lines: readonly (readonly string[])[]): Run[];
  /** The object that `run` with --json prints, believed to be a T; throws when the exit code is not 0. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller names what it asked for
  json<T extends object>(args: readonly string[]): T;
  remove(): void;
}

/** Runs command lines one after the other; an end mark with the exit code follows the output of each. */
const DRIVER = `
import { writeSync } from 'node:fs';
const { main } = await import(process.argv[1]);
for (const words of JSON.parse(process.argv[2])) {
  const status = await main(words);
  for (const fd of [1, 2]) writeSync(fd, '\\0' + status + '\\0');
}
process.exit(0);
`;

function runDriver(lines: readonly (readonly string[])[], cwd: string, home: string): Run[] {
  const entry = pathToFileURL(join(root, 'dist/cli/main.js')).href;
  const args = ['--input-type=module', '-e', DRIVER, entry, JSON.stringify(lines)];
  const env = { ...process.env, MODELWARD_HOME: home, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' };
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const [out, problems] = [stdout, stderr].map((text) => text.split(/\0(\d+)\0/));
  if (out.length !== 2 * lines.length + 1) throw new TypeError(`the driver ended early: ${stdout}${stderr}`);
  return lines.map((_, index) => {
    return { status: Number(out[2 * index + 1]), stdout: out[2 * index], stderr: problems[2 * index] };
  });
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
    runAll: (lines) => runDriver(lines, folder, home),
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
