/** UUID version 7 (RFC 9562 section 5.7): sortable by time, unguessable in its last 74 bits. */
import { toHex } from '../core/bytes.ts';
import type { Clock, Random } from '../core/ports.ts';

/** A new UUIDv7 in lower case. */
export function createUuidV7(clock: Clock, random: Random): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes.subarray(6));
  new DataView(bytes.buffer).setUint16(0, Math.floor(clock.nowMs() / 2 ** 32));
  new DataView(bytes.buffer).setUint32(2, clock.nowMs() % 2 ** 32);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
