/** Published vectors of the standards that licences are made of. */
import { expect, test } from 'vitest';
import { toThumbprint } from './jwk.ts';
import { encodeStatusList, readStatus, type Status } from './status-list.ts';

/** draft-ietf-oauth-status-list, section 4: bytes b9 a3, and c9 44 f9 with two bits. */
const ONE_BIT = { bits: 1, lst: 'eNrbuRgAAhcBXQ', values: [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1] } as const;
const TWO_BITS = { bits: 2, lst: 'eNo76fITAAPfAgc', values: [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3] } as const;

test.each([ONE_BIT, TWO_BITS])('the status list of the draft with $bits bits', ({ bits, lst, values }) => {
  expect(values.map((_, index) => readStatus({ bits, lst }, index))).toEqual(values);
  const own = encodeStatusList(new Map(values.map((value, index) => [index, value as Status])), bits);
  expect(values.map((_, index) => readStatus({ bits, lst: own }, index))).toEqual(values);
  expect(() => readStatus({ bits, lst }, 16)).toThrow(expect.objectContaining({ code: 'LICENSE_STATUS_INDEX' }));
});

test('a list that inflates beyond every list is refused', () => {
  const lst = encodeStatusList(new Map([[4_400_000, 1]]), 2);
  expect(lst.length).toBeLessThan(4000);
  expect(() => readStatus({ bits: 2, lst }, 0)).toThrow(expect.objectContaining({ code: 'LICENSE_STATUS_MALFORMED' }));
});

test('a list tells of very many revoked licences', () => {
  const count = 300_000;
  const lst = encodeStatusList(new Map(Array.from({ length: count }, (_, index) => [index, 1 as const])));
  expect([0, count - 1].map((index) => readStatus({ bits: 2, lst }, index))).toEqual([1, 1]);
});

test('a thumbprint is over the members in their order, whatever the order of the object', () => {
  // The P-256 key of RFC 7517 A.1; the digest is that of python3-jwcrypto 1.1.0.
  const key = {
    y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
    crv: 'P-256',
    kty: 'EC',
  } as const;
  expect(toThumbprint(key)).toBe('cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s');
});
