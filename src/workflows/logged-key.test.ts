import { describe, expect, test } from 'vitest';
import { LedgerError, SealError } from '../core/errors.ts';
import type { EntryInput, LedgerWriter } from '../ledger/ports.ts';
import type { KeyProvider, WrappedKey } from '../seal/ports.ts';
import { withKeyLog } from './logged-key.ts';

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
): Required<KeyProvider> & { seen: number[]; dek: Uint8Array; closed: number } {
  const seen: number[] = [];
  const dek = new Uint8Array(32).fill(9);
  const give = <T>(result: T): Promise<T> => {
    seen.push(entries.length);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(result);
  };
  return {
    seen,
    dek,
    closed: 0,
    wrapKey: () => give(wrapped),
    unwrapKey: () => give(answer === 'not mine' ? null : dek),
    rewrapKey: () => give({ ...wrapped, keyVersion: '2' }),
    rotate: () => give('2'),
    disableVersion: () => give(undefined),
    describe: () => Promise.resolve({ type: 'test', keyRef: 'k1', currentVersion: '1', versions: [], standing: null }),
    close() {
      this.closed++;
      return Promise.resolve();
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
      { useId, outcome: 'done', keyVersion: '1' },
    ]);
  });

  test('the outcome names the key as its service does, where the user wrote it otherwise', async () => {
    const { writer, entries } = createLedger();
    const provider = createProvider(entries);
    const keys = withKeyLog({ provider, keyRef: 'alias/k', ledger: writer, actor: 'acme', random });
    await keys.wrapKey({ dek: new Uint8Array(32), context });
    expect(entries.map(({ detail }) => detail)).toMatchObject([
      { operation: 'wrap', keyRef: 'alias/k' },
      { outcome: 'done', keyRef: 'k1', keyVersion: '1' },
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

  test.each([
    ['rewrapKey', { wrapped, context }, { operation: 'rewrap', keyRef: 'k1', keyVersion: '1', purpose: 'open' }, '2'],
    ['rotate', undefined, { operation: 'rotate', keyRef: 'k1' }, '2'],
    ['disableVersion', '1', { operation: 'disable', keyRef: 'k1', keyVersion: '1' }, undefined],
  ] as const)('%s is recorded before and after, and refused without an entry', async (method, given, intent, version) => {
    const useId = '07'.repeat(16);
    const done = setUp();
    await done.keys[method]?.(given as never);
    expect(done.provider.seen).toEqual([1]);
    expect(done.entries.map(({ detail }) => detail)).toEqual([
      { useId, ...intent },
      { useId, outcome: 'done', ...(version === undefined ? {} : { keyVersion: version }) },
    ]);
    for (const [failAt, calls] of [
      [0, []],
      [1, [1]],
    ] as const) {
      const failed = setUp('key', failAt);
      await expect(failed.keys[method]?.(given as never)).rejects.toMatchObject({ code: 'RECORD_FAILED' });
      expect(failed.provider.seen).toEqual(calls);
    }
    const refused = setUp(new SealError('KEY_REFUSED'));
    await expect(refused.keys[method]?.(given as never)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    expect(refused.entries.at(-1)).toMatchObject({ detail: { outcome: 'refused', code: 'KEY_REFUSED' } });
  });

  test('what the provider cannot do, the logged one cannot do; to describe and to close are no uses of the key', async () => {
    const { provider, keys, entries } = setUp();
    await keys.describe();
    await keys.close?.();
    expect([provider.closed, entries]).toEqual([1, []]);
    const { wrapKey, unwrapKey, describe } = provider;
    const bare: KeyProvider = { wrapKey, unwrapKey, describe };
    const { writer } = createLedger();
    const logged = withKeyLog({ provider: bare, keyRef: 'k1', ledger: writer, actor: 'acme', random });
    expect(Object.keys(logged).sort()).toEqual(['describe', 'unwrapKey', 'wrapKey']);
  });

  test('what an envelope asks for is recorded however long its names are', async () => {
    const { keys, entries } = setUp();
    await keys.unwrapKey({ wrapped: { ...wrapped, keyRef: 'k'.repeat(1024), keyVersion: '' }, context });
    expect(entries[0].detail).toEqual({
      useId: '07'.repeat(16),
      operation: 'unwrap',
      keyRef: 'k'.repeat(512),
      purpose: 'open',
    });
  });
});
