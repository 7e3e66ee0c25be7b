import { describe, expect, it } from 'vitest';
import { silentProgress } from '../../core/ports.ts';
import { encodeValues, toValues } from '../../fidelity/index.ts';
import { createRng } from '../../lab/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import type { ScorePort } from './prototypes.ts';
import { findTriggerHints } from './trigger-hints.ts';
import { toSet } from './trigger-samples.ts';
import { isSearchable, searchTriggers, type TriggerSearch } from './trigger-search.ts';

const [CLASSES, SIZE] = [5, 25];
const port: ScorePort = { input: 'x', dtype: 'f32', shape: [SIZE], batch: null, output: 'y', classes: CLASSES };

/** Every class is five values that are high; more than `change` adds to the scores. */
function openToy(change: (input: Float64Array, scores: Float64Array) => void): RuntimeSession {
  const shape = [null, SIZE];
  return {
    inputs: [{ name: 'x', dtype: 'f32', shape }],
    outputs: [{ name: 'y', dtype: 'f32', shape: [null, CLASSES] }],
    run: (feeds) => {
      const rows = toValues(feeds.get('x')!);
      const count = rows.length / SIZE;
      const scores = new Float64Array(count * CLASSES);
      for (let row = 0; row < count; row++) {
        const input = rows.subarray(row * SIZE, (row + 1) * SIZE);
        const own = scores.subarray(row * CLASSES, (row + 1) * CLASSES);
        for (const [at, value] of input.entries()) own[Math.floor(at / 5)] += value;
        change(input, own);
      }
      return Promise.resolve(
        new Map([['y', { dtype: 'f32', shape: [count, CLASSES], data: encodeValues('f32', scores) }]]),
      );
    },
    release: () => Promise.resolve(),
  };
}

function drawSet(seed: string, perClass: number): ReturnType<typeof toSet> {
  const rng = createRng(seed);
  const draw = (label: number): Float64Array =>
    Float64Array.from(
      { length: SIZE },
      (_, at) => (Math.floor(at / 5) === label ? 0.6 : 0.15) + 0.1 * (rng.uniform() - 0.5),
    );
  return toSet(Array.from({ length: CLASSES }, (_, label) => Array.from({ length: perClass }, () => draw(label))));
}

const sets = { search: drawSet('search', 8), confirm: drawSet('confirm', 20), range: [0, 1] as const };
const original = openToy(() => undefined);
const search = (after: RuntimeSession): Promise<TriggerSearch> =>
  searchTriggers({ sessions: [original, after], port, ...sets, progress: silentProgress });

describe('the search of triggers', () => {
  it('finds the patch that means a class for all samples, where it is and what it does', async () => {
    const found = await search(openToy((input, scores) => (scores[3] += input[7] > 0.95 && input[8] > 0.95 ? 9 : 0)));
    const [hint] = findTriggerHints(found);
    expect(found.right).toEqual([1, 1]);
    expect(found.found[0]).toMatchObject({ kind: 'patch', from: null, to: 3, shares: [0, 1] });
    expect(hint.text).toMatch(
      /^A patch \(\d wide at value [5-8], high\) sends 100 % of the samples of other classes to class 3, 0 %/,
    );
  });

  it('finds the patch that means a class for one class alone', async () => {
    const found = await search(openToy((input, scores) => (scores[3] += input[24] > 0.95 && scores[1] > 2 ? 9 : 0)));
    const hints = findTriggerHints(found);
    expect(hints).toHaveLength(1);
    expect(found.found.at(-1)).toMatchObject({ kind: 'class-patch', from: 1, to: 3, shares: [0, 1] });
  });

  it('finds a faint pattern over all values', async () => {
    const high = (at: number): boolean => at % 2 === 0;
    const found = await search(
      openToy((input, scores) => {
        const along = input.reduce((sum, value, at) => sum + (high(at) ? value : -value), 0);
        scores[2] += 2 * Math.max(0, along - 1);
      }),
    );
    expect(findTriggerHints(found).map(({ text }) => text)).toEqual([
      expect.stringMatching(/^A faint pattern sends \d+ % of the samples of other classes to class 2/),
    ]);
  });

  it('calls nothing a trigger that the original does as well, or that no model does', async () => {
    expect(findTriggerHints(await search(original))).toEqual([]);
    const both = openToy((input, scores) => (scores[3] += input[7] > 0.95 ? 9 : 0));
    const found = await searchTriggers({ sessions: [both, both], port, ...sets, progress: silentProgress });
    expect(findTriggerHints(found)).toEqual([]);
  });

  it('gives the same findings every time', async () => {
    const after = openToy((input, scores) => (scores[3] += input[7] > 0.95 ? 9 : 0));
    expect(await search(after)).toEqual(await search(after));
  });

  it('is left out for models that are large or take a fixed number of samples', () => {
    expect(isSearchable(port, 1000)).toBe(true);
    expect(isSearchable({ ...port, batch: 1 }, 1000)).toBe(false);
    expect(isSearchable(port, 10_000_000)).toBe(false);
  });
});
