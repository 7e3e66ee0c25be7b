import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { describeWithProgram } from '../../test/shared-data.ts';
import { ModelwardError } from '../core/errors.ts';
import { openBufferSource } from './buffer.ts';
import { openFileSource } from './file.ts';
import { openFolder } from './folder.ts';
import { findContainedParts } from './names.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-folder-')));
const model = join(base, 'snapshots', 'model');
const blobs = join(base, 'blobs');

beforeAll(() => {
  mkdirSync(join(model, 'sub'), { recursive: true });
  mkdirSync(blobs);
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(model, 'w.bin'), 'inside');
  writeFileSync(join(model, 'sub', 'v.bin'), 'sub');
  writeFileSync(join(blobs, 'abc'), 'blob');
  writeFileSync(join(base, 'outside', 'secret'), 'secret');
  symlinkSync('../../blobs/abc', join(model, 'linked.bin'));
  symlinkSync(join(base, 'outside', 'secret'), join(model, 'escape.bin'));
  symlinkSync('../../outside', join(model, 'dir'));
  symlinkSync('loop', join(model, 'loop'));
  symlinkSync('w.bin', join(model, 'alias.bin'));
  linkSync(join(base, 'outside', 'secret'), join(model, 'hard.bin'));
});

afterAll(() => {
  rmSync(base, { recursive: true });
});

describe('names', () => {
  test.each([
    '',
    '/etc/passwd',
    '../x',
    'a/../../x',
    'a/../x',
    'a//b',
    'a/',
    'C:x',
    'c:/x',
    'a\\..\\b',
    'a\0b',
    '.',
    'n'.repeat(256),
  ])('%j is refused', (name) => {
    expect(findContainedParts(name)).toBeUndefined();
    expect(codeOf(() => openFolder(model).open(name))).toBe('SOURCE_OUTSIDE_FOLDER');
    expect(codeOf(() => openFolder(model, { dataRoot: base }).open(name))).toBe('SOURCE_OUTSIDE_FOLDER');
  });

  test('"./" is dropped, dots inside names are names', () => {
    expect(findContainedParts('./a/./..b/c..')).toEqual(['a', '..b', 'c..']);
  });
});

describe('folder', () => {
  test('files inside are opened, by any depth', () => {
    const source = openFolder(model).open('sub/v.bin');
    const bytes = new Uint8Array(3);
    source.read(0, bytes);
    expect(Buffer.from(bytes).toString()).toBe('sub');
    expect(source.label).toBe('sub/v.bin');
    source.close();
  });

  test.each([
    'linked.bin',
    'escape.bin',
    'dir/secret',
    'alias.bin',
    'loop',
  ])('link %s is refused by default', (name) => {
    expect(codeOf(() => openFolder(model).open(name))).toBe('SOURCE_LINK_REFUSED');
  });

  test('the refusal names --data-root', () => {
    try {
      openFolder(model).open('linked.bin');
    } catch (error) {
      expect((error as ModelwardError).row.fix).toContain('--data-root DIR');
    }
    expect.assertions(1);
  });

  test('under a data root, links are followed and what they reach must lie under it', () => {
    const open = (name: string, dataRoot: string): string =>
      codeOf(() => {
        openFolder(model, { dataRoot }).open(name).close();
      });
    expect(open('linked.bin', base)).toBe('no error');
    expect(open('linked.bin', blobs)).toBe('no error');
    expect(open('linked.bin', model)).toBe('SOURCE_OUTSIDE_FOLDER');
    expect(open('escape.bin', blobs)).toBe('SOURCE_OUTSIDE_FOLDER');
    expect(open('dir/secret', blobs)).toBe('SOURCE_OUTSIDE_FOLDER');
    expect(open('loop', base)).toBe('SOURCE_LINK_REFUSED');
    // A regular file of the model's folder needs no data root, so giving one must not refuse it.
    expect(open('w.bin', blobs)).toBe('no error');
    // "…/blobs-evil" is not under "…/blobs".
    mkdirSync(join(base, 'blobs-evil'));
    writeFileSync(join(base, 'blobs-evil', 'x'), 'x');
    symlinkSync('../../blobs-evil/x', join(model, 'prefix.bin'));
    expect(open('prefix.bin', blobs)).toBe('SOURCE_OUTSIDE_FOLDER');
  });

  test('a hard link is an ordinary file', () => {
    expect(codeOf(() => openFolder(model).open('hard.bin'))).toBe('no error');
  });

  test('folders are not files, absent names are not found', () => {
    expect(codeOf(() => openFolder(model).open('sub'))).toBe('SOURCE_NOT_A_FILE');
    expect(codeOf(() => openFolder(model).open('none'))).toBe('SOURCE_NOT_FOUND');
    expect(codeOf(() => openFolder(join(base, 'none')))).toBe('SOURCE_NOT_FOUND');
    expect(codeOf(() => openFileSource(join(base, 'none')))).toBe('SOURCE_NOT_FOUND');
    expect(codeOf(() => openFileSource(join(base, 'n'.repeat(300))))).toBe('SOURCE_UNREADABLE');
  });
});

describeWithProgram('pipes', 'mkfifo', ['--version'], () => {
  test('are refused at once, without waiting for a writer', () => {
    execFileSync('mkfifo', [join(model, 'pipe')]);
    expect(codeOf(() => openFolder(model).open('pipe'))).toBe('SOURCE_NOT_A_FILE');
    expect(codeOf(() => openFileSource(join(model, 'pipe')))).toBe('SOURCE_NOT_A_FILE');
  });
});

describe('sources', () => {
  test.each(['file', 'buffer'])('%s: reads fill or throw, ranges are checked', (kind) => {
    const source =
      kind === 'file' ? openFileSource(join(model, 'w.bin')) : openBufferSource('w.bin', Buffer.from('inside'));
    expect(source.size).toBe(6);
    const bytes = new Uint8Array(4);
    source.read(2, bytes);
    expect(Buffer.from(bytes).toString()).toBe('side');
    source.read(6, new Uint8Array(0));
    for (const offset of [3, -1, 0.5, NaN, 2 ** 53]) {
      expect(
        codeOf(() => {
          source.read(offset, bytes);
        }),
      ).toBe('SOURCE_SHORT_READ');
    }
    source.close();
    source.close();
  });

  test('a file that shrinks while it is open is reported, not padded', () => {
    const path = join(base, 'shrinks');
    writeFileSync(path, 'x'.repeat(100));
    const source = openFileSource(path);
    truncateSync(path, 10);
    expect(
      codeOf(() => {
        source.read(0, new Uint8Array(50));
      }),
    ).toBe('SOURCE_CHANGED');
    source.close();
  });

  test('reading after close is a caller mistake', () => {
    const source = openFileSource(join(model, 'w.bin'));
    source.close();
    expect(() => {
      source.read(0, new Uint8Array(1));
    }).toThrow(TypeError);
  });
});
