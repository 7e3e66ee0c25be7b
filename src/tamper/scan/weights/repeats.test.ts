import { expect, test } from 'vitest';
import { createRng } from '../../../lab/index.ts';
import { Repeats } from './repeats.ts';

const BLOCK_BYTES = 4096;
const rng = createRng('repeats');
const blocks = new Uint8Array(Uint32Array.from({ length: (600 * BLOCK_BYTES) / 4 }, () => rng.next()).buffer);

test('copies are found in flat memory: of many blocks a part is kept, and the count is an estimate', () => {
  const repeats = new Repeats(64);
  repeats.add('w', blocks);
  expect(repeats.judge()).toEqual([]);
  expect(repeats.stride).toBeGreaterThanOrEqual(8);
  repeats.add('w', blocks);
  const [finding, ...others] = repeats.judge();
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ rule: 'W05', severity: 'suspicious', subject: 'w' });
  const count = Number(/^About (\d+) blocks/.exec(finding.message)?.[1]);
  expect(count).toBeGreaterThan(300);
  expect(count).toBeLessThan(900);
});

test('few blocks are all kept, and counted exactly', () => {
  const repeats = new Repeats(1000);
  repeats.add('a', blocks);
  repeats.add('b', blocks.subarray(0, 5 * BLOCK_BYTES));
  expect(repeats.stride).toBe(1);
  expect(repeats.judge().map(({ message }) => message)).toEqual([
    '5 blocks of 4 KiB of tensor "a" in "b" occur again.',
  ]);
});
