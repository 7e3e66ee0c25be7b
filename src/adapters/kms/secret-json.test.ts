import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../core/bytes.ts';
import { type Base64Kind, takeSecret, toSecretJson } from './secret-json.ts';

const kinds: readonly Base64Kind[] = ['base64', 'base64url'];

describe('JSON with a key in it', () => {
  test.each(kinds)('%s: written as node writes it, taken out again, and blank afterwards', (kind) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 70 }), fc.string(), (bytes, text) => {
        const json = toSecretJson({ text, n: 1 }, { name: 'key', bytes, kind });
        const spelled = Buffer.from(bytes).toString(kind);
        expect(JSON.parse(Buffer.from(json).toString())).toEqual({ text, n: 1, key: spelled });
        const taken = takeSecret(json, { name: 'key', kind });
        expect(toHex(taken ?? Uint8Array.of(255))).toBe(toHex(bytes));
        expect(taken?.byteLength).toBe(taken?.buffer.byteLength);
        if (spelled.length > 8) expect(Buffer.from(json).toString('latin1')).not.toContain(spelled);
        expect(JSON.parse(Buffer.from(json).toString())).toMatchObject({ text, n: 1 });
      }),
    );
  });

  test('nested, with spaces and escapes, as other writers spell it', () => {
    const json = utf8('{"data" : {"plaintext"\n:\t"+\\/8\\u003d"}}');
    expect(toHex(takeSecret(json, { name: 'plaintext', kind: 'base64' }) ?? new Uint8Array())).toBe('fbff');
  });

  test.each([
    '{}',
    '{"key":1}',
    '{"key":"AAAA","key":"BBBB"}',
    '{"a":{"key":"AAAA"},"key":"BBBB"}',
    '{"key":"AAAA',
    '{"key":"A"}',
    '{"key":"AA"}',
    '{"key":"AA="}',
    '{"key":"AB=="}',
    '{"key":"AAB="}',
    '{"key":"AA==="}',
    '{"key":"AA==AA=="}',
    '{"key":"A-AA"}',
    '{"key":"AAAA\\n"}',
    '{"key":"A A="}',
  ])('%s gives none', (json) => {
    expect(takeSecret(utf8(json), { name: 'key', kind: 'base64' })).toBeUndefined();
  });

  test.each(['{"key":"AA=="}', '{"key":"+AAA"}', '{"key":"AB"}'])('%s is no base64url', (json) => {
    expect(takeSecret(utf8(json), { name: 'key', kind: 'base64url' })).toBeUndefined();
  });
});
