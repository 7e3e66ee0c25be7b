import { describe, expect, test } from 'vitest';
import { LedgerError, SealError } from '../core/errors.ts';
import type { EntryInput, LedgerWriter } from '../ledger/ports.ts';
import type { WrappedKey } from '../seal/ports.ts';
import { type KeyProvider, withKeyLog } from './logged-key.ts';

const context = { sealId: '01a1f912-39ff-78d4-b22a-547d4fa73627', model: 'm', purpose: 'open' };
const wrapped: WrappedKey = { type: 'test', keyRef: 'k1', keyVersion: '1', wrapped: Uint8Array.of(1) };
const random = {
  fill: (into: Uint8Array) => {
    into.fill(7);
  },
};

/** Keeps entries in order; the call with number `failAt` (from 0) is refused. */
function createLedger(failAt = -1): { writer: LedgerWriter; entries: EntryInput[] } {
  const entries: EntryInput[] = [];
  let calls = 0;
  return {
    entries,
    writer: {
      append: (batch) => {
        if (calls++ === failAt) return Promise.reject(new LedgerError('LEDGER_WRITE_FAILED'));
        entries.push(...batch);
        return Promise.resolve({ firstIndex: 0, checkpoint: '' });
      },
      refuse: () => Promise.resolve(),
    },
  };
}

/** Answers with a key of 9s, and notes how many entries were there when it was called. */
function createProvider(
  entries: readonly unknown[],
  answer: 'key' | 'not mine' | Error = 'key',
): KeyProvider & { seen: number[]; dek: Uint8Array } {
  const seen: number[] = [];
  const dek = new Uint8Array(32).fill(9);
  return {
    seen,
    dek,
    wrapKey: () => {
      seen.push(entries.length);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(wrapped);
    },
    unwrapKey: () => {
      seen.push(entries.length);
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve(answer === 'key' ? dek : null);
    },
  };
}

function setUp(answer?: 'key' | 'not mine' | Error, failAt?: number) {
  const { writer, entries } = createLedger(failAt);
  const provider = createProvider(entries, answer);
  const keys = withKeyLog({ provider, keyRef: 'k1', ledger: writer, actor: 'acme', random });
  return { keys, provider, entries };
}

describe('key log', () => {
  test('the intent is recorded before the provider is called, the outcome after; both name one use', async () => {
    const { keys, provider, entries } = setUp();
    await keys.wrapKey({ dek: new Uint8Array(32), context });
    expect(provider.seen).toEqual([1]);
    expect(entries.map(({ type }) => type)).toEqual(['key-use-intent', 'key-use-outcome']);
    const useId = '07'.repeat(16);
    expect(entries.map(({ detail }) => detail)).toEqual([
      { useId, operation: 'wrap', keyRef: 'k1', purpose: 'open' },
      { useId, outcome: 'done' },
    ]);
  });

  test('no entry, no key: the provider is not asked when the intent cannot be recorded', async () => {
    const { keys, provider } = setUp('key', 0);
    await expect(keys.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'RECORD_FAILED' });
    expect(provider.seen).toEqual([]);
  });

  test('a key whose outcome cannot be recorded is wiped and not handed out', async () => {
    const { keys, provider } = setUp('key', 1);
    await expect(keys.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'RECORD_FAILED' });
    expect(provider.dek.every((byte) => byte === 0)).toBe(true);
  });

  test('refusals and failures are recorded with their code, and thrown on', async () => {
    const refused = setUp(new SealError('KEY_REFUSED'));
    await expect(refused.keys.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect(refused.entries.at(-1)).toMatchObject({ detail: { outcome: 'refused', code: 'KEY_REFUSED' } });
    const failed = setUp(new SealError('KEY_PROVIDER_UNAVAILABLE'));
    await expect(failed.keys.wrapKey({ dek: new Uint8Array(32), context })).rejects.toThrow();
    expect(failed.entries.at(-1)).toMatchObject({ detail: { outcome: 'failed', code: 'KEY_PROVIDER_UNAVAILABLE' } });
  });

  test("a key that is not the provider's is an outcome, too", async () => {
    const { keys, entries } = setUp('not mine');
    expect(await keys.unwrapKey({ wrapped, context })).toBeNull();
    expect(entries.at(-1)).toMatchObject({ detail: { outcome: 'failed', code: 'NOT_MINE' } });
  });
});
