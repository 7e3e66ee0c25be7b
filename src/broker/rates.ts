/** How many requests an address may send: a count per minute, in bounded memory. */
import { toAddressKey } from '../core/address-key.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import type { Clock } from '../core/ports.ts';

const MINUTE_MS = 60_000;

/** `reached` for the first request above the rate in a minute. Addresses beyond the table share one count. */
export type RateGate = (address: string) => 'within' | 'reached' | 'above';

export function createRateGate(clock: Clock): RateGate {
  let minute = -1;
  const counts = new Map<string, number>();
  return (address) => {
    const now = Math.floor(clock.nowMs() / MINUTE_MS);
    if (now !== minute) {
      minute = now;
      counts.clear();
    }
    const peer = toAddressKey(address);
    const key = counts.has(peer) || counts.size < BROKER_LIMITS.addressesMax ? peer : 'others';
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    const most = BROKER_LIMITS.requestsPerMinuteMax;
    return count <= most ? 'within' : count === most + 1 ? 'reached' : 'above';
  };
}
