import { expect, test } from 'vitest';
import { toFileNames } from './run.ts';

test('every output gets a file of its own, whatever characters its name has', () => {
  expect(toFileNames(['scores', 'a/b:0', 'a_b_0', 'a\\b:0', '../../x'])).toEqual([
    'scores.npy',
    'a_b_0.npy',
    'a_b_0-2.npy',
    'a_b_0-3.npy',
    '.._.._x.npy',
  ]);
});
