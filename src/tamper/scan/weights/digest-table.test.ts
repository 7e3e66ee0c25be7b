import { expect, test } from 'vitest';
import { createRng } from '../../../lab/index.ts';
import { DigestTable } from './digest-table.ts';

test('says what a map says, also after some were forgotten', () => {
  const rng = createRng('digest table');
  const table = new DigestTable(512);
  const map = new Map<string, { value: number; tag: number }>();
  for (let step = 0; step < 4000; step++) {
    // Few values of the low word, so that runs of taken slots come about.
    const [low, high, tag] = [rng.next() % 40, rng.next() % 8, rng.next() & 0xffff];
    const key = `${low} ${high}`;
    expect(table.findOrAdd(low, high, step, tag)).toBe(map.get(key)?.value ?? null);
    if (!map.has(key)) map.set(key, { value: step, tag });
    expect(table.size).toBe(map.size);
    if (step % 700 !== 699) continue;
    table.keep((each) => each % 3 === 0);
    for (const [each, entry] of map) if (entry.tag % 3 !== 0) map.delete(each);
    expect(table.size).toBe(map.size);
  }
});

test('is never filled to the last slot, where a search would not end', () => {
  const table = new DigestTable(4);
  for (let i = 0; i < 3; i++) table.findOrAdd(i, 0, i, 0);
  expect(() => table.findOrAdd(3, 0, 3, 0)).toThrow(TypeError);
});
