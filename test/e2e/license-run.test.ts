/** `run --license`: a sealed model answers on a device that has a licence and no owner, and its plaintext is nowhere but in a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import { countInMemory, isRunning, listChildren } from '../process-memory.ts';
import { describeWhere } from '../shared-data.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

const LICENSED = ['--license', 'license.json', '--vendor-key', 'vendor.txt'];
const RUN = ['run', 'm.seal', '--input', 'x.npy'];

let vendor: Workplace;
let device: Workplace;
/** 64 bytes of the weights, from three places. */
let windows: Buffer[];

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}

beforeAll(() => {
  vendor = createWorkplace({ isOneProcess: true });
  device = createWorkplace({ isOneProcess: true });
  const sealed = join(device.folder, 'm.seal');
  vendor.json(['seal', join(samples, 'mlp.onnx'), '--out', sealed]);
  device.json(['license', 'enrol']);
  copyFileSync(join(device.folder, 'enrolment.json'), join(vendor.folder, 'enrolment.json'));
  vendor.json(['license', 'issue', sealed, '--enrolment', 'enrolment.json', '--to', 'Acme']);
  copyFileSync(join(vendor.folder, 'license.json'), join(device.folder, 'license.json'));
  writeFileSync(join(device.folder, 'vendor.txt'), vendor.run(['keys', 'show']).stdout);
  device.json(['license', 'activate', 'license.json', '--vendor-key', 'vendor.txt']);
  const values = Float32Array.from({ length: 144 }, (_, at) => Math.sin(at));
  const x = { dtype: 'f32', shape: [1, 1, 12, 12], data: new Uint8Array(values.buffer) } as const;
  writeFileSync(join(device.folder, 'x.npy'), toNpyBytes(x));
  mkdirSync(join(device.folder, 'tmp'));
  const model = readFileSync(join(samples, 'mlp.onnx'));
  windows = [0.4, 0.6, 0.8].map((part) => model.subarray(Math.floor(model.length * part)).subarray(0, 64));
});
afterAll(() => {
  vendor.remove();
  device.remove();
});

test('the answers are those of the plain model, and no file has its weights', () => {
  const result = device.json<{ judgement: object; outputs: { path: string }[] }>([
    ...RUN,
    '--out',
    'answers',
    ...LICENSED,
  ]);
  expect(result.judgement).toMatchObject({ standing: 'VALID', notes: ['SOFTWARE_KEY'] });
  device.json(['run', join(samples, 'mlp.onnx'), '--input', 'x.npy', '--out', 'plain']);
  const [name] = readdirSync(join(device.folder, 'plain'));
  const [ours, plain] = ['answers', 'plain'].map((folder) => readFileSync(join(device.folder, folder, name)));
  expect(ours.equals(plain)).toBe(true);
  const files = listFiles(device.folder);
  const withWeights = files.filter((path) => windows.some((window) => readFileSync(path).includes(window)));
  expect(withWeights).toEqual([]);
  expect(files.some((path) => statSync(path).size > 1000)).toBe(true);
  expect(windows.every((window) => readFileSync(join(samples, 'mlp.onnx')).includes(window))).toBe(true);
});

test('a licence that does not open gives no answer; words that do not go together are told', () => {
  const thief = createWorkplace({ isOneProcess: true });
  for (const name of ['m.seal', 'x.npy', 'license.json', 'vendor.txt']) {
    copyFileSync(join(device.folder, name), join(thief.folder, name));
  }
  thief.json(['license', 'enrol']);
  const refused = thief.run([...RUN, '--out', 'answers', ...LICENSED, '--json']);
  expect(refused).toMatchObject({ status: 5 });
  expect(refused.stdout).toContain('LICENSE_DEVICE_MISMATCH');
  expect(readdirSync(thief.folder)).not.toContain('answers');
  thief.remove();
  for (const more of [
    ['--vendor-key', 'vendor.txt'],
    [...LICENSED, '--key', 'local:'],
    [...LICENSED, '--envelope', 'x'],
  ]) {
    const { status, stdout } = device.run([...RUN, ...more, '--json']);
    expect([status, stdout]).toEqual([2, expect.stringContaining('CLI_USAGE')]);
  }
});

/** Lets the parent go on for moments, until its child has the weights; the parent is then held. The process id of the child. */
async function holdWithModel(parent: ChildProcess): Promise<number> {
  for (;;) {
    await sleep(5);
    if (parent.exitCode !== null) throw new Error('the run was over before its child was seen');
    parent.kill('SIGSTOP');
    const child = listChildren(parent.pid ?? 0).at(0);
    if (child !== undefined && countInMemory(child, windows).some((count) => count > 0)) return child;
    parent.kill('SIGCONT');
  }
}

describeWhere(process.platform === 'linux', 'the process of run --license', 'Linux', () => {
  test('SIGTERM while the child holds the model: parent and child end, nothing is written, and the parent had no weights', async () => {
    // Enough of them that answering takes longer than looking.
    const rows = 20_000;
    const many = { dtype: 'f32', shape: [rows, 1, 12, 12], data: new Uint8Array(4 * 144 * rows) } as const;
    writeFileSync(join(device.folder, 'many.npy'), toNpyBytes(many));
    const env = { ...process.env, MODELWARD_HOME: device.home, TMPDIR: join(device.folder, 'tmp') };
    const words = [bin, 'run', 'm.seal', '--input', 'many.npy', '--out', 'stopped', ...LICENSED];
    const parent = spawn(process.execPath, words, { cwd: device.folder, env, stdio: 'ignore' });
    const pid = parent.pid ?? 0;
    // Who looks goes before: the answers must not be there between two looks of a loaded machine.
    setPriority(pid, 5);
    const ended = new Promise<number | null>((resolve) => parent.once('exit', resolve));
    const child = await holdWithModel(parent);
    expect(countInMemory(pid, windows)).toEqual([0, 0, 0]);
    parent.kill('SIGTERM');
    parent.kill('SIGCONT');
    expect(await ended).toBe(130);
    while (isRunning(child)) await sleep(20);
    expect(readdirSync(device.folder)).not.toContain('stopped');
    expect(readdirSync(join(device.folder, 'tmp'))).toEqual([]);
  });
});
