/** A ledger for tests: fixed key, ticking clock, seeded random, and a lock that works inside one process. */
import { sha256 } from '../../src/core/hash.ts';
import { LedgerError } from '../../src/core/errors.ts';
import { u32be, utf8 } from '../../src/core/bytes.ts';
import type { Clock, Random } from '../../src/core/ports.ts';
import {
  createEd25519Signer,
  type EntryInput,
  type Ledger,
  type LedgerLock,
  type LedgerOptions,
  openLedger,
} from '../../src/ledger/index.ts';
import type { Storage } from '../../src/source/ports.ts';

export const LEDGER_FOLDER = '/home/ledger';

/** Signer of the test ledger; the seed is a hash of a label. */
export function testSigner(name = 'example.test/ledger') {
  return createEd25519Signer({ name, seed: sha256(utf8(`seed of ${name}`)) });
}

/** Starts at 2026-01-01T00:00:00Z and moves only when told. */
export function testClock(): Clock & { advance(ms: number): void } {
  let nowMs = Date.UTC(2026, 0, 1);
  return {
    nowMs: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

/** Bytes from SHA-256 of a counter. */
export function testRandom(seed: number): Random {
  let counter = 0;
  return {
    fill: (into) => {
      for (let at = 0; at < into.length; at += 32) {
        into.set(sha256(u32be(seed), u32be(counter++)).subarray(0, into.length - at), at);
      }
    },
  };
}

/** A number generator in [0, 1) for choosing mutations. */
export function testNumbers(seed: number): () => number {
  const random = testRandom(seed);
  const bytes = new Uint8Array(4);
  return () => {
    random.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0) / 2 ** 32;
  };
}

/** A real lock, with the exclusion of one process: a second `acquire` fails at once. */
export function testLock(): LedgerLock & { steal(): void } {
  let holder = 0;
  let next = 1;
  return {
    acquire: () => {
      if (holder !== 0) return Promise.reject(new LedgerError('LEDGER_LOCKED'));
      const mine = next++;
      holder = mine;
      return Promise.resolve({
        isHeld: () => holder === mine,
        release: () => {
          if (holder === mine) holder = 0;
        },
      });
    },
    steal: () => {
      holder = 0;
    },
  };
}

export function testOptions(storage: Storage, options: Partial<LedgerOptions> = {}): LedgerOptions {
  return {
    storage,
    folder: LEDGER_FOLDER,
    signer: testSigner(),
    clock: testClock(),
    random: testRandom(1),
    lock: testLock(),
    ...options,
  };
}

export function openTestLedger(storage: Storage, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return openLedger(testOptions(storage, options));
}

/** Entry number `n`, of a type that depends on n. */
export function testEntry(n: number): EntryInput {
  const digest = Buffer.from(sha256(u32be(n))).toString('hex');
  const common = { actor: 'owner-1', subject: `model-${n}` };
  if (n % 3 === 0) {
    return { ...common, type: 'seal', digests: { sealed: digest }, detail: { sealId: `seal-${n}`, bytes: n } };
  }
  if (n % 3 === 1) {
    return {
      ...common,
      type: 'mark',
      digests: { original: digest, marked: digest },
      detail: { scheme: 'block', bits: 256, tau: 0.5 },
    };
  }
  return {
    ...common,
    type: 'detect',
    digests: { suspect: digest },
    detail: { verdict: 'claim', evidenceBits: 130.5, trials: 12 },
  };
}

export function testEntries(count: number, from = 0): EntryInput[] {
  return Array.from({ length: count }, (_, i) => testEntry(from + i));
}
