import { spawn } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CrashModel, createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { openBufferSource } from './buffer.ts';
import { openFileSource } from './file.ts';
import { nodeStorage } from './node-storage.ts';
import type { ByteSource, Storage } from './ports.ts';
import { readRewrite, type RewriteOp } from './rewrite.ts';
import type { RewriteWay } from './rewrite-sink.ts';
import { toSpliceOps } from './splice.ts';
import { stageFile } from './staged-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'staged-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const stage = (replace: boolean) =>
  stageFile({ storage: nodeStorage, path: join(folder, 'out'), mode: 0o600, replace });

test('the name appears on commit only, with all bytes', () => {
  const staged = stage(false);
  staged.write(Uint8Array.of(1, 2));
  staged.write(Uint8Array.of(3));
  expect(readdirSync(folder)).not.toContain('out');
  staged.commit();
  expect(readdirSync(folder)).toEqual(['out']);
  expect([...readFileSync(join(folder, 'out'))]).toEqual([1, 2, 3]);
});

test('abort leaves the old file and nothing else', () => {
  writeFileSync(join(folder, 'out'), 'old');
  const staged = stage(true);
  staged.write(Uint8Array.of(1));
  staged.abort();
  expect(readdirSync(folder)).toEqual(['out']);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('old');
});

test('an existing file is refused unless it may be replaced, also when it appears meanwhile', () => {
  const staged = stage(false);
  writeFileSync(join(folder, 'out'), 'other');
  expect(() => {
    staged.commit();
  }).toThrow(expect.objectContaining({ code: 'WRITE_EXISTS' }));
  staged.abort();
  expect(() => stage(false)).toThrow(expect.objectContaining({ code: 'WRITE_EXISTS' }));
  expect(readdirSync(folder)).toEqual(['out']);
});

