/** How many requests an address may send: a count per minute, in bounded memory. */
import { toAddressKey, toNetworkKey } from '../core/address-key.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import type { Clock } from '../core/ports.ts';

const MINUTE_MS = 60_000;

/**
 * `reached` for the first request above the rate of its address, or of its network, in a minute. Addresses beyond the table share
 * one count; a network above its rate takes no more places in it.
 */
export type RateGate = (address: string) => 'within' | 'reached' | 'above';

export function createRateGate(clock: Clock): RateGate {
  let minute = -1;
  const ofAddresses = new Map<string, number>();
  const ofNetworks = new Map<string, number>();
  return (address) => {
    const now = Math.floor(clock.nowMs() / MINUTE_MS);
    if (now !== minute) {
      minute = now;
      ofAddresses.clear();
      ofNetworks.clear();
    }
    const network = judge(count(ofNetworks, toNetworkKey(address)), BROKER_LIMITS.requestsPerMinuteOfNetworkMax);
    if (network !== 'within') return network;
    return judge(count(ofAddresses, toAddressKey(address)), BROKER_LIMITS.requestsPerMinuteMax);
  };
}

function count(counts: Map<string, number>, name: string): number {
  const key = counts.has(name) || counts.size < BROKER_LIMITS.addressesMax ? name : 'others';
  const next = (counts.get(key) ?? 0) + 1;
  counts.set(key, next);
  return next;
}

function judge(requests: number, most: number): ReturnType<RateGate> {
  return requests <= most ? 'within' : requests === most + 1 ? 'reached' : 'above';
}
