import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findBase64Bytes, toBase64, toLatin1, toOwnMemory } from './bytes.ts';

describe('base64', () => {
  it('comes back as it was, also above the size of the shared pool', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (part, isLong) => {
        const bytes = isLong ? new Uint8Array(Buffer.concat([new Uint8Array(6000), part])) : part;
        expect(Buffer.compare(findBase64Bytes(toBase64(bytes))!, bytes)).toBe(0);
      }),
    );
  });

  it('has one spelling: what is accepted is what would be written', () => {
    const symbols = Array.from('AQgwZ09+/=-_ \n\u00e9\u0141');
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...symbols), { maxLength: 9 }), (characters) => {
        const text = characters.join('');
        const isCanonical = Buffer.from(text, 'base64').toString('base64') === text;
        expect(findBase64Bytes(text) !== undefined).toBe(isCanonical);
      }),
      { numRuns: 3000 },
    );
    for (const text of ['AB==', 'AAB=', 'AA', 'A===', '====', 'AAAA====', 'AA==AAAA']) {
      expect(findBase64Bytes(text)).toBeUndefined();
    }
  });
});

describe('text', () => {
  it('is of the bytes that are in view, whatever they are a view of', () => {
    const block = Uint8Array.from({ length: 258 }, (_, at) => at - 1);
    const [bytes, buffer] = [block.subarray(1, 257), Buffer.from(block.buffer, 1, 256)];
    const text = String.fromCharCode(...bytes);
    expect([toLatin1(bytes), toLatin1(buffer)]).toEqual([text, text]);
    expect([toBase64(bytes), toBase64(buffer)]).toEqual([btoa(text), btoa(text)]);
  });
});

describe('memory', () => {
  it('of its own is that of the block, or a copy of a view', () => {
    const block = Uint8Array.of(1, 2, 3);
    expect(toOwnMemory(block)).toBe(block);
    const part = toOwnMemory(block.subarray(1));
    expect([part.buffer.byteLength, ...part]).toEqual([2, 2, 3]);
  });
});
