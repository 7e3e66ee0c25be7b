import { expect, test } from 'vitest';
import { isKeyExposed } from './file-modes.ts';

const RUN_BY = 1000;

test('a key is for its owner, or for root and a group of his', () => {
  const exposed = [0o600, 0o400, 0o640, 0o440, 0o644, 0o604, 0o602, 0o660].map((mode) => [
    isKeyExposed({ mode, uid: RUN_BY }, 'linux'),
    isKeyExposed({ mode, uid: 0 }, 'linux'),
  ]);
  expect(exposed).toEqual([
    [false, false],
    [false, false],
    [true, false],
    [true, false],
    [true, true],
    [true, true],
    [true, true],
    [true, true],
  ]);
  expect(isKeyExposed({ mode: 0o666, uid: 0 }, 'win32')).toBe(false);
});
