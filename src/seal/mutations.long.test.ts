import { describe, expect, test } from 'vitest';
import {
  drawMutation,
  findEscape,
  flipHeaderBits,
  makeTargets,
  type Mutation,
  moveSegments,
  truncateAtBorders,
  truncateEverywhere,
} from '../../test/attacks/seal-mutations.ts';
import { seededRandom } from '../../test/fakes/seal-kit.ts';

const targets = makeTargets();

function findEscapes(mutations: Iterable<Mutation>): { count: number; escapes: string[] } {
  const escapes: string[] = [];
  let count = 0;
  for (const mutation of mutations) {
    count++;
    const escape = findEscape(mutation);
    if (escape !== undefined) escapes.push(escape);
  }
  return { count, escapes };
}

function* drawMany(count: number): Generator<Mutation> {
  const random = seededRandom(77);
  for (let index = 0; index < count; index++) yield drawMutation(targets, random);
}

describe('attacks on a sealed file, in full', () => {
  test.each([
    ['every bit of the header', () => flipHeaderBits(targets), 2500],
    ['every truncation of a small file', () => truncateEverywhere(targets), 500],
    ['truncations at segment borders', () => truncateAtBorders(targets), 64],
    ['moved, doubled, dropped, spliced, appended segments', () => moveSegments(targets), 40],
    ['10,000 drawn: bits in segments, wrong keys, lies about sizes, appended bytes', () => drawMany(10_000), 10_000],
  ])('%s: all refused, nothing of an altered segment released', (_, mutations, countMin) => {
    const { count, escapes } = findEscapes(mutations());
    expect(escapes).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(countMin);
  });
});