describe('editing the very file', () => {
  const SIZE = 2 * 2 ** 20;
  const old = Uint8Array.from({ length: SIZE }, (_, i) => i % 251);
  /** Same-size edits of two spans far apart: patched where bytes can be shared. */
  const toOps = (source: ByteSource): readonly RewriteOp[] =>
    toSpliceOps(
      source,
      [9, SIZE - 99].map((start) => ({
        start,
        end: start + 3,
        ops: [{ kind: 'bytes', bytes: Uint8Array.of(1, 2, 3) }],
      })),
    );
  const edited = readRewrite({ name: 'm', ops: toOps(openBufferSource('m', old)) });
  const path = (): string => join(folder, 'm');
  const isSame = (bytes: Uint8Array, other: Uint8Array): boolean => Buffer.compare(bytes, other) === 0;

  const openFile = (): ByteSource => {
    writeFileSync(path(), old);
    return openFileSource(path());
  };
  const stageEdit = (source: ByteSource, storage = nodeStorage) =>
    stageFile({ storage, path: path(), mode: 0o644, replace: true, edited: source });

  test('keeps its permission bits, and leaves other names of the old file as they are', () => {
    const source = openFile();
    chmodSync(path(), 0o751);
    linkSync(path(), join(folder, 'hard'));
    const staged = stageEdit(source);
    staged.rewrite(toOps(source));
    staged.commit();
    source.close();
    expect(isSame(readFileSync(path()), edited)).toBe(true);
    expect(statSync(path()).mode & 0o777).toBe(0o751);
    expect(isSame(readFileSync(join(folder, 'hard')), old)).toBe(true);
  });

  test('is refused when another file lies there by then: what somebody else wrote is not lost', () => {
    const source = openFile();
    const staged = stageEdit(source);
    staged.rewrite(toOps(source));
    writeFileSync(join(folder, 'theirs'), 'theirs');
    renameSync(join(folder, 'theirs'), path());
    const changed = expect.objectContaining({ code: 'SOURCE_CHANGED' }) as unknown;
    expect(() => {
      staged.commit();
    }).toThrow(changed);
    staged.abort();
    expect(() => stageEdit(source)).toThrow(changed);
    expect(readdirSync(folder)).toEqual(['m']);
    expect(readFileSync(path(), 'utf8')).toBe('theirs');
    source.close();
  });

  test('a link becomes a file, and what it led to stays', () => {
    writeFileSync(join(folder, 'blob'), old);
    symlinkSync('blob', path());
    const source = openFileSource(path());
    const staged = stageEdit(source);
    staged.rewrite(toOps(source));
    staged.commit();
    source.close();
    expect(lstatSync(path()).isFile()).toBe(true);
    expect(isSame(readFileSync(path()), edited)).toBe(true);
    expect(isSame(readFileSync(join(folder, 'blob')), old)).toBe(true);
  });

  const random = (() => {
    let state = 7;
    return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  })();
  const models: CrashModel[] = [
    { kind: 'keep' },
    { kind: 'drop' },
    { kind: 'drop-content' },
    { kind: 'drop-names' },
    { kind: 'torn', bytes: 1 },
    { kind: 'torn', bytes: -1 },
    { kind: 'random', next: random },
  ];
  test.each(models)('a crash after any call leaves the old file or the new one: $kind', (model) => {
    const disk = createRecordingStorage(['/d']);
    disk.create('/d/m', 0o644).write(0, old);
    const storage = disk.settled();
    const edit = (on: Storage, pid: number): RewriteWay => {
      const run = { hostTag: '00000000', pid, isAlive: (other: number) => other === pid };
      const staged = stageFile({ storage: on, path: '/d/m', mode: 0o644, replace: true, run });
      const way = staged.rewrite(toOps(openBufferSource('m', old)));
      staged.commit();
      return way;
    };
    expect(edit(storage, 1)).toBe('patched');
    const seen = new Set<string>();
    for (let count = 0; count <= storage.opCount(); count++) {
      const crashed = storage.crashAfter(count, model);
      const bytes = crashed.read('/d/m');
      expect(isSame(bytes, old) || isSame(bytes, edited)).toBe(true);
      seen.add(isSame(bytes, old) ? 'old' : 'new');
      edit(crashed, 2);
      expect(isSame(crashed.read('/d/m'), edited)).toBe(true);
      expect([...crashed.files().keys()]).toEqual(['/d/m']);
    }
    expect([...seen].sort()).toEqual(['new', 'old']);
  });

  test.each([false, true])('kill -9 in the middle of it leaves the old file (on a clone: %s)', async (isClone) => {
    writeFileSync(path(), old);
    const from = (name: string): string => JSON.stringify(resolve(import.meta.dirname, name));
    // The copy stands in for a clone, which not every file system makes: what follows it is the same.
    const script = `
      import { copyFileSync } from 'node:fs';
      import { openFileSource } from ${from('file.ts')};
      import { nodeStorage } from ${from('node-storage.ts')};
      import { stageFile } from ${from('staged-file.ts')};
      import { toSpliceOps } from ${from('splice.ts')};
      const path = process.argv[1];
      const storage = { ...nodeStorage, create: (name, mode) => {
        const file = nodeStorage.create(name, mode);
        return { ...file, cloneFrom: () => ${isClone} && (copyFileSync(path, name), true) };
      } };
      const source = openFileSource(path);
      const apply = (offset, chunk) => {
        chunk.fill(7);
        console.log('writing');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      };
      const ops = toSpliceOps(source, [1, 2, 3, 4].map((block) => {
        const [start, end] = [block * 300_000, block * 300_000 + 9];
        return { start, end, ops: [{ kind: 'transform', source, start, end, apply, unitBytes: 1 }] };
      }));
      const staged = stageFile({ storage, path, mode: 0o644, replace: true, edited: source });
      staged.rewrite(ops);
      staged.commit();
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, path()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((done) => child.stdout.once('data', done));
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
    expect(isSame(readFileSync(path()), old)).toBe(true);
    expect(readdirSync(folder)).toHaveLength(2);
    const source = openFileSource(path());
    const staged = stageEdit(source);
    staged.rewrite(toOps(source));
    staged.commit();
    source.close();
    expect(isSame(readFileSync(path()), edited)).toBe(true);
    expect(readdirSync(folder)).toEqual(['m']);
  });
});
