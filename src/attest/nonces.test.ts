/** Challenges: one answer each, soon. */
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { ATTEST_LIMITS } from '../core/limits/attest.ts';
import { createNonceBook } from './nonces.ts';

function createBook() {
  const time = { ms: 1_000_000 };
  let drawn = 0;
  const book = createNonceBook({
    clock: { nowMs: () => time.ms },
    random: {
      fill: (into) => {
        new DataView(into.buffer).setUint32(0, (drawn += 1));
      },
    },
  });
  const redeem = (nonce: Uint8Array) =>
    codeOf(() => {
      book.redeem(nonce);
    });
  return { book, time, redeem };
}

describe('a challenge', () => {
  test('is answered once: a second answer is refused', () => {
    const { book, redeem } = createBook();
    const nonce = book.issue();
    expect(nonce).toHaveLength(32);
    expect([redeem(nonce), redeem(nonce)]).toEqual(['no error', 'ATTEST_NONCE_REUSED']);
  });

  test('that was never given out is refused', () => {
    expect(createBook().redeem(new Uint8Array(32))).toBe('ATTEST_NONCE_UNKNOWN');
  });

  test('is refused when five minutes are over, and forgotten later', () => {
    const { book, time, redeem } = createBook();
    const [first, second] = [book.issue(), book.issue()];
    time.ms += ATTEST_LIMITS.nonceLifeMs;
    expect(redeem(first)).toBe('no error');
    time.ms += 1;
    expect(redeem(second)).toBe('ATTEST_NONCE_EXPIRED');
    time.ms += ATTEST_LIMITS.nonceLifeMs;
    book.issue();
    expect(redeem(second)).toBe('ATTEST_NONCE_UNKNOWN');
  });

  test('costs bounded memory: beyond the cap the oldest are refused', () => {
    const { book, redeem } = createBook();
    const first = book.issue();
    for (let count = 0; count < ATTEST_LIMITS.noncesMax; count++) book.issue();
    expect(redeem(first)).toBe('ATTEST_NONCE_UNKNOWN');
  });
});
