/** Whom an address of a peer stands for, where what one peer may have is counted. */

/**
 * Key under which a peer is counted: an IPv4 address as it is, also out of its IPv6 form (`::ffff:192.0.2.1`);
 * of an IPv6 address the first 64 bits, since one host has all addresses below them. A zone (`%eth0`) does not count.
 *
 * @param address - as the operating system writes it; what is no IPv6 address comes back unchanged
 * @see RFC 4291, sections 2.2, 2.5.1 and 2.5.5.2
 */
export function toAddressKey(address: string): string {
  return toPrefixKey(address, 4);
}

/**
 * Key under which the network of a peer is counted: as `toAddressKey`, but of an IPv6 address the first 48 bits, which is what
 * one customer is given at most (65,536 networks of 64 bits). IPv4 addresses are handed out one by one, and stand for themselves.
 * @see RFC 6177, section 2
 */
export function toNetworkKey(address: string): string {
  return toPrefixKey(address, 3);
}

function toPrefixKey(address: string, groupsKept: number): string {
  if (!address.includes(':')) return address;
  const groups = toGroups(address.split('%', 1)[0]);
  if (groups.length !== 8) return address;
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [groups[6] >> 8, groups[6] & 0xff, groups[7] >> 8, groups[7] & 0xff].join('.');
  }
  const prefix = groups.slice(0, groupsKept).map((group) => group.toString(16));
  return `${prefix.join(':')}::/${groupsKept * 16}`;
}

/** The groups of 16 bits, those left out by "::" included: eight of an IPv6 address. */
function toGroups(address: string): number[] {
  const [head, tail = null] = address.split('::', 2);
  const left = toWords(head);
  if (tail === null) return left;
  const right = toWords(tail);
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}

function toWords(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a, b, c, d] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
