import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { builtUrl, describeWithBuilt } from '../../../test/built.ts';
import { importable } from '../../../test/importable.ts';
import { describeWithProgram } from '../../../test/shared-data.ts';
import { f32Bytes, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../../test/tiny-onnx.ts';

const hasNode = await importable('onnxruntime-node');
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder with a model and a script that loads and runs it through the built adapter `opener`. */
function makeWorkFolder(opener: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-isolation-')));
  folders.push(folder);
  for (const name of ['home', 'tmp', 'work']) mkdirSync(join(folder, name));
  const main = tinyModel({
    inputs: [tinyValue('x', 'f32', [1, 2])],
    outputs: [tinyValue('y', 'f32', [1, 2])],
    nodes: [tinyNode('MatMul', ['x', 'W'], ['y'])],
    tensors: [tinyTensor('W', 'f32', [2, 2], f32Bytes([1, 2, 3, 4]))],
  });
  writeFileSync(join(folder, 'work/model.onnx'), main);
  writeFileSync(
    join(folder, 'work/run.mjs'),
    `import { readFileSync, writeFileSync } from 'node:fs';
     import { ${opener} } from '${builtUrl('adapters/runtime/index.js')}';
     const runtime = await ${opener}();
     const session = await runtime.load({ main: readFileSync('model.onnx'), external: [] });
     const data = new Uint8Array(Float32Array.of(1, 1).buffer);
     const out = await session.run(new Map([['x', { dtype: 'f32', shape: [1, 2], data }]]));
     await session.release();
     await new Promise((resolve) => setTimeout(resolve, 200));
     writeFileSync('done.json', JSON.stringify([...new Float32Array(out.get('y').data.buffer)]));`,
  );
  return folder;
}

interface Trace {
  readonly result: unknown;
  readonly lines: readonly string[];
}

/** Runs the script under strace, with no telemetry variable in its environment. */
function trace(folder: string): Trace {
  const log = join(folder, 'trace.log');
  const env = { PATH: process.env.PATH, HOME: join(folder, 'home'), TMPDIR: join(folder, 'tmp') };
  const args = ['-f', '-qq', '-s', '4096', '-e', 'trace=network,%file', '-o', log, process.execPath, 'run.mjs'];
  execFileSync('strace', args, { cwd: join(folder, 'work'), env, stdio: ['ignore', 'ignore', 'pipe'] });
  return {
    result: JSON.parse(readFileSync(join(folder, 'work/done.json'), 'utf8')) as unknown,
    lines: readFileSync(log, 'utf8').split('\n'),
  };
}

/** Calls that reach out of the machine: anything but sockets of this machine's own kernel. */
function findConnections(lines: readonly string[]): string[] {
  return lines.filter((line) => /\b(?:connect|sendto|sendmsg|sendmmsg|bind)\(/.test(line) && /AF_INET6?\b/.test(line));
}

/** Calls that make or change an entry of the file system, outside `workFolder`. */
function findWrites(lines: readonly string[], workFolder: string): string[] {
  const makes = /\b(?:mkdir|mknod|rename|link|symlink|unlink|truncate|creat)(?:at|at2)?\(/;
  return lines
    .filter((line) => makes.test(line) || /\bopen(?:at|at2)?\(.*O_(?:CREAT|WRONLY|RDWR|TMPFILE)/.test(line))
    .filter((line) => !/"\/dev\/(?:null|tty|shm\/?)"/.test(line))
    .filter((line) => {
      const path = /"([^"]*)"/.exec(line)?.[1] ?? '';
      return path.startsWith('/') ? !path.startsWith(`${workFolder}/`) : path.split('/').includes('..');
    });
}

describeWithProgram('strace of a child that loads and runs a model', 'strace', ['-V'], () => {
  describeWithBuilt('through the built adapter', 'adapters/runtime/index.js', () => {
    const adapters = ['openWebRuntime', ...(hasNode ? ['openNodeRuntime'] : [])];

    test.each(adapters)('%s makes no connection and no file outside the work folder', (opener) => {
      const folder = makeWorkFolder(opener);
      const { result, lines } = trace(folder);
      expect(result).toEqual([4, 6]);
      expect(lines.some((line) => line.includes('done.json') && line.includes('O_CREAT'))).toBe(true);
      expect(findConnections(lines)).toEqual([]);
      expect(findWrites(lines, join(folder, 'work'))).toEqual([]);
    });

    if (!hasNode) test.skip('openNodeRuntime [needs onnxruntime-node]');
  });
});

describe('the reading of a trace', () => {
  test('finds connections and files that it must find', () => {
    const out = 'connect(20, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = -1';
    const own = 'connect(20, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT';
    expect(findConnections([out, own])).toEqual([out]);
    const inside = 'openat(AT_FDCWD, "/w/work/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3';
    const cache = 'openat(AT_FDCWD, "/root/.cache/ort.db", O_RDWR|O_CREAT, 0644) = 3';
    const folder = 'mkdir("/root/.cache", 0777) = 0';
    const read = 'openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3';
    expect(findWrites([inside, cache, folder, read], '/w/work')).toEqual([cache, folder]);
  });
});
