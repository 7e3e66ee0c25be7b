import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { utf8 } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { writeFileAtomic } from './atomic.ts';
import { cleanLeftovers, type RunIdentity } from './leftovers.ts';
import { nodeStorage } from './node-storage.ts';
import type { Storage } from './ports.ts';
import { stageFolder } from './staging.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'modelward-stage-'));
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

/** Storage that stops for good at the n-th change, as a power cut would. */
class PowerCut extends Error {}

function cutAfter(changes: number): { storage: Storage; count: () => number } {
  let count = 0;
  const step =
    <A extends unknown[], R>(act: (...args: A) => R) =>
    (...args: A): R => {
      if (count++ >= changes) throw new PowerCut();
      return act(...args);
    };
  const storage: Storage = {
    ...nodeStorage,
    makeFolder: step(nodeStorage.makeFolder.bind(nodeStorage)),
    rename: step(nodeStorage.rename.bind(nodeStorage)),
    renameToFree: step(nodeStorage.renameToFree.bind(nodeStorage)),
    remove: step(nodeStorage.remove.bind(nodeStorage)),
    removeFolder: step(nodeStorage.removeFolder.bind(nodeStorage)),
    create: step((path: string, mode: number) => {
      const file = nodeStorage.create(path, mode);
      return { ...file, write: step(file.write.bind(file)), sync: step(file.sync.bind(file)) };
    }),
  };
  return { storage, count: () => count };
}

const deadRun: RunIdentity = { hostTag: '00000000', pid: 4_000_000, isAlive: () => false };
const nextRun: RunIdentity = { hostTag: '00000000', pid: 4_000_001, isAlive: (pid) => pid === 4_000_001 };

