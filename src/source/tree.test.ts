import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { listTree } from './tree.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-tree-')));
const model = join(base, 'model');

beforeAll(() => {
  mkdirSync(join(model, 'sub', 'deep'), { recursive: true });
  mkdirSync(join(model, '.git'));
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(model, 'b.bin'), 'b');
  writeFileSync(join(model, 'sub', 'a.bin'), 'a');
  writeFileSync(join(model, 'sub', 'deep', 'c'), 'c');
  writeFileSync(join(model, '.git', 'HEAD'), 'x');
  writeFileSync(join(base, 'outside', 'blob'), 'blob');
  symlinkSync('../outside/blob', join(model, 'linked.bin'));
  symlinkSync('../outside', join(model, 'linked-folder'));
  symlinkSync('..', join(model, 'sub', 'up'));
  symlinkSync('nowhere', join(model, 'dangling'));
});

afterAll(() => {
  rmSync(base, { recursive: true });
});

function list(areLinksFollowed: boolean, depthMax = 16) {
  const isIgnored = (name: string): boolean => name === '.git';
  return [...listTree(model, { isIgnored, areLinksFollowed, depthMax })].map(
    ({ name, kind, isOutside }) => `${name} ${kind}${isOutside ? ' outside' : ''}`,
  );
}

describe('a folder tree', () => {
  test('links are named, not followed', () => {
    expect(list(false)).toEqual([
      'b.bin file',
      'dangling link',
      'linked-folder link',
      'linked.bin link',
      'sub/a.bin file',
      'sub/deep/c file',
      'sub/up link',
    ]);
  });

  test('followed links have their own name; circles and links to nothing stay links', () => {
    expect(list(true)).toEqual([
      'b.bin file',
      'dangling link',
      'linked-folder/blob file outside',
      'linked.bin file outside',
      'sub/a.bin file',
      'sub/deep/c file',
      'sub/up link',
    ]);
  });

  test('what is ignored is not even looked at', () => {
    const names: string[] = [];
    const isIgnored = (name: string): boolean => {
      names.push(name);
      return !name.startsWith('sub');
    };
    expect([...listTree(model, { isIgnored, areLinksFollowed: false, depthMax: 16 })]).toHaveLength(3);
    expect(names).not.toContain('.git/HEAD');
  });

  test('depth is bounded, and a folder that is not there is refused', () => {
    expect(codeOf(() => list(false, 2))).toBe('SOURCE_UNREADABLE');
    const options = { isIgnored: () => false, areLinksFollowed: false, depthMax: 4 };
    expect(codeOf(() => [...listTree(join(base, 'none'), options)])).toBe('SOURCE_NOT_FOUND');
  });

  test.runIf(process.platform === 'linux')('a name that is not UTF-8 is shown, and is no file', () => {
    const folder = join(base, 'latin');
    mkdirSync(folder);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), 'x');
    const options = { isIgnored: () => false, areLinksFollowed: false, depthMax: 4 };
    expect([...listTree(folder, options)]).toEqual([{ name: 'caf\ufffd', kind: 'other', isOutside: false }]);
  });
});
