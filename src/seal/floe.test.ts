import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeWithShared, hasSharedData, sharedData } from '../../test/shared-data.ts';
import { concatBytes, toHex, utf8 } from '../core/bytes.ts';
import { createFloeHeader, decryptFloeSegment, encryptFloeSegment, openFloeHeader } from './floe.ts';
import {
  deriveMessageKey,
  deriveSegmentKey,
  type FloeParams,
  toFloeBytes,
  toFloeHeaderBytes,
  toFloeParams,
} from './floe-params.ts';

const KEY = new Uint8Array(32);
const AAD = utf8('This is AAD');
const folder = sharedData('floe-kats');
const names = hasSharedData
  ? readdirSync(folder).flatMap((name) => (name.endsWith('_ct.txt') ? [name.slice(0, -'_ct.txt'.length)] : []))
  : [];

function readHex(name: string): Uint8Array {
  return new Uint8Array(Buffer.from(readFileSync(sharedData('floe-kats', name), 'utf8').trim(), 'hex'));
}

function load(name: string): { params: FloeParams; ct: Uint8Array; pt: Uint8Array; segments: Uint8Array[] } {
  const ct = readHex(`${name}_ct.txt`);
  const segmentBytes = new DataView(ct.buffer).getUint32(2);
  const params = { segmentBytes, ivBytes: 32, rotationBits: name.includes('rotation') ? 2 : 20 };
  const segments: Uint8Array[] = [];
  for (let at = toFloeHeaderBytes(params); at < ct.length; at += segmentBytes) {
    segments.push(ct.subarray(at, at + segmentBytes));
  }
  return { params, ct, pt: readHex(`${name}_pt.txt`), segments };
}

function openAll({ params, ct, segments }: ReturnType<typeof load>, order: readonly number[]): Uint8Array[] {
  const keys = openFloeHeader(KEY, { params, aad: AAD, header: ct.subarray(0, toFloeHeaderBytes(params)) });
  const parts: Uint8Array[] = segments.map(() => new Uint8Array());
  for (const position of order) {
    const into = new Uint8Array(params.segmentBytes);
    const segment = { position, isLast: position === segments.length - 1, bytes: segments[position] };
    parts[position] = into.subarray(0, decryptFloeSegment(keys, segment, into));
  }
  return parts;
}

describeWithShared('FLOE known answers', () => {
  test('all nine published vectors are there', () => {
    expect(names).toHaveLength(9);
  });

  test.each(names)('%s opens in order', (name) => {
    const vector = load(name);
    expect(toHex(concatBytes(...openAll(vector, [...vector.segments.keys()])))).toBe(toHex(vector.pt));
  });

  test.each(names)('%s opens segment by segment in any order, with revisits', (name) => {
    const vector = load(name);
    const positions = [...vector.segments.keys()];
    fc.assert(
      fc.property(fc.shuffledSubarray(positions, { minLength: positions.length }), (order) => {
        const parts = openAll(vector, [...order, ...order.slice(0, 3)]);
        expect(toHex(concatBytes(...parts))).toBe(toHex(vector.pt));
      }),
      { numRuns: 20, seed: 7 },
    );
  });

  test.each(names)('%s is what we write when the published IVs are injected', (name) => {
    const { params, ct, pt, segments } = load(name);
    const iv = ct.slice(10, 42);
    const { header, keys } = createFloeHeader(KEY, { params, aad: AAD, iv });
    const parts = [header];
    let at = 0;
    for (const [position, segment] of segments.entries()) {
      const into = new Uint8Array(params.segmentBytes);
      const plaintext = pt.subarray(at, at + segment.length - 32);
      const isLast = position === segments.length - 1;
      const length = encryptFloeSegment(keys, { position, isLast, plaintext, iv: segment.slice(4, 16) }, into);
      parts.push(into.subarray(0, length));
      at += plaintext.length;
    }
    expect(toHex(concatBytes(...parts))).toBe(toHex(ct));
  });

  test.each(names.filter((name) => name.includes('rotation')))('%s does not open without key rotation', (name) => {
    const vector = load(name);
    const unrotated = { ...vector, params: { ...vector.params, rotationBits: 20 } };
    expect(() => openAll(unrotated, [0, 1, 2, 3])).not.toThrow();
    expect(() => openAll(unrotated, [4])).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
  });
});

describe('FLOE', () => {
  const params = toFloeParams(64 * 1024);
  const binding = { params, aad: AAD, iv: new Uint8Array(32).fill(3) };

  test('the segment key changes at 2^20 segments and not before', () => {
    const { keys } = createFloeHeader(KEY, binding);
    const keyAt = (position: number): string => toHex(keys.segmentKey(position));
    expect(keyAt(2 ** 20 - 1)).toBe(keyAt(0));
    expect(keyAt(2 ** 20)).not.toBe(keyAt(0));
    expect(keyAt(2 ** 20)).toBe(keyAt(2 ** 21 - 1));
    expect(keyAt(2 ** 32)).toBe(toHex(deriveSegmentKey(messageKeyOf(), binding, 2 ** 32)));
  });

  test('a failing segment leaves nothing in the output', () => {
    const { keys } = createFloeHeader(KEY, binding);
    const sealed = new Uint8Array(params.segmentBytes);
    const plaintext = new Uint8Array(1000).fill(0x5a);
    const length = encryptFloeSegment(keys, { position: 0, isLast: true, plaintext, iv: new Uint8Array(12) }, sealed);
    const bytes = sealed.slice(0, length);
    bytes[500] ^= 1;
    const into = new Uint8Array(params.segmentBytes);
    expect(() => decryptFloeSegment(keys, { position: 0, isLast: true, bytes }, into)).toThrow(
      expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }),
    );
    expect(into.every((byte) => byte === 0)).toBe(true);
  });

  test('closing wipes the keys', () => {
    const { keys } = createFloeHeader(KEY, binding);
    const segmentKey = keys.segmentKey(0);
    keys.close();
    expect(segmentKey.every((byte) => byte === 0)).toBe(true);
    expect(() => keys.segmentKey(0)).toThrow(TypeError);
  });

  test('sizes: header 74, 32 a segment, one empty segment for nothing', () => {
    expect(toFloeHeaderBytes(params)).toBe(74);
    expect(toFloeBytes(params, 0)).toBe(74 + 32);
    expect(toFloeBytes(params, 65504)).toBe(74 + 65536);
    expect(toFloeBytes(params, 65505)).toBe(74 + 65536 + 33);
    expect(() => toFloeBytes({ ...params, segmentBytes: 33 }, 2 ** 41)).toThrow(TypeError);
  });

  function messageKeyOf(): Uint8Array {
    return deriveMessageKey(KEY, binding);
  }
});
