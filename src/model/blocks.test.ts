import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBlocks, encodeBlocks, findCodeBit, isDecodableBlock, moveCodes } from './blocks.ts';
import { BLOCK_LAYOUTS } from './block-layouts.ts';
import { type BlockDType, DTYPES, findPackedByteLength, isDType, toBlockSize } from './dtype.ts';
import { encodeFloats } from './floats.ts';

interface Vector {
  readonly dtype: BlockDType;
  readonly blocks: string;
  readonly head: readonly number[];
  readonly sha256: string;
}

const { vectors } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/fixtures/gguf/blocks.json'), 'utf8'),
) as { vectors: Vector[] };

const decoded = [...BLOCK_LAYOUTS.keys()];

function decode(dtype: BlockDType, bytes: Uint8Array): Float32Array {
  const values = new Float32Array((bytes.length / toBlockSize(dtype).bytes) * toBlockSize(dtype).elements);
  decodeBlocks(dtype, bytes, values);
  return values;
}

/** Blocks with any codes, whose scales are finite: two bytes of every f16 have their exponent cut. */
const HALVES: Readonly<Partial<Record<BlockDType, readonly number[]>>> = {
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q8_0: [0],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
};
const finiteBlocks = (dtype: BlockDType): fc.Arbitrary<Uint8Array> => {
  const { bytes } = toBlockSize(dtype);
  return fc.uint8Array({ minLength: 2 * bytes, maxLength: 2 * bytes }).map((blocks) => {
    for (const at of HALVES[dtype]!) for (const block of [0, bytes]) blocks[block + at + 1] &= 0xbf;
    return blocks;
  });
};

describe('quantised blocks', () => {
  test.each(vectors)('$dtype: values of the reference, bit for bit', ({ dtype, blocks, head, sha256 }) => {
    const values = decode(dtype, new Uint8Array(Buffer.from(blocks, 'hex')));
    expect([...values.subarray(0, 3)]).toEqual(head);
    expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(sha256);
  });

  test('every type has a whole number of bytes per block, and a length only for whole blocks', () => {
    const blocks = Object.keys(DTYPES).filter(
      (name): name is BlockDType => isDType(name) && DTYPES[name].kind === 'block',
    );
    expect(blocks).toHaveLength(27);
    for (const dtype of blocks) {
      const { elements, bytes } = toBlockSize(dtype);
      expect(findPackedByteLength(dtype, 3 * elements)).toBe(3 * bytes);
      expect(findPackedByteLength(dtype, elements / 2)).toBeUndefined();
      expect(findPackedByteLength(dtype, 2 ** 53)).toBeUndefined();
    }
    expect(blocks.filter(isDecodableBlock).sort()).toEqual(vectors.map(({ dtype }) => dtype).sort());
  });

  test.each(decoded)('%s: values that did not change keep every byte, NaN scales included', (dtype) => {
    const { bytes } = toBlockSize(dtype);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: bytes, maxLength: bytes }), (block) => {
        const values = decode(dtype, block);
        const after = block.slice();
        encodeBlocks(dtype, values, after);
        expect(after).toEqual(block);
      }),
    );
  });

  test.each(decoded)('%s: a changed value gets the nearest code; all others, and the scales, stay', (dtype) => {
    const layout = BLOCK_LAYOUTS.get(dtype)!;
    fc.assert(
      fc.property(finiteBlocks(dtype), fc.nat(), fc.double({ min: -2, max: 2, noNaN: true }), (block, pick, share) => {
        const before = decode(dtype, block);
        const index = pick % before.length;
        const widest = before.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const wanted = Float64Array.from(before);
        wanted[index] = share * widest;
        const after = block.slice();
        encodeBlocks(dtype, wanted, after);
        const values = decode(dtype, after);
        for (let i = 0; i < values.length; i++) if (i !== index) expect(values[i]).toBe(before[i]);
        const reached = Array.from({ length: layout.codeMax - layout.codeMin + 2 }, (_, code) => {
          const copy = block.slice();
          // Far down first, so that the move up starts at the lowest code whatever the sign of the step.
          moveCodes(dtype, copy, { first: index, count: 1 }, () => -1024);
          moveCodes(dtype, copy, { first: index, count: 1 }, () => code);
          return decode(dtype, copy)[index];
        });
        const least = Math.min(...reached.map((value) => Math.abs(value - wanted[index])));
        expect(Math.abs(values[index] - wanted[index])).toBeLessThanOrEqual(least + 1e-6 * widest);
      }),
      { numRuns: 40 },
    );
  });

  test.each(
    decoded,
  )('%s: each bit is named: a code bit moves one element by its weight, a scale bit has none', (dtype) => {
    const { elements, bytes } = toBlockSize(dtype);
    const layout = BLOCK_LAYOUTS.get(dtype)!;
    // Every scale is one at its lowest code, so that values differ by codes alone.
    const block = new Uint8Array(bytes).map((_, at) => (at * 37) & 0xff);
    for (const at of HALVES[dtype]!) block.set([0, 0x3c], at);
    const before = decode(dtype, block);
    let codeBits = 0;
    for (let position = 0; position < 8 * bytes; position++) {
      const found = findCodeBit(dtype, position);
      if (found === undefined) continue;
      codeBits++;
      const flipped = block.slice();
      flipped[position >> 3] ^= 1 << (position & 7);
      const after = decode(dtype, flipped);
      const lines = { steps: new Float32Array(32), offsets: new Float32Array(32) };
      layout.readLines(block, 0, lines);
      const step = lines.steps[Math.floor(found.element / layout.groupElements)];
      before.forEach((value, index) => {
        const moved = index === found.element ? Math.abs(step) * 2 ** found.bit : 0;
        expect(Math.abs(after[index] - value)).toBeCloseTo(moved, 2);
      });
    }
    expect(codeBits).toBe(elements * (layout.low.bits + (layout.high?.bits ?? 0)));
    expect(findCodeBit('iq2_xs', 0)).toBeUndefined();
  });

  test('codes move by whole steps, stop at the ends, and never past them', () => {
    const block = new Uint8Array(18);
    encodeFloats('f16', [-0.5], block.subarray(0, 2));
    block.fill(0x8f, 2);
    expect([decode('q4_0', block)[0], decode('q4_0', block)[16]]).toEqual([-3.5, -0]);
    moveCodes('q4_0', block, { first: 0, count: 17 }, (index) => (index === 16 ? -3 : 1));
    expect([decode('q4_0', block)[0], decode('q4_0', block)[16]]).toEqual([-3.5, 1.5]);
    expect(block[2]).toBe(0x5f);
    expect(block[3]).toBe(0x8f);
  });

  test('a q8_0 code of -128 may stay or rise; none is pushed down to it', () => {
    const block = new Uint8Array(34);
    encodeFloats('f16', [1], block.subarray(0, 2));
    block[2] = 0x80;
    block[3] = 0x81;
    moveCodes('q8_0', block, { first: 0, count: 2 }, () => -5);
    expect([...decode('q8_0', block).subarray(0, 2)]).toEqual([-128, -127]);
    moveCodes('q8_0', block, { first: 0, count: 1 }, () => 2);
    expect(decode('q8_0', block)[0]).toBe(-126);
  });

  test('types without a decoder, and cut blocks, are a caller mistake', () => {
    expect(() => decode('iq2_xs', new Uint8Array(74))).toThrow(TypeError);
    expect(() => {
      decodeBlocks('q4_0', new Uint8Array(17), new Float32Array(32));
    }).toThrow(TypeError);
  });
});
