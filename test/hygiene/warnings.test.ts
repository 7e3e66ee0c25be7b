/** What the command says of a machine that may carry keys to its disk, and when it keeps quiet. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bin, createWorkplace, type Run, samples, type Workplace } from '../e2e/command.ts';
import { describeWhere } from '../shared-data.ts';

const canRaise =
  process.platform === 'linux' && spawnSync('bash', ['-c', 'ulimit -S -c 1024'], { stdio: 'ignore' }).status === 0;

let place: Workplace;
beforeAll(() => {
  place = createWorkplace();
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
});
afterAll(() => {
  place.remove();
});

/** The command under a limit of core dumps; with the switch of the tests off. */
function runAt(limit: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const inherited = { ...process.env };
  delete inherited.MODELWARD_MEMORY_WARNING;
  const script = `ulimit -S -c ${limit}; exec "$0" "$@"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, bin, ...words], {
    cwd: place.folder,
    encoding: 'utf8',
    env: { ...inherited, MODELWARD_HOME: place.home, NO_COLOR: '1', ...env },
  });
  return { status, stdout, stderr };
}

const toWarnings = ({ stderr }: Run): string[] => stderr.split('\n').filter((line) => line.startsWith('warning: keys'));
const CORE = /core dumps (are on|go to \S+)/;

describeWhere(canRaise, 'warnings about memory', 'Linux, where core dumps may be switched on', () => {
  test('seal, open, run, protect and keys say it once, and work all the same', () => {
    const npy = join(place.folder, 'x.npy');
    const commands = [
      ['seal', 'mlp.onnx', '--out', 'sealed/mlp.seal'],
      ['open', 'sealed/mlp.seal', '--out', 'opened'],
      ['protect', 'mlp.onnx', '--no-mark', '--out', 'protected'],
      ['keys', 'status'],
      ['verify', 'protected/mlp.seal', '--baseline', 'protected/mlp.baseline.json'],
      ['license', 'enrol'],
    ];
    for (const words of commands) {
      const run = runAt('1024', words);
      expect(run.status, `${words.join(' ')}: ${run.stderr}`).toBe(0);
      expect(toWarnings(run), words.join(' ')).toEqual([expect.stringMatching(CORE)]);
    }
    // It is said before the input is missed.
    const failed = runAt('1024', ['run', 'sealed/mlp.seal', '--input', npy]);
    expect(failed.status).not.toBe(0);
    expect(toWarnings(failed)).toHaveLength(1);
  });

  test('with --json it is among the warnings; with --quiet not on stderr', () => {
    const run = runAt('1024', ['protect', 'mlp.onnx', '--no-mark', '--out', 'quiet', '--json', '--quiet']);
    const { warnings } = JSON.parse(run.stdout) as { warnings: string[] };
    expect(warnings.filter((line) => CORE.test(line))).toHaveLength(1);
    expect(run.stderr).not.toMatch(CORE);
    expect(runAt('1024', ['keys', 'status', '--quiet']).stderr).not.toMatch(CORE);
    const bare = JSON.parse(runAt('1024', ['keys', 'status', '--json']).stdout) as { warnings: string[] };
    expect(bare.warnings.filter((line) => CORE.test(line))).toHaveLength(1);
  });

  test('a command that needs no key says nothing', () => {
    expect(runAt('1024', ['inspect', 'mlp.onnx']).stderr).not.toMatch(CORE);
    expect(runAt('1024', ['ledger', 'fsck']).stderr).not.toMatch(CORE);
  });

  test('who knows can switch it off', () => {
    expect(runAt('1024', ['keys', 'status'], { MODELWARD_MEMORY_WARNING: '0' }).stderr).not.toMatch(CORE);
  });

  test('with core dumps off nothing is said of them', () => {
    // A program that takes dumps may not look at the limit; then it is named all the same.
    const isPiped = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').startsWith('|');
    const { status, stderr } = runAt('0', ['keys', 'status']);
    expect(status).toBe(0);
    expect(stderr).not.toMatch(isPiped ? /core dumps are on/ : CORE);
  });
});
