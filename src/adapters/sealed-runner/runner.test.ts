import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { builtPath, builtUrl, describeWithBuilt } from '../../../test/built.ts';
import { countInMemory, isRunning, listChildren, readProc, readWorkingFolder } from '../../../test/process-memory.ts';
import { makeTestSeal, seededBytes } from '../../../test/fakes/seal-kit.ts';
import { f32Bytes, tinyExternal, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../../test/tiny-onnx.ts';
import { toHex } from '../../core/bytes.ts';
import { createChildRunner } from './parent.ts';

const CHILD = 'cli/sealed-child/compose.js';
const folders: string[] = [];
const processes: ChildProcess[] = [];

afterEach(() => {
  for (const process of processes.splice(0)) process.kill('SIGKILL');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Weights between -1 and 1 that no other data resembles. */
function randomWeights(seed: number, count: number): Float32Array {
  const bytes = seededBytes(seed, count * 4);
  return Float32Array.from(new Uint32Array(bytes.buffer), (word) => word / 2 ** 31 - 1);
}

const W = randomWeights(1, 96 * 80);
const B = randomWeights(2, 80);
const V = randomWeights(3, 80 * 48);
const weights = [W, B, V].map((values) => f32Bytes(values));

/** y = (x W + B) V, V in another file. */
const files = [
  {
    name: 'net.onnx',
    bytes: tinyModel({
      inputs: [tinyValue('x', 'f32', [1, 96])],
      outputs: [tinyValue('y', 'f32', [1, 48])],
      nodes: [
        tinyNode('MatMul', ['x', 'W'], ['h']),
        tinyNode('Add', ['h', 'B'], ['i']),
        tinyNode('MatMul', ['i', 'V'], ['y']),
      ],
      tensors: [
        tinyTensor('W', 'f32', [96, 80], weights[0]),
        tinyTensor('B', 'f32', [80], weights[1]),
        tinyExternal('V', 'f32', [80, 48], { location: 'v.bin', offset: 0, length: weights[2].length }),
      ],
    }),
  },
  { name: 'v.bin', bytes: weights[2] },
];

/** 64-byte windows from the start, the middle and the end of every weight tensor. */
const windows = weights.flatMap((bytes) =>
  [0, Math.floor(bytes.length / 8) * 4, bytes.length - 64].map((at) =>
    bytes.slice(Math.min(at, bytes.length - 64)).slice(0, 64),
  ),
);

function expectedOutput(x: Float32Array): number[] {
  const h = Array.from({ length: 80 }, (_, j) => x.reduce((sum, value, i) => sum + value * W[i * 80 + j], B[j]));
  return Array.from({ length: 48 }, (_, k) => h.reduce((sum, value, j) => sum + value * V[j * 48 + k], 0));
}

interface Work {
  readonly folder: string;
  readonly sealedPath: string;
  readonly dek: Uint8Array;
}

function makeWork(): Work {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-runner-')));
  folders.push(folder);
  for (const name of ['in', 'tmp', 'home', 'work']) mkdirSync(join(folder, name));
  const seal = makeTestSeal({ seed: 5, files });
  const sealedPath = join(folder, 'in/net.seal');
  writeFileSync(sealedPath, seal.bytes);
  writeFileSync(join(folder, 'in/dek'), seal.dek);
  return { folder, sealedPath, dek: seal.dek };
}

/** A process that runs the sealed model through the built runner, as a user's program would. */
const PROGRAM = `
import { readFileSync, openSync, readSync, closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createChildRunner } from '${builtUrl('adapters/sealed-runner/index.js')}';
import { openSeal } from '${builtUrl('seal/index.js')}';
import { openFileSource } from '${builtUrl('source/index.js')}';
const [sealedPath, dekPath, mode] = process.argv.slice(2);
const dek = new Uint8Array(32);
const fd = openSync(dekPath, 'r');
readSync(fd, dek, 0, 32, 0);
closeSync(fd);
if (mode === 'keeps') {
  const opened = openSeal({ source: openFileSource(sealedPath), dek });
  globalThis.kept = opened.header.files.map(({ name, size }) => {
    const bytes = new Uint8Array(size);
    opened.folder.open(name).read(0, bytes);
    return bytes;
  });
  opened.close();
}
const session = await createChildRunner({ childPath: process.env.CHILD_PATH }).load({ sealedPath, dek });
dek.fill(0);
const x = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i));
const run = async () => {
  const feeds = new Map([['x', { dtype: 'f32', shape: [1, 96], data: new Uint8Array(x.buffer.slice(0)) }]]);
  const y = (await session.run(feeds)).get('y');
  return [...new Float32Array(y.data.buffer)];
};
const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
say({ y: await run(), runtime: session.runtime, inputs: session.inputs.map(({ name }) => name) });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'run') say(await run().catch((error) => ({ code: error.code })));
  if (line === 'release') { await session.release(); say('released'); }
  if (line === 'end') break;
}
`;

interface Program {
  readonly pid: number;
  next(): Promise<unknown>;
  send(line: string): void;
  kill(): void;
}

function startProgram(work: Work, mode = 'plain'): Program {
  writeFileSync(join(work.folder, 'in/program.mjs'), PROGRAM);
  const child = spawn(
    process.execPath,
    [join(work.folder, 'in/program.mjs'), work.sealedPath, join(work.folder, 'in/dek'), mode],
    {
      cwd: join(work.folder, 'work'),
      env: {
        PATH: process.env.PATH,
        HOME: join(work.folder, 'home'),
        TMPDIR: join(work.folder, 'tmp'),
        CHILD_PATH: builtPath(CHILD),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  processes.push(child);
  const lines: string[] = [];
  const waiters: ((line: string) => void)[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      const waiter = waiters.shift();
      if (waiter === undefined) lines.push(line);
      else waiter(line);
    }
  });
  return {
    pid: child.pid ?? -1,
    next: async () =>
      JSON.parse(lines.shift() ?? (await new Promise<string>((resolve) => waiters.push(resolve)))) as unknown,
    send: (line) => child.stdin.write(`${line}\n`),
    kill: () => child.kill('SIGKILL'),
  };
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const describeOnLinux =
  process.platform === 'linux'
    ? describeWithBuilt
    : (name: string): void => {
        describe.skip(`${name} [needs Linux]`, () => undefined);
      };

const TIMEOUT_MS = 20_000;

describeOnLinux('a sealed model in a child process', CHILD, () => {
  test(
    'runs as the plain one does, with no plaintext and no key in the parent, none on disk, and ends on release',
    async () => {
      const work = makeWork();
      const program = startProgram(work);
      const { y, inputs } = (await program.next()) as { y: number[]; inputs: string[] };
      expect(inputs).toEqual(['x']);
      const expected = expectedOutput(Float32Array.from({ length: 96 }, (_, i) => Math.sin(i)));
      for (const [k, value] of y.entries()) expect(value).toBeCloseTo(expected[k], 3);

      const [child] = listChildren(program.pid);
      expect(countInMemory(program.pid, windows)).toEqual(windows.map(() => 0));
      expect(countInMemory(program.pid, [work.dek])).toEqual([0]);
      expect(countInMemory(child, [work.dek])).toEqual([0]);
      // The runtime must hold the weights somewhere: the scan sees them where they are allowed to be.
      expect(Math.max(...countInMemory(child, windows))).toBeGreaterThan(0);

      const written = ['tmp', 'home', 'work'].flatMap((name) => listFiles(join(work.folder, name)));
      expect(
        written.filter((path) => windows.some((window) => readFileSync(path).includes(Buffer.from(window)))),
      ).toEqual([]);
      expect(written).toEqual([]);

      program.send('release');
      expect(await program.next()).toBe('released');
      expect(isRunning(child)).toBe(false);
      expect(readdirSync(join(work.folder, 'tmp'))).toEqual([]);
      expect(countInMemory(program.pid, windows)).toEqual(windows.map(() => 0));
      program.send('run');
      expect(await program.next()).toEqual({ code: 'SEALED_CHILD_FAILED' });
    },
    TIMEOUT_MS,
  );

  test(
    'control: the same scan finds windows in a process that keeps the plaintext',
    async () => {
      const program = startProgram(makeWork(), 'keeps');
      await program.next();
      expect(Math.min(...countInMemory(program.pid, windows))).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test(
    'the child has no core dumps, an empty working folder, and no key in its arguments or environment',
    async () => {
      const work = makeWork();
      const program = startProgram(work);
      await program.next();
      const [child] = listChildren(program.pid);
      expect(readProc(child, 'limits')).toMatch(/^Max core file size +0 +0 /m);
      expect(readdirSync(readWorkingFolder(child))).toEqual([]);
      const environment = readProc(child, 'environ')
        .split('\0')
        .map((line) => line.split('=')[0]);
      const allowed = ['ORT_DISABLE_TELEMETRY', 'TMPDIR', 'HOME', 'PWD', 'OLDPWD', 'SHLVL', '_', ''];
      expect(environment.filter((name) => !allowed.includes(name))).toEqual([]);
      expect(readProc(child, 'environ')).toContain('ORT_DISABLE_TELEMETRY=1');
      const base64 = Buffer.from(work.dek).toString('base64');
      for (const text of [readProc(child, 'cmdline'), readProc(child, 'environ')]) {
        expect(text).not.toContain(toHex(work.dek));
        expect(text).not.toContain(base64);
      }
      expect(
        readProc(child, 'cmdline')
          .split('\0')
          .filter((part) => part !== ''),
      ).toHaveLength(2);
    },
    TIMEOUT_MS,
  );

  test(
    'the child ends when its parent is killed',
    async () => {
      const program = startProgram(makeWork());
      await program.next();
      const [child] = listChildren(program.pid);
      program.kill();
      await until(() => !isRunning(child));
    },
    TIMEOUT_MS,
  );

  test(
    'what a terminal or a service says to all processes is the parent’s to follow: the child goes on until it is released',
    async () => {
      const program = startProgram(makeWork());
      const { y } = (await program.next()) as { y: number[] };
      const [child] = listChildren(program.pid);
      for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.kill(child, signal);
      program.send('run');
      expect(await program.next()).toEqual(y);
      program.send('release');
      expect(await program.next()).toBe('released');
      expect(isRunning(child)).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    'a child that is killed is an error of its own, and does not hang the caller',
    async () => {
      const work = makeWork();
      const session = await createChildRunner({ childPath: builtPath(CHILD) }).load(work);
      const [child] = listChildren(process.pid).filter((pid) => readProc(pid, 'cmdline').includes('sealed-child'));
      process.kill(child, 'SIGKILL');
      const feeds = new Map([['x', { dtype: 'f32' as const, shape: [1, 96], data: new Uint8Array(384) }]]);
      await expect(session.run(feeds)).rejects.toMatchObject({ code: 'SEALED_CHILD_FAILED' });
      await session.release();
    },
    TIMEOUT_MS,
  );

  test(
    'wrong key, altered seal, missing file, wrong feed: their own codes cross the pipe',
    async () => {
      const work = makeWork();
      const runner = createChildRunner({ childPath: builtPath(CHILD) });
      const load = (change: Partial<Work>): Promise<unknown> => runner.load({ ...work, ...change });
      await expect(load({ dek: seededBytes(9, 32) })).rejects.toMatchObject({ code: 'SEAL_AUTH_FAILED' });
      await expect(load({ sealedPath: join(work.folder, 'in/none') })).rejects.toMatchObject({
        code: 'SOURCE_NOT_FOUND',
      });
      const altered = readFileSync(work.sealedPath);
      altered[altered.length - 1] ^= 1;
      writeFileSync(join(work.folder, 'in/altered.seal'), altered);
      const sealedPath = join(work.folder, 'in/altered.seal');
      await expect(load({ sealedPath })).rejects.toMatchObject({ code: 'SEAL_AUTH_FAILED' });
      const session = await runner.load(work);
      await expect(session.run(new Map())).rejects.toMatchObject({ code: 'RUNTIME_RUN_FAILED' });
      await session.release();
    },
    TIMEOUT_MS,
  );
});
