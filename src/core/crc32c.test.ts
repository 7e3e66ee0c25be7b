import { describe, expect, test } from 'vitest';
import { utf8 } from './bytes.ts';
import { crc32c } from './crc32c.ts';

describe('CRC-32C', () => {
  test.each([
    ['no bytes', new Uint8Array(), 0],
    ['32 zeros (RFC 3720 B.4)', new Uint8Array(32), 0x8a9136aa],
    ['32 ones (RFC 3720 B.4)', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31 (RFC 3720 B.4)', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['123456789', utf8('123456789'), 0xe3069283],
  ])('%s', (_name, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc);
    expect(crc32c(bytes.subarray(5), crc32c(bytes.subarray(0, 5)))).toBe(crc);
  });
});
