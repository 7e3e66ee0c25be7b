import { describe, expect, test } from 'vitest';
import { createAddressLimiter } from './addresses.ts';

describe('addresses without a credential', () => {
  const policy = { perMinute: 60, burst: 3 };

  test('are bounded by what they fail; looking takes nothing', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0 });
    for (let at = 0; at < 99; at += 1) expect(limiter.look('192.0.2.1').isAdmitted).toBe(true);
    for (let at = 0; at < 3; at += 1) limiter.blame('192.0.2.1');
    expect(limiter.look('192.0.2.1')).toMatchObject({ isAdmitted: false, retryAfterMs: 1000 });
    expect(limiter.look('192.0.2.2').isAdmitted).toBe(true);
  });

  test('of IPv6 are one for 64 bits, and 48 bits have eight times the rate', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0 });
    for (const host of ['1', '2', 'ffff:1']) limiter.blame(`2001:db8:1:1::${host}`);
    expect(limiter.look('2001:db8:1:1::9').isAdmitted).toBe(false);
    expect(limiter.look('2001:db8:1:2::9').isAdmitted).toBe(true);
    for (let network = 16; network < 16 + 21; network += 1) limiter.blame(`2001:db8:1:${network.toString(16)}::1`);
    expect(limiter.look('2001:db8:1:9999::1').isAdmitted).toBe(false);
    expect(limiter.look('2001:db8:2:1::1').isAdmitted).toBe(true);
  });

  test('the table is bounded: others share one rate, and those that are known keep theirs', () => {
    const limiter = createAddressLimiter({ policy, nowUs: () => 0, addressesMax: 10 });
    limiter.blame('192.0.2.1');
    for (let at = 2; at < 5000; at += 1) limiter.blame(`10.0.${at >> 8}.${at & 255}`);
    expect(limiter.look('192.0.2.1')).toMatchObject({ isAdmitted: true, remaining: 2 });
    expect(limiter.look('198.51.100.1').isAdmitted).toBe(false);
  });
});
