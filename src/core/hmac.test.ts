import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createTextHmac } from './hmac.ts';

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

describe('HMAC-SHA-256 of a text', () => {
  // RFC 4231, test cases 1, 2, 6 and 7: short keys, and one that is longer than a block.
  test.each([
    [Buffer.alloc(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [utf8('Jefe'), 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [
      Buffer.alloc(131, 0xaa),
      'Test Using Larger Than Block-Size Key - Hash Key First',
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      Buffer.alloc(131, 0xaa),
      'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ])('is that of RFC 4231 (%#)', (key, text, hex) => {
    expect(createTextHmac(key)(text, 'hex')).toBe(hex);
  });

  test('is that of node:crypto for texts of any length and key, by turns', () => {
    const keys = [0, 1, 32, 63, 64, 65, 200].map((length) => Buffer.alloc(length, length));
    const made = keys.map(createTextHmac);
    for (const length of [0, 1, 55, 56, 64, 1000, 4095, 4096, 4097, 20_000]) {
      for (const text of ['a'.repeat(length), '€'.repeat(length), '\u{1f600}'.repeat(length / 2)]) {
        keys.forEach((key, at) => {
          for (const encoding of ['base64', 'base64url', 'hex'] as const) {
            expect(made[at](text, encoding)).toBe(createHmac('sha256', key).update(text).digest(encoding));
          }
        });
      }
    }
  });

  test('does not change with the key that it was made of', () => {
    const key = Buffer.alloc(32, 7);
    const mac = createTextHmac(key);
    const before = mac('text', 'hex');
    key.fill(0);
    expect(mac('text', 'hex')).toBe(before);
    const long = 'x'.repeat(5000);
    expect(mac(long, 'hex')).toBe(createHmac('sha256', Buffer.alloc(32, 7)).update(long).digest('hex'));
  });
});
