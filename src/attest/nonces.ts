/** Challenges: each is given out once, and answered at most once, soon. */
import { toHex } from '../core/bytes.ts';
import { AttestError } from '../core/errors.ts';
import { ATTEST_LIMITS } from '../core/limits/attest.ts';
import type { Clock, Random } from '../core/ports.ts';

export interface NonceBook {
  /** A fresh challenge of 32 bytes. */
  issue(): Uint8Array;
  /**
   * Takes an answered challenge off the book.
   * @throws AttestError ATTEST_NONCE_UNKNOWN | ATTEST_NONCE_REUSED | ATTEST_NONCE_EXPIRED
   */
  redeem(nonce: Uint8Array): void;
}

interface Row {
  readonly expiresAtMs: number;
  readonly isRedeemed: boolean;
}

/** Kept in memory: after a restart every open challenge is unknown, which refuses and never admits. */
export function createNonceBook(options: {
  readonly clock: Clock;
  readonly random: Random;
  readonly lifeMs?: number;
}): NonceBook {
  const { clock, random, lifeMs = ATTEST_LIMITS.nonceLifeMs } = options;
  // Rows stand in the order of their end, as all live equally long.
  const rows = new Map<string, Row>();
  // What expired is kept as long again, so that a late or second answer is told from a forged one.
  const forget = (nowMs: number): void => {
    for (const [key, { expiresAtMs }] of rows) {
      if (expiresAtMs + lifeMs > nowMs && rows.size < ATTEST_LIMITS.noncesMax) break;
      rows.delete(key);
    }
  };
  return {
    issue: () => {
      const nowMs = clock.nowMs();
      forget(nowMs);
      const nonce = new Uint8Array(32);
      random.fill(nonce);
      rows.set(toHex(nonce), { expiresAtMs: nowMs + lifeMs, isRedeemed: false });
      return nonce;
    },
    redeem: (nonce) => {
      const key = toHex(nonce);
      const row = rows.get(key);
      if (row === undefined) throw new AttestError('ATTEST_NONCE_UNKNOWN');
      if (row.isRedeemed) throw new AttestError('ATTEST_NONCE_REUSED');
      if (clock.nowMs() > row.expiresAtMs) throw new AttestError('ATTEST_NONCE_EXPIRED');
      rows.set(key, { ...row, isRedeemed: true });
    },
  };
}
