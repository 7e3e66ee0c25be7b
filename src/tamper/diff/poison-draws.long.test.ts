import { expect, test } from 'vitest';
import { judgeDraw } from '../../../test/tamper/poison-verdict.ts';

/**
 * Four of the held-out draws of docs/spec/change-classes.md on which nothing was missed: a guard of what is reached, not
 * a measure of it. The table there, and the bench row `diff-poisoned`, tell the misses too.
 */
test.each([
  { set: 'hard3', name: 'mlp', number: 0 },
  { set: 'held3', name: 'mlp', number: 1 },
  { set: 'held3', name: 'mlp', number: 3 },
  { set: 'held3', name: 'mlp', number: 4 },
] as const)('$set $name $number: poisoned training is told from clean training, pruning and quantisation on labelled data', async (draw) => {
  const { poisoned, ordinary, drifted } = await judgeDraw(draw);
  // Training on drifted data may look like poisoning; it must at least be told from "nothing changed".
  expect(drifted).not.toContain('same');
  expect(poisoned).toEqual(poisoned.map(([kind]) => [kind, 'suspicious']));
  expect(ordinary).toEqual(Array(6).fill('benign'));
}, 900_000);
