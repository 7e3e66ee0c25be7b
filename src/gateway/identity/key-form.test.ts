import { randomFillSync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Random } from '../../core/ports.ts';
import { drawBase62, drawKeyText, isKeyFormed, isKeyLike, KEY_CHARS, toSecretPart } from './key-form.ts';

const chance: Random = {
  fill: (into) => {
    randomFillSync(into);
  },
};

/** Of docs/spec/api-keys.md. */
const VECTOR = 'mwk_live_0123456789ABCDEFGHIJKLMNOPQRST3ErYRt';

describe('the form of a key', () => {
  test('the vector of the specification: 30 characters of chance, CRC-32 of all before in six more', () => {
    const body = VECTOR.slice(0, 39);
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const value = Array.from(VECTOR.slice(39)).reduce((sum, one) => sum * 62 + alphabet.indexOf(one), 0);
    expect(value).toBe(crc32(body));
    expect(isKeyFormed(VECTOR)).toBe(true);
    expect(toSecretPart(VECTOR)).toBe('0123456789ABCDEFGHIJKLMNOPQRST');
  });

  test('what is drawn is well-formed, 45 characters that a double click selects', () => {
    for (let count = 0; count < 100; count += 1) {
      const text = drawKeyText(chance);
      expect(text).toMatch(/^mwk_live_[0-9A-Za-z]{36}$/);
      expect(text).toHaveLength(KEY_CHARS);
      expect(isKeyFormed(text)).toBe(true);
    }
  });

  test('every single wrong character, every swap of neighbours and every other length is refused', () => {
    for (let at = 0; at < KEY_CHARS; at += 1) {
      for (const other of ['a', 'Z', '0', '_', '-', 'é', '\u0130', '\0']) {
        const text = `${VECTOR.slice(0, at)}${other}${VECTOR.slice(at + 1)}`;
        expect(isKeyFormed(text), text).toBe(text === VECTOR);
      }
      const swapped = `${VECTOR.slice(0, at)}${VECTOR[at + 1] ?? ''}${VECTOR[at]}${VECTOR.slice(at + 2)}`;
      if (swapped !== VECTOR) expect(isKeyFormed(swapped), swapped).toBe(false);
    }
    for (const text of ['', VECTOR.slice(1), `${VECTOR}0`, ` ${VECTOR}`, VECTOR.slice(0, -1)]) {
      expect(isKeyFormed(text)).toBe(false);
    }
  });

  test('no text makes it throw, and hardly any is taken', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 60 }), fc.string({ minLength: 45, maxLength: 45 })), (text) => {
        expect(isKeyFormed(text)).toBe(false);
        isKeyLike(text);
      }),
    );
  });

  test('bytes from 248 on, which would make eight characters likelier, are thrown away', () => {
    const bytes = [255, 248, 247, 61, 62, 250, 0];
    let at = 0;
    const scripted: Random = {
      fill: (into) => {
        for (let index = 0; index < into.length; index += 1) into[index] = bytes[at++ % bytes.length];
      },
    };
    expect(drawBase62(scripted, 4)).toBe('zz00');
  });

  test('characters are equally likely: chi-squared over 62,000 draws stays below its 1 - 10^-9 quantile', () => {
    const counts = new Map<string, number>();
    for (const one of drawBase62(chance, 62_000)) counts.set(one, (counts.get(one) ?? 0) + 1);
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(counts.size).toBe(62);
    // 61 degrees of freedom (Wilson and Hilferty's approximation); bytes modulo 62 without the bound give about 400.
    expect(chiSquared).toBeLessThan(155);
  });
});
