import { createCipheriv } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededBytes } from '../../test/fakes/seal-kit.ts';
import { describeWithShared, hasSharedData, sharedData } from '../../test/shared-data.ts';
import { concatBytes, toHex, u32be, utf8 } from '../core/bytes.ts';
import { createFloeHeader, openFloeHeader, openFloeSegment, sealFloeSegment, type TakePart } from './floe.ts';
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

/** What a call hands on, copied while it may be read. */
function collect(run: (take: TakePart) => void): Uint8Array {
  const parts: Uint8Array[] = [];
  run((part) => {
    parts.push(part.slice());
  });
  return concatBytes(...parts);
}

function openAll({ params, ct, segments }: ReturnType<typeof load>, order: readonly number[]): Uint8Array[] {
  const keys = openFloeHeader(KEY, { params, aad: AAD, header: ct.subarray(0, toFloeHeaderBytes(params)) });
  const parts: Uint8Array[] = segments.map(() => new Uint8Array());
  for (const position of order) {
    const segment = { position, isLast: position === segments.length - 1, bytes: segments[position] };
    parts[position] = collect((take) => {
      openFloeSegment(keys, segment, take);
    });
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
      const plaintext = pt.subarray(at, at + segment.length - 32);
      const isLast = position === segments.length - 1;
      const write = (take: TakePart): void => {
        sealFloeSegment(keys, { position, isLast, plaintext, iv: segment.slice(4, 16) }, take);
      };
      parts.push(collect(write));
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

  test.each([
    0,
    1,
    1024 * 1024 - 32,
  ])('a segment of %i bytes is what the cipher gives when called by hand', (length) => {
    const wide = { ...binding, params: toFloeParams(1024 * 1024) };
    const { keys } = createFloeHeader(KEY, wide);
    const plaintext = Uint8Array.from({ length }, (_, at) => at * 31 + (at >> 8));
    const iv = seededBytes(4, 12);
    const cipher = createCipheriv('aes-256-gcm', deriveSegmentKey(deriveMessageKey(KEY, wide), wide, 0), iv);
    cipher.setAAD(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1));
    const ciphertext = [cipher.update(plaintext), cipher.final()];
    const whole = concatBytes(u32be(length + 32), iv, ...ciphertext, cipher.getAuthTag());
    const bytes = collect((take) => {
      sealFloeSegment(keys, { position: 0, isLast: true, plaintext, iv }, take);
    });
    expect(Buffer.compare(bytes, whole)).toBe(0);
    const opened = collect((take) => {
      openFloeSegment(keys, { position: 0, isLast: true, bytes }, take);
    });
    expect(Buffer.compare(opened, plaintext)).toBe(0);
  });

  test('of a failing segment no part is handed on, wherever it was altered', () => {
    const { keys } = createFloeHeader(KEY, { ...binding, params: toFloeParams(1024 * 1024) });
    const plaintext = new Uint8Array(700_000).fill(0x5a);
    const sealed = collect((take) => {
      sealFloeSegment(keys, { position: 0, isLast: true, plaintext, iv: new Uint8Array(12) }, take);
    });
    for (const at of [0, 3, 4, 15, 16, 300_000, 600_000, sealed.length - 17, sealed.length - 1]) {
      const bytes = sealed.slice();
      bytes[at] ^= 1;
      let partCount = 0;
      const open = (): void => {
        openFloeSegment(keys, { position: 0, isLast: true, bytes }, () => partCount++);
      };
      expect(open).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
      expect(partCount).toBe(0);
    }
  });

  test('plaintext that was handed on is gone afterwards, and when the taker fails', () => {
    const { keys } = createFloeHeader(KEY, { ...binding, params: toFloeParams(1024 * 1024) });
    const plaintext = new Uint8Array(700_000).fill(0x5a);
    const bytes = collect((take) => {
      sealFloeSegment(keys, { position: 0, isLast: true, plaintext, iv: new Uint8Array(12) }, take);
    });
    const kept: Uint8Array[] = [];
    openFloeSegment(keys, { position: 0, isLast: true, bytes }, (part) => kept.push(part));
    const full = new Error('disk full');
    const fail = (part: Uint8Array): void => {
      kept.push(part);
      throw full;
    };
    expect(() => {
      openFloeSegment(keys, { position: 0, isLast: true, bytes }, fail);
    }).toThrow(full);
    expect(kept.map((part) => part.length)).toEqual([0, 0]);
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
