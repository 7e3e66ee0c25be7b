/** Shares of connections by address, which one machine cannot try over IPv6 by itself. */
import { expect, test } from 'vitest';
import { createPeerShares } from './peer-shares.ts';

test('an IPv6 network of 48 bits holds half of the connections, however many networks of 64 bits it has', () => {
  const shares = createPeerShares(16);
  const enter = (address: string) => shares.enter(address);
  const held = Array.from({ length: 12 }, (_, n) => enter(`2001:db8:7:${n.toString(16)}::1`));
  expect(held.map((leave) => leave !== null)).toEqual([
    ...Array<boolean>(8).fill(true),
    ...Array<boolean>(4).fill(false),
  ]);
  expect(enter('2001:db8:8::1')).not.toBeNull();
  held[0]?.();
  expect([enter('2001:db8:7:ff::1') !== null, enter('2001:db8:7:fe::1') !== null]).toEqual([true, false]);
});

test('addresses of IPv4 are counted one by one', () => {
  const shares = createPeerShares(16);
  const enter = (address: string) => shares.enter(address);
  const toEntries = (address: string) => Array.from({ length: 5 }, () => enter(address) !== null);
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
    expect(toEntries(address)).toEqual([true, true, true, true, false]);
  }
});
