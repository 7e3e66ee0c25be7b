/** Short texts that come again and again, such as the names of members: found again instead of made anew. */

const BYTES_MAX = 24;
const PLACES = 1024;

/** Each in the place of its hash, where the one that came last stays. */
const known = new Array<string>(PLACES).fill('');

/**
 * The text between two offsets, of which every byte is printable ASCII.
 * @param bytes of a text that was checked
 * @returns undefined for one that is too long, or not plain
 */
export function findName(bytes: Buffer, start: number, end: number): string | undefined {
  if (end - start > BYTES_MAX) return undefined;
  let place = end - start;
  for (let at = start; at < end; at++) {
    if (bytes[at] >= 0x80) return undefined;
    place = Math.imul(place, 31) + bytes[at];
  }
  place &= PLACES - 1;
  const name = known[place];
  if (isSame(name, bytes, start, end)) return name;
  return (known[place] = bytes.toString('latin1', start, end));
}

function isSame(name: string, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
