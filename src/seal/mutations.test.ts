import { describe, expect, test } from 'vitest';
import {
  drawMutation,
  findEscape,
  flipHeaderBits,
  makeTargets,
  moveSegments,
  truncateAtBorders,
  truncateEverywhere,
} from '../../test/attacks/seal-mutations.ts';
import { bufferSink, countingSource, seededRandom } from '../../test/fakes/seal-kit.ts';
import { openSealTo } from './index.ts';

const targets = makeTargets();

describe('attacks on a sealed file', () => {
  test('the unaltered files open, so that a refusal means something', () => {
    for (const { bytes, dek, plaintext } of [targets.small, targets.big, targets.stranger]) {
      const sink = bufferSink();
      openSealTo({ source: countingSource('m', bytes), dek, sinkFor: () => sink });
      expect(Buffer.compare(sink.bytes(), plaintext)).toBe(0);
    }
  });

  test('2,000 seeded mutations: all refused, nothing of an altered segment released', () => {
    const random = seededRandom(2026);
    const escapes: string[] = [];
    let count = 0;
    const check = (mutation: Parameters<typeof findEscape>[0]): void => {
      count++;
      const escape = findEscape(mutation);
      if (escape !== undefined) escapes.push(escape);
    };
    for (const mutation of moveSegments(targets)) check(mutation);
    for (const mutation of truncateAtBorders(targets)) check(mutation);
    for (const mutation of truncateEverywhere(targets)) check(mutation);
    let index = 0;
    for (const mutation of flipHeaderBits(targets)) if (index++ % 5 === 0) check(mutation);
    while (count < 2000) check(drawMutation(targets, random));
    expect(escapes).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(2000);
  });
});
