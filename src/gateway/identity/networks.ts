/** Networks that a key is valid from: `ADDRESS/BITS`, IPv4 and IPv6 (RFC 4632, RFC 4291 section 2.3). */
import { BlockList, isIP } from 'node:net';
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS } from '../../core/limits/api-keys.ts';

/** True for an address, as text, that is in one of the networks. */
export type NetworkCheck = (address: string) => boolean;

const BITS = { 4: 32, 6: 128 } as const;

/**
 * @param networks none means: from everywhere
 * @throws GatewayError APIKEY_CIDR_INVALID
 */
export function createNetworkCheck(networks: readonly string[]): NetworkCheck {
  if (networks.length > API_KEY_LIMITS.cidrsMax) {
    throw new GatewayError('APIKEY_CIDR_INVALID', {
      fields: { count: networks.length, most: API_KEY_LIMITS.cidrsMax },
    });
  }
  if (networks.length === 0) return () => true;
  // One list for each family: a list of both finds IPv4 addresses in IPv6 networks that hold their mapped form.
  const lists = { 4: new BlockList(), 6: new BlockList() };
  networks.forEach((network, at) => {
    const { address, bits, family } = parseNetwork(network, at);
    lists[family].addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  });
  return (address) => {
    const family = isIP(address);
    if (family === 4) return lists[4].check(address, 'ipv4');
    return family === 6 && lists[6].check(address, 'ipv6');
  };
}

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 4 | 6;
}

/** Bits beyond the length are refused: whoever wrote them meant another network. */
function parseNetwork(text: string, at: number): Network {
  const parts = /^([0-9a-fA-F.:]{2,45})\/(\d{1,3})$/.exec(text);
  const family = parts === null ? 0 : isIP(parts[1]);
  const bits = Number(parts?.[2] ?? NaN);
  // An IPv4 address in its IPv6 form: callers are known by the IPv4 one, so that it would never be found.
  const isMapped = family === 6 && parts![1].includes('.');
  if ((family !== 4 && family !== 6) || bits > BITS[family] || isMapped || hasHostBits(parts![1], bits, family)) {
    throw new GatewayError('APIKEY_CIDR_INVALID', { fields: { at } });
  }
  return { address: parts![1], bits, family };
}

function hasHostBits(address: string, bits: number, family: 4 | 6): boolean {
  const value = family === 4 ? toNumber4(address) : toNumber6(address);
  const hostBits = BigInt(BITS[family] - bits);
  return (value & ((1n << hostBits) - 1n)) !== 0n;
}

function toNumber4(address: string): bigint {
  return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

/** @param address a valid one without an IPv4 tail */
function toNumber6(address: string): bigint {
  const [head, tail] = address.split('::', 2);
  const groups = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail);
  const middle = new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}