describe('writeFileAtomic', () => {
  test('writes, replaces, and refuses to replace', () => {
    const path = join(base, 'a');
    const put = (text: string, replace?: boolean): void => {
      writeFileAtomic({
        storage: nodeStorage,
        path,
        mode: 0o600,
        ...(replace === undefined ? {} : { replace }),
        write: (sink) => {
          sink.write(utf8(text));
          sink.write(utf8('!'));
        },
      });
    };
    put('one');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    put('two');
    expect(readFileSync(path, 'utf8')).toBe('two!');
    expect(
      codeOf(() => {
        put('three', false);
      }),
    ).toBe('WRITE_EXISTS');
    expect(readdirSync(base)).toEqual(['a']);
  });

  test('leaves nothing when the writer throws, and keeps the old file', () => {
    const path = join(base, 'a');
    writeFileSync(path, 'old');
    const fail = (): void => {
      writeFileAtomic({
        storage: nodeStorage,
        path,
        mode: 0o644,
        write: () => {
          throw new SourceError('SOURCE_CHANGED');
        },
      });
    };
    expect(codeOf(fail)).toBe('SOURCE_CHANGED');
    expect(readdirSync(base)).toEqual(['a']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('replaces a link instead of writing through it', () => {
    writeFileSync(join(base, 'victim'), 'precious');
    symlinkSync('victim', join(base, 'a'));
    writeFileAtomic({
      storage: nodeStorage,
      path: join(base, 'a'),
      mode: 0o644,
      write: (sink) => {
        sink.write(utf8('x'));
      },
    });
    expect(readFileSync(join(base, 'victim'), 'utf8')).toBe('precious');
    expect(readFileSync(join(base, 'a'), 'utf8')).toBe('x');
  });

  test('a missing folder is a coded error', () => {
    expect(
      codeOf(() => {
        writeFileAtomic({ storage: nodeStorage, path: join(base, 'no', 'a'), mode: 0o644, write: () => undefined });
      }),
    ).toBe('WRITE_FAILED');
  });
});

function produce(storage: Storage, replace: boolean, text: string, run: RunIdentity): void {
  const staged = stageFolder({ storage, target: join(base, 'out'), replace, run });
  staged.write('model.onnx', 0o644, (sink) => {
    sink.write(utf8(text));
  });
  const file = staged.file('data/w.bin', 0o644);
  file.write(utf8(text));
  file.close();
  staged.commit();
}

const readOut = (): string =>
  readFileSync(join(base, 'out', 'model.onnx'), 'utf8') + readFileSync(join(base, 'out', 'data', 'w.bin'), 'utf8');

describe('stageFolder', () => {
  test('appears at once, refuses what exists, replaces on demand', () => {
    produce(nodeStorage, false, 'A', nextRun);
    expect(readOut()).toBe('AA');
    expect(
      codeOf(() => {
        produce(nodeStorage, false, 'B', nextRun);
      }),
    ).toBe('WRITE_EXISTS');
    produce(nodeStorage, true, 'B', nextRun);
    expect(readOut()).toBe('BB');
    expect(readdirSync(base)).toEqual(['out']);
  });

  test.each(['../x', '/x', 'a/../x', ''])('refuses the output name %j', (name) => {
    const staged = stageFolder({ storage: nodeStorage, target: join(base, 'out') });
    expect(codeOf(() => staged.file(name, 0o644))).toBe('WRITE_OUTSIDE_FOLDER');
    staged.abort();
  });

  test('abort leaves nothing, open files included; later calls are mistakes', () => {
    const staged = stageFolder({ storage: nodeStorage, target: join(base, 'out') });
    staged.file('a/b', 0o644).write(utf8('x'));
    expect(() => {
      staged.commit();
    }).toThrow(TypeError);
    staged.abort();
    staged.abort();
    expect(readdirSync(base)).toEqual([]);
    expect(() => staged.file('c', 0o644)).toThrow(TypeError);
  });

  test.each([
    false,
    true,
  ])('a power cut at any step leaves all or nothing, and the next run cleans up (replace %s)', (replace) => {
    for (let changes = 0; ; changes++) {
      rmSync(base, { recursive: true });
      mkdirSync(base);
      if (replace) produce(nodeStorage, false, 'old', nextRun);
      const cut = cutAfter(changes);
      let ended = true;
      try {
        produce(cut.storage, replace, 'new', deadRun);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        ended = false;
      }
      if (existsSync(join(base, 'out'))) expect(['oldold', 'newnew']).toContain(readOut());
      cleanLeftovers(nodeStorage, join(base, 'out'), nextRun);
      if (replace) expect(['oldold', 'newnew']).toContain(readOut());
      expect(readdirSync(base)).toEqual(existsSync(join(base, 'out')) ? ['out'] : []);
      if (ended) {
        expect(readOut()).toBe('newnew');
        expect(changes).toBeGreaterThan(6);
        return;
      }
    }
  });

  test('leftovers of live runs, other machines and other targets stay', () => {
    const names = [
      '.out.modelward-part-00000000-4000001-1',
      '.out.modelward-part-11111111-4000000-1',
      '.other.modelward-part-00000000-4000000-1',
      '.out.modelward-part-note',
    ];
    for (const name of names) mkdirSync(join(base, name));
    const live: RunIdentity = { ...nextRun, pid: 1, isAlive: (pid) => pid === 4_000_001 };
    expect(cleanLeftovers(nodeStorage, join(base, 'out'), live)).toEqual([]);
    expect(readdirSync(base)).toHaveLength(4);
  });

  test('kill -9 while writing leaves no target, and the next run removes the staging folder', async () => {
    const script = `
      import { stageFolder } from ${JSON.stringify(resolve(import.meta.dirname, 'staging.ts'))};
      import { nodeStorage } from ${JSON.stringify(resolve(import.meta.dirname, 'node-storage.ts'))};
      const staged = stageFolder({ storage: nodeStorage, target: process.argv[1] });
      const file = staged.file('w.bin', 0o644);
      file.write(new Uint8Array(1000));
      console.log('ready');
      setInterval(() => file.write(new Uint8Array(1000)), 1);
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, join(base, 'out')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((done) => child.stdout.once('data', done));
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
    expect(readdirSync(base)).toHaveLength(1);
    produce(nodeStorage, false, 'A', { ...(await import('./leftovers.ts')).nodeRun });
    expect(readdirSync(base)).toEqual(['out']);
  });
});
