import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { assertKeyApart } from './separation.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-apart-'));

afterAll(() => {
  rmSync(work, { recursive: true });
});

describe('key and seal apart', () => {
  test.each([
    ['the same folder', 'a/kek.json', 'a/net.seal', true],
    ['key below the seal', 'a/keys/kek.json', 'a/net.seal', true],
    ['seal below the key', 'a/kek.json', 'a/out/net.seal', true],
    ['sister folders', 'a/keys/kek.json', 'a/out/net.seal', false],
    ['a name that only starts the same', 'a/out2/kek.json', 'a/out/net.seal', false],
  ])('%s', (_, key, sealed, isRefused) => {
    const check = (): void => {
      assertKeyApart(join(work, key), join(work, sealed));
    };
    if (isRefused) expect(check).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
    else expect(check).not.toThrow();
  });

  test('links are resolved first', () => {
    mkdirSync(join(work, 'real'));
    symlinkSync(join(work, 'real'), join(work, 'other-name'));
    expect(() => {
      assertKeyApart(join(work, 'other-name/kek.json'), join(work, 'real/new/net.seal'));
    }).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
  });
});
