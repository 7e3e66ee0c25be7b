/** At which addresses inference servers are asked: not at those of metadata services, however a name comes to stand for one. */
import { BlockList, isIP } from 'node:net';
import { GatewayError } from '../../core/errors.ts';
import { UPSTREAM_LIMITS } from '../../core/limits/upstream.ts';
import type { AddressRules } from './types.ts';

/** Never those of an inference server, unless a configuration says so. */
const REFUSED: readonly string[] = [
  // "This network", multicast, reserved, broadcast (RFC 6890).
  '0.0.0.0/8',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Link-local: metadata of AWS, Azure, Google, Oracle and OpenStack, credentials of ECS tasks.
  '169.254.0.0/16',
  // Metadata of Alibaba, Oracle, and Azure's wire server.
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
  '::/128',
  'ff00::/8',
  'fe80::/10',
  // Metadata of AWS and Google over IPv6.
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
];

/** IPv6 networks whose addresses carry one of IPv4: from which byte on. RFC 4291, 6052, 3056. */
const CARRIERS: readonly (readonly [network: string, at: number])[] = [
  ['::ffff:0:0/96', 12],
  ['::/96', 12],
  ['64:ff9b::/96', 12],
  ['2002::/16', 2],
];

export interface AddressCheck {
  /** Whether a server is asked at this address. */
  isAllowed(address: string): boolean;
}

/** @throws GatewayError UPSTREAM_SETTING_INVALID */
export function createAddressCheck({ allow = [], deny = [] }: AddressRules = {}): AddressCheck {
  const [allowed, denied] = [toNetworks(allow, 'allow'), toNetworks([...REFUSED, ...deny], 'deny')];
  return {
    isAllowed: (address) => {
      const plain = toCarried(address);
      if (isIP(plain) === 0) return false;
      return allowed.has(plain) || !denied.has(plain);
    },
  };
}

/** 127.0.0.0/8 and ::1, also when it is written as an IPv6 address. */
export function isLoopback(address: string): boolean {
  const plain = toCarried(address);
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

class Networks {
  // One list for each family: a list of both finds IPv4 addresses in IPv6 networks that hold their mapped form.
  readonly #lists = { 4: new BlockList(), 6: new BlockList() };

  add(address: string, bits: number): void {
    const family = isIP(address) === 4 ? 4 : 6;
    this.#lists[family].addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }

  has(address: string): boolean {
    return isIP(address) === 4 ? this.#lists[4].check(address, 'ipv4') : this.#lists[6].check(address, 'ipv6');
  }
}

function toNetworks(texts: readonly string[], at: string): Networks {
  if (texts.length > UPSTREAM_LIMITS.networksMax)
    throw new GatewayError('UPSTREAM_SETTING_INVALID', { fields: { at } });
  const networks = new Networks();
  for (const text of texts) {
    const parts = /^([0-9a-fA-F.:]{2,45})\/(\d{1,3})$/.exec(text);
    const family = parts === null ? 0 : isIP(parts[1]);
    const bits = Number(parts?.[2]);
    if (parts === null || family === 0 || bits > (family === 4 ? 32 : 128)) {
      throw new GatewayError('UPSTREAM_SETTING_INVALID', { fields: { at } });
    }
    networks.add(parts[1], bits);
  }
  return networks;
}

const carriers = CARRIERS.map(([network, at]) => ({ networks: toNetworks([network], 'carrier'), at }));

/** The IPv4 address that an IPv6 one carries, or the address as it is; without a zone. */
function toCarried(text: string): string {
  const address = text.split('%', 1)[0];
  if (isIP(address) !== 6 || address === '::1' || address === '::') return address;
  const carrier = carriers.find(({ networks }) => networks.has(address));
  if (carrier === undefined) return address;
  return [...toBytes(address).subarray(carrier.at, carrier.at + 4)].join('.');
}

/** 16 bytes of an IPv6 address. */
function toBytes(address: string): Uint8Array {
  // The parser of URLs writes each address in one way, without an IPv4 tail.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head, tail = null] = canonical.split('::', 2);
  const toGroups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const left = toGroups(head);
  const right = tail === null ? [] : toGroups(tail);
  const groups = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
