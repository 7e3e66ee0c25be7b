/** Rate of addresses that show no valid credential: before anybody knows who asks. */
import { toAddressKey, toNetworkKey } from '../../core/address-key.ts';
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import { MemoryRates } from './memory-rates.ts';
import type { RatePolicy, RateTake } from './ports.ts';

export interface AddressLimiter {
  /** Whether this address may try; nothing is taken, so that valid callers use nothing up. */
  look(address: string): RateTake;
  /** The address showed nothing, or nothing valid. */
  blame(address: string): void;
}

export interface AddressLimiterOptions {
  /** Failures of one IPv4 address, or one IPv6 network of 64 bits. */
  readonly policy: RatePolicy;
  readonly nowUs: () => number;
  readonly addressesMax?: number;
}

/** Networks of 48 bits hold 65,536 of 64 bits, and are one customer's: eight times the rate. */
const NETWORK_TIMES = 8;
/** Of addresses that there is no room for; no address is written so. */
const OTHERS = '*';

/** The table is bounded: once it is full of addresses that failed lately, new ones share one rate, and the known ones keep theirs. */
export function createAddressLimiter(options: AddressLimiterOptions): AddressLimiter {
  const { policy, nowUs, addressesMax = RATE_LIMITS.addressesMax } = options;
  // Room for the shared one beside.
  const rates = new MemoryRates({ nowUs, subjectsMax: addressesMax + 1 });
  const network = { perMinute: policy.perMinute * NETWORK_TIMES, burst: policy.burst * NETWORK_TIMES };
  rates.take(OTHERS, { perMinute: policy.perMinute, burst: policy.burst });
  const toSubject = (key: string): string => (rates.has(key) || rates.hasRoom() ? key : OTHERS);
  const keysOf = createKeyMemory();
  return {
    look: (address) => {
      const keys = keysOf(address);
      const own = rates.look(toSubject(keys.own), policy);
      if (!own.isAdmitted || keys.wide === null) return own;
      const wide = rates.look(toSubject(keys.wide), network);
      return wide.isAdmitted ? own : wide;
    },
    blame: (address) => {
      const keys = keysOf(address);
      rates.take(toSubject(keys.own), policy);
      if (keys.wide !== null) rates.take(toSubject(keys.wide), network);
    },
  };
}

interface AddressKeys {
  readonly own: string;
  /** Of an IPv6 address, its network. */
  readonly wide: string | null;
}

const REMEMBERED_MAX = 4096;

/** IPv6 addresses cost 3 us to take apart, and one peer sends many requests. */
function createKeyMemory(): (address: string) => AddressKeys {
  const remembered = new Map<string, AddressKeys>();
  return (address) => {
    const found = remembered.get(address);
    if (found !== undefined) return found;
    const wide = address.includes(':') ? toNetworkKey(address) : null;
    const keys = { own: toAddressKey(address), wide };
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(address, keys);
    return keys;
  };
}
