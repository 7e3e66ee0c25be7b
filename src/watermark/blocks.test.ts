/** The mark in quantised blocks: embedded there, carried into them, and read out of them. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyEdits,
  type MemoryModel,
  memoryModel,
  memoryTensor,
  seededNumbers,
} from '../../test/fakes/memory-model.ts';
import { BLOCK_LAYOUTS } from '../model/block-layouts.ts';
import { type BlockDType, type DType, toBlockSize } from '../model/dtype.ts';
import { createClaim } from './claim.ts';
import { detectMark } from './detect.ts';
import { toOriginalDigest } from './digest.ts';
import { createElementSource, readElements, shiftBlocks } from './elements.ts';
import { deriveSeeds } from './seeds.ts';
import { embedMark } from './spread/embed.ts';

const seed = new Uint8Array(32).fill(7);
const ownSeed = deriveSeeds(seed).own;
const types = [...BLOCK_LAYOUTS.keys()];

/** The odd layer in front puts tile borders inside blocks. Few positions per bit are too coarse for steps of two bits. */
function weights(dtype: DType): {
  readonly odd: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
} {
  const random = seededNumbers(11);
  const draw = (count: number): Float64Array => Float64Array.from({ length: count }, () => random.normal() * 0.05);
  return { odd: draw(33 * 37), first: draw(toRows(dtype) * 256), second: draw(64 * 512) };
}

const toRows = (dtype: DType): number => (dtype === 'q2_k' ? 512 : 128);

function toModel(dtype: DType, { odd, first, second } = weights(dtype)): MemoryModel {
  return memoryModel([
    memoryTensor('odd.weight', [33, 37], odd, 'f32'),
    memoryTensor('first.weight', [first.length / 256, 256], first, dtype),
    memoryTensor('second.weight', [64, 512], second, dtype),
  ]);
}

function toValues(model: MemoryModel): Record<'odd' | 'first' | 'second', Float64Array> {
  const [odd, first, second] = model.tensors.map((tensor) => {
    const values = new Float64Array(tensor.elementCount);
    readElements(tensor, 0, values);
    return values;
  });
  return { odd, first, second };
}

function protect(original: MemoryModel) {
  const originalDigest = toOriginalDigest(original);
  const mark = embedMark({ model: original, ownSeed, ownerId: 'alice', originalDigest });
  const marked = applyEdits(original, mark.edits);
  const seedBox = { sealSeed: () => 'box', openSeed: () => seed };
  const markedDigest = toOriginalDigest(marked);
  const claim = createClaim({ seed, seedBox, ownerKey: 'k', ownerId: 'alice', originalDigest, markedDigest, mark });
  return { mark, marked, claim };
}

/** Bytes of a block that hold nothing but codes. */
function listCodeBytes(dtype: BlockDType): Set<number> {
  const { low, high } = BLOCK_LAYOUTS.get(dtype)!;
  return new Set([...low.bytes, ...(high?.bytes ?? [])]);
}

/** Change that the mark may cost, as a share of the weights' root mean square: a step of few bits is coarse. */
const COST: Readonly<Partial<Record<BlockDType, number>>> = {
  q2_k: 0.38,
  q3_k: 0.26,
  q4_0: 0.2,
  q4_1: 0.2,
  q4_k: 0.2,
};

describe('the mark in quantised blocks', () => {
  test.each(types)('%s: embedded and read without an error, before and after decoding; scales stay', (dtype) => {
    const original = toModel(dtype);
    const { mark, marked, claim } = protect(original);
    expect(mark.record.marginMin).toBeGreaterThanOrEqual(0.95);
    expect(mark.record.relativeDistortion).toBeLessThan(COST[dtype] ?? 0.17);
    for (const suspect of [marked, toModel('f32', toValues(marked))]) {
      const result = detectMark({ suspect, claim, ownSeed });
      expect(result.schemes[0]).toMatchObject({ bits: 256, bitErrors: 0 });
      expect(result.verdict).toBe('claim');
    }
    expect(detectMark({ suspect: original, claim, ownSeed }).verdict).toBe('none');
    const codeBytes = listCodeBytes(dtype);
    const [before, after] = [original.data[1].data, marked.data[1].data];
    const changed = [...before.keys()].filter((at) => before[at] !== after[at]);
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every((at) => codeBytes.has(at % toBlockSize(dtype).bytes))).toBe(true);
  });

  test.each(types)('%s: a mark made in f32 is read after quantising', (dtype) => {
    const { marked, claim } = protect(toModel('f32'));
    const result = detectMark({ suspect: toModel(dtype, toValues(marked)), claim, ownSeed });
    expect(result.verdict).toBe('claim');
    expect(result.schemes[0].bitErrors).toBe(0);
  });

  test.each(types)('%s: edits do not depend on how a writer cuts the tensor into blocks', (dtype) => {
    const original = toModel(dtype);
    const { edits } = embedMark({
      model: original,
      ownSeed,
      ownerId: 'x',
      originalDigest: toOriginalDigest(original),
    });
    const blocks = edits.filter(({ tensor }) => tensor !== 'odd.weight');
    const whole = applyEdits(original, blocks);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (cut) => {
        const cutUp = applyEdits(original, blocks, cut * toBlockSize(dtype).bytes);
        expect(toOriginalDigest(cutUp)).toEqual(toOriginalDigest(whole));
      }),
      { numRuns: 5 },
    );
  });

  test('what is previewed is what is written, from any element on', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.integer({ min: 0, max: 3000 }),
        fc.integer({ min: 1, max: 900 }),
        (dtype, first, count) => {
          const model = toModel(dtype);
          const random = seededNumbers(first + count);
          const shifts = Float64Array.from({ length: count }, () => random.normal() * 0.02);
          const dither = Float32Array.from({ length: count }, () => random.uniform());
          const seen = new Float64Array(count);
          createElementSource(model.tensors[1]).readShifted(first, seen, shifts, dither);
          const data = model.data[1].data.slice();
          shiftBlocks(dtype, data, first, shifts, dither);
          const after = toValues(memoryModel([model.data[0], { ...model.data[1], data }, model.data[2]]));
          expect(seen).toEqual(after.first.subarray(first, first + count));
          const untouched = toValues(model).first;
          expect(after.first.subarray(0, first)).toEqual(untouched.subarray(0, first));
          expect(after.first.subarray(first + count)).toEqual(untouched.subarray(first + count));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('a type that cannot be decoded carries no mark and stays as it is', () => {
    const { odd, first } = weights('f32');
    const [oddTensor, firstTensor] = toModel('f32', { odd, first, second: first.subarray(0, 0) }).data;
    const opaque = { name: 'iq.weight', dtype: 'iq2_xs' as const, shape: [64, 256], data: new Uint8Array(64 * 74) };
    const original = memoryModel([oddTensor, firstTensor, opaque]);
    const { mark } = protect(original);
    expect(mark.record.perLayer.map(({ name }) => name)).toEqual(['odd.weight', 'first.weight']);
  });
});
