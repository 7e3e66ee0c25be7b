import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { toPathBelow } from './below.ts';

describe('a name below a folder', () => {
  let root: string;
  beforeAll(() => {
    const base = mkdtempSync(join(tmpdir(), 'below-'));
    mkdirSync(join(base, 'real/a'), { recursive: true });
    symlinkSync(join(base, 'real'), join(base, 'root'));
    root = join(base, 'root');
    symlinkSync('a', join(root, 'inner'));
    symlinkSync('/nowhere', join(root, 'dangling'));
    symlinkSync('model.onnx', join(root, 'a/link.onnx'));
    writeFileSync(join(root, 'a/model.onnx'), '');
  });
  afterAll(() => {
    rmSync(join(root, '..'), { recursive: true });
  });

  test('is a path whether it exists or not; the folder itself may be reached by a link', () => {
    expect(toPathBelow(root, 'a/model.onnx')).toBe(join(root, 'a/model.onnx'));
    expect(toPathBelow(root, './new/deeper/x.onnx')).toBe(join(root, 'new/deeper/x.onnx'));
  });

  test.each(['../x', 'a/../x', '/etc/passwd', 'a//x', '', 'a\\x', 'c:x', 'a/\0x', '.'])('%j could leave it', (name) => {
    expect(codeOf(() => toPathBelow(root, name))).toBe('SOURCE_OUTSIDE_FOLDER');
  });

  test.each(['inner/model.onnx', 'dangling', 'dangling/x', 'a/link.onnx'])('%s goes through a link', (name) => {
    expect(codeOf(() => toPathBelow(root, name))).toBe('SOURCE_LINK_REFUSED');
  });
});
