import { expect, test } from 'vitest';
import { makeKey } from '../../../test/fakes/api-keys.ts';
import { DatabaseError } from '../../core/errors.ts';
import { createKeyHasher } from './key-hash.ts';
import { KeyIndex } from './key-index.ts';
import { openKeyWatch } from './key-watch.ts';
import type { ApiKeyStore } from './ports.ts';

/** A table with one key, and one row that is damaged. */
async function open() {
  const hasher = createKeyHasher(null);
  const { text, record } = makeKey(hasher);
  const state = { isAway: false, nowMs: 10_000_000, used: [] as unknown[], change: 1 };
  const whenThere = <T>(value: T): Promise<T> =>
    state.isAway ? Promise.reject(new DatabaseError('DATABASE_UNREACHABLE')) : Promise.resolve(value);
  const store: Pick<ApiKeyStore, 'readChange' | 'readChanges' | 'noteUsed'> = {
    readChange: () => whenThere(state.change),
    readChanges: () =>
      whenThere({
        change: state.change,
        records: state.change === 1 ? [record] : [],
        damaged: ['k_damaged'],
        isMore: false,
      }),
    noteUsed: (uses) => {
      state.used.push(...uses);
      return whenThere(undefined);
    },
  };
  const index = new KeyIndex(hasher);
  const stop = new AbortController();
  const told: string[] = [];
  let turn = (): void => undefined;
  const { run } = await openKeyWatch({
    ...{ store, index, signal: stop.signal, clock: { nowMs: () => state.nowMs } },
    pause: () => new Promise((done) => (turn = done)),
    onTrouble: (code, ids) => told.push([code, ...ids].join(' ')),
  });
  const running = run();
  const look = async (afterMs: number): Promise<string> => {
    state.nowMs += afterMs;
    turn();
    await new Promise(setImmediate);
    const result = index.identify(text, '192.0.2.1', state.nowMs);
    return result.isKnown ? 'known' : result.code;
  };
  const end = async (): Promise<void> => {
    stop.abort();
    turn();
    await running;
  };
  return { state, told, look, end };
}

test('a table that is away is told once, and after a minute nobody is let in until it is back; an older one counts alone', async () => {
  const { state, told, look, end } = await open();
  expect(await look(500)).toBe('known');
  state.isAway = true;
  expect(await look(500)).toBe('known');
  expect(await look(59_499)).toBe('known');
  expect(await look(1)).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
  state.isAway = false;
  expect(await look(500)).toBe('known');
  // An older copy of the table was put back, without this key.
  state.change = 0;
  expect(await look(500)).toBe('GATEWAY_CREDENTIAL_INVALID');
  const damaged = 'APIKEY_RECORD_DAMAGED k_damaged';
  // Unreachable for the looks, told once, and for the times of use.
  expect(told).toEqual([damaged, 'DATABASE_UNREACHABLE', 'DATABASE_UNREACHABLE', damaged]);
  await end();
  expect(state.used).not.toEqual([]);
});

test('a clock that is set back while the table is away gives nobody more than that minute', async () => {
  const { state, look, end } = await open();
  expect(await look(500)).toBe('known');
  state.isAway = true;
  expect(await look(-3_600_000)).toBe('known');
  expect(await look(59_000)).toBe('known');
  expect(await look(1000)).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
  expect(await look(-3_600_000)).toBe('GATEWAY_IDENTITY_UNAVAILABLE');
  state.isAway = false;
  expect(await look(500)).toBe('known');
  await end();
});
