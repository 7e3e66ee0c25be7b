/** What the ledger knows to hang on a version: wrapped and not moved since, or being wrapped at this moment. */
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../ledger/index.ts';
import { listNeeded } from './needed.ts';

const NOW = Date.parse('2026-11-21T12:00:00.000Z');
let seq = 0;
const entry = (type: Entry['type'], subject: string, detail: Entry['detail'], minutesAgo = 90): Entry => ({
  ...{ v: 1, seq: seq++, type, actor: 'me', subject, digests: {}, detail },
  ts: new Date(NOW - minutesAgo * 60_000).toISOString(),
});
const wrap = (sealId: string, keyVersion: string, keyRef = 'k'): Entry[] => {
  const useId = `${sealId}-${String(seq)}`;
  return [
    entry('key-use-intent', sealId, { useId, operation: 'wrap', keyRef, purpose: 'open' }),
    entry('key-use-outcome', sealId, { useId, outcome: 'done', keyVersion }),
  ];
};
const list = (entries: readonly Entry[], seen: readonly string[] = []): string[] =>
  listNeeded({ entries, keyRefs: new Set(['k']), versions: new Set(['1']), seen: new Set(seen), nowMs: NOW });

describe('seals that hang on a version', () => {
  test('are those that were wrapped under it, and whose envelopes were not looked at', () => {
    expect(list([...wrap('a', '1'), ...wrap('b', '2'), ...wrap('c', '1', 'other')])).toEqual(['a']);
    expect(list(wrap('a', '1'), ['a'])).toEqual([]);
  });

  test('are those of the key as its service calls it, however the user wrote it', () => {
    const wrapAs = (sealId: string, asked: string, told: string): Entry[] => [
      entry('key-use-intent', sealId, { useId: sealId, operation: 'wrap', keyRef: asked, purpose: 'open' }),
      entry('key-use-outcome', sealId, { useId: sealId, outcome: 'done', keyRef: told, keyVersion: '1' }),
    ];
    expect(list([...wrapAs('a', 'object=x', 'k'), ...wrapAs('b', 'k', 'other')])).toEqual(['a']);
  });

  test('are not those that were moved since, but those that were moved or added to it', () => {
    const moved = entry('rewrap', 'a', { from: 'local:k@1', to: 'local:k@2' });
    expect(list([...wrap('a', '1'), moved])).toEqual([]);
    expect(list([entry('rewrap', 'a', { from: 'aws-kms:x@9', to: 'local:k@1' })])).toEqual(['a']);
    expect(list([entry('recipient-added', 'a', { to: 'local:k@1' })])).toEqual(['a']);
    expect(list([...wrap('a', '1'), entry('rewrap', 'a', { from: 'local:other@1', to: 'local:other@2' })])).toEqual([
      'a',
    ]);
  });

  test('are those that are being wrapped now; a use that a dead process left open counts for an hour', () => {
    const intent = (minutesAgo: number): Entry =>
      entry('key-use-intent', 'a', { useId: 'u', operation: 'wrap', keyRef: 'k', purpose: 'open' }, minutesAgo);
    expect(list([intent(1)])).toEqual(['a']);
    expect(list([intent(61)])).toEqual([]);
    expect(list([intent(1), entry('key-use-outcome', 'a', { useId: 'u', outcome: 'failed', code: 'X' }, 1)])).toEqual(
      [],
    );
  });
});
