import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeKey } from '../../../test/fakes/api-keys.ts';
import { codeOf } from '../../../test/error-code.ts';
import { toHex } from '../../core/bytes.ts';
import { createKeyHasher } from './key-hash.ts';
import { assertRoom, KeyIndex } from './key-index.ts';
import { deriveTagKey } from './tag-key.ts';

const PEPPER = new Uint8Array(32).fill(1);
const VECTOR = 'mwk_live_0123456789ABCDEFGHIJKLMNOPQRST3ErYRt';

function createIndex(pepper: Uint8Array | null = null) {
  const hasher = createKeyHasher(pepper);
  const index = new KeyIndex(hasher);
  index.trustUntil(Infinity);
  return { hasher, index };
}

describe('hashes and the tag key', () => {
  test('SHA-256 and HMAC-SHA-256 as node:crypto has them, and as the specification prints them', () => {
    expect(createKeyHasher(null).toHash(VECTOR)).toBe(createHash('sha256').update(VECTOR).digest('hex'));
    expect(createKeyHasher(null).toHash(VECTOR)).toMatch(/^42cf070ea4a55e1c/);
    expect(createKeyHasher(PEPPER).toHash(VECTOR)).toMatch(/^4d2116eeff96ad32/);
    for (const length of [32, 33, 64, 65, 200]) {
      const pepper = Uint8Array.from({ length }, (_, at) => at * 7);
      const hasher = createKeyHasher(pepper);
      for (let round = 0; round < 2; round += 1) {
        expect(hasher.toHash(VECTOR)).toBe(createHmac('sha256', pepper).update(VECTOR).digest('hex'));
      }
    }
    expect(codeOf(() => createKeyHasher(new Uint8Array(31)))).toBe('APIKEY_PEPPER_INVALID');
  });

  test('the tag key of the specification; another id, another key', () => {
    expect(toHex(deriveTagKey(VECTOR, 'k_0123456789abcdef'))).toBe(
      'ca228a1a7853e50a65453fb97250ab6b1d5eba8643cd561cb6917e586298a4d9',
    );
    expect(deriveTagKey(VECTOR, 'k_0123456789abcdeg')).not.toEqual(deriveTagKey(VECTOR, 'k_0123456789abcdef'));
  });
});

describe.each([
  ['SHA-256', null] as const,
  ['HMAC under a pepper', PEPPER] as const,
])('an index by %s', (_name, pepper) => {
  test('knows a key by its text, with the tag key of its owner, and no other', () => {
    const { hasher, index } = createIndex(pepper);
    const { text, record } = makeKey(hasher);
    const other = makeKey(hasher);
    index.put(record);
    const result = index.identify(text, '192.0.2.7', 1000);
    expect(result).toMatchObject({
      isKnown: true,
      principal: { id: `key:${record.id}`, tenant: 'acme', kind: 'api-key' },
    });
    expect(result.isKnown && result.principal.tagKey).toEqual(deriveTagKey(text, record.id));
    expect(index.identify(text, '192.0.2.7', 2000)).toBe(result);
    for (const wrong of [other.text, text.slice(0, -1), record.secrets[0].hashHex, record.id, '', "' or 1=1 --"]) {
      expect(index.identify(wrong, '192.0.2.7', 1000)).toEqual({ isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' });
    }
  });

  test('a revoked key is unknown from the next look-up on, whoever held it', () => {
    const { hasher, index } = createIndex(pepper);
    const { text, record } = makeKey(hasher);
    index.put(record);
    const before = index.identify(text, '::1', 1000);
    index.put({ ...record, revokedMs: 1500 });
    expect(index.identify(text, '::1', 1500)).toEqual({ isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' });
    expect(index.size).toBe(0);
    // A request that is at work still makes its tag with the right key.
    expect(before.isKnown && before.principal.tagKey).toEqual(deriveTagKey(text, record.id));
  });

  test('two secrets of a rotation are the same caller, each with its own tag key, until the older one ends', () => {
    const { hasher, index } = createIndex(pepper);
    const [old, fresh] = [makeKey(hasher), makeKey(hasher)];
    index.put({ ...old.record, secrets: [{ ...old.record.secrets[0], endsMs: 5000 }, ...fresh.record.secrets] });
    const [a, b] = [index.identify(old.text, '::1', 4999), index.identify(fresh.text, '::1', 4999)];
    expect(a.isKnown && b.isKnown && a.principal.id === b.principal.id).toBe(true);
    expect(a.isKnown && a.principal.tagKey).not.toEqual(b.isKnown && b.principal.tagKey);
    expect(index.identify(old.text, '::1', 5000)).toEqual({ isKnown: false, code: 'GATEWAY_CREDENTIAL_EXPIRED' });
    expect(index.identify(fresh.text, '::1', 5000).isKnown).toBe(true);
  });
});

test('times and networks bound a key; the clock is the one that is passed', () => {
  const { hasher, index } = createIndex();
  const { text, record } = makeKey(hasher, {
    notBeforeMs: 100,
    expiresMs: 200,
    networks: ['192.0.2.0/24', '2001:db8::/32'],
  });
  index.put(record);
  const codeAt = (address: string, nowMs: number): string => {
    const result = index.identify(text, address, nowMs);
    return result.isKnown ? 'known' : result.code;
  };
  expect(codeAt('192.0.2.1', 99)).toBe('GATEWAY_CREDENTIAL_EXPIRED');
  expect(codeAt('192.0.2.1', 100)).toBe('known');
  expect(codeAt('2001:db8:ffff::1', 199)).toBe('known');
  expect(codeAt('192.0.2.1', 200)).toBe('GATEWAY_CREDENTIAL_EXPIRED');
  for (const address of ['192.0.3.1', '2001:db9::1', '', 'localhost', '192.0.2.1%eth0']) {
    expect(codeAt(address, 150)).toBe('GATEWAY_ADDRESS_REFUSED');
  }
});

test('nobody is let in before the table was read, nor by a secret of another scheme', () => {
  const hasher = createKeyHasher(null);
  const index = new KeyIndex(hasher);
  const { text, record } = makeKey(hasher);
  index.put(record);
  expect(index.identify(text, '::1', 1)).toEqual({ isKnown: false, code: 'GATEWAY_IDENTITY_UNAVAILABLE' });
  index.trustUntil(Infinity);
  index.put({ ...record, secrets: [{ ...record.secrets[0], scheme: 'hmac-sha256' }] });
  expect(index.identify(text, '::1', 1)).toEqual({ isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' });
});

test('uses are told once, with the newest time of each', () => {
  const { hasher, index } = createIndex();
  const { text, record } = makeKey(hasher);
  index.put(record);
  for (const nowMs of [1000, 3000, 2000]) index.identify(text, '::1', nowMs);
  expect(index.takeUses()).toEqual([{ hashHex: record.secrets[0].hashHex, usedMs: 3000 }]);
  expect(index.takeUses()).toEqual([]);
});

test('the number of keys is bounded', () => {
  expect(
    codeOf(() => {
      assertRoom(99_999);
    }),
  ).toBe('no error');
  expect(
    codeOf(() => {
      assertRoom(100_000);
    }),
  ).toBe('APIKEY_TOO_MANY');
});
