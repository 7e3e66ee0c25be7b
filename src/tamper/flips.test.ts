import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as G from '../../test/formats/gguf.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { baselineOf, type Files, openFiles, toSuspect, verifyFiles, withFlip } from '../../test/tamper/helpers.ts';
import { type BlockDType, DTYPES, isBlockDType, toBlockSize } from '../model/dtype.ts';
import type { Model, TensorRef } from '../model/types.ts';
import { findFlippedBit } from './flip.ts';
import { hashLeaf } from '../core/merkle.ts';
import { crc32 } from 'node:zlib';

const runs = process.env.SLOW === '1' ? 1000 : 25;

function logicalBytes(tensor: TensorRef): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

/** Bits in which two equally long byte strings differ. */
function differingBits(a: Uint8Array, b: Uint8Array): number[] {
  const found: number[] = [];
  a.forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit++) if ((((byte ^ b[at]) >> bit) & 1) === 1) found.push(at * 8 + bit);
  });
  return found;
}

interface Truth {
  readonly tensor: string | null;
  readonly row: number | null;
  readonly element: number | null;
  readonly bit: number;
}

/** What a flip of bit `bit` at `offset` of the main file is, worked out from the original model alone. */
function truthOf(model: Model, altered: Files, offset: number, bit: number): Truth {
  const tensor = model.tensors.find((one) => one.fileIndex === 0 && one.start <= offset && offset < one.end);
  if (tensor === undefined) return { tensor: null, row: null, element: null, bit };
  const size = DTYPES[tensor.dtype].bits;
  const suspect = toSuspect(altered);
  let position: number | undefined = (offset - tensor.start) * 8 + bit;
  if (tensor.storage === 'typed') {
    const now = suspect.kind === 'model' ? suspect.model.tensors.find((one) => one.name === tensor.name) : undefined;
    const bits = now === undefined ? [] : differingBits(logicalBytes(tensor), logicalBytes(now));
    position = bits.length === 1 ? bits[0] : undefined;
  }
  if (position === undefined) return { tensor: tensor.name, row: null, element: null, bit };
  if (isBlockDType(tensor.dtype)) return truthInBlock(tensor, position);
  const element = Math.floor(position / size);
  const perRow = tensor.elementCount / (tensor.shape.at(0) ?? 1);
  const row = tensor.shape.length === 0 ? null : Math.floor(element / perRow);
  return { tensor: tensor.name, row, element, bit: position % size };
}

/** q8_0: a scale of two bytes, then a byte per element. q4_0: the second half of a block in the high nibbles. Else null. */
function truthInBlock(tensor: TensorRef, position: number): Truth {
  const { elements, bytes } = toBlockSize(tensor.dtype as BlockDType);
  const block = Math.floor(position / (8 * bytes));
  const byte = Math.floor(position / 8) % bytes;
  const row = Math.floor((block * elements * tensor.shape[0]) / tensor.elementCount);
  const isCode = byte >= 2 && (tensor.dtype === 'q8_0' || tensor.dtype === 'q4_0');
  if (!isCode) return { tensor: tensor.name, row, element: null, bit: position % 8 };
  const isHigh = tensor.dtype === 'q4_0' && position % 8 >= 4;
  const element = block * elements + byte - 2 + (isHigh ? 16 : 0);
  return { tensor: tensor.name, row, element, bit: isHigh ? (position % 8) - 4 : position % 8 };
}

async function expectEveryFlipLocated(name: string, bytes: Uint8Array): Promise<void> {
  const files = { [name]: bytes };
  const model = openFiles(files);
  const envelope = await baselineOf(files);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (offset, bit) => {
      const altered = { [name]: withFlip(bytes, offset, bit) };
      const truth = truthOf(model, altered, offset, bit);
      const report = verifyFiles(envelope, altered);
      expect(report.verdict).toBe('changed');
      if (truth.tensor !== null && truth.element === null && truth.row === null) {
        expect(report.changes.some((change) => change.tensor === truth.tensor)).toBe(true);
        return;
      }
      const flips = report.changes.filter((change) => change.kind === 'bit-flip');
      expect(flips).toHaveLength(1);
      expect(flips[0].tensor).toBe(truth.tensor);
      expect(flips[0].element).toBe(truth.element);
      expect(flips[0].rows?.[0] ?? null).toBe(truth.row);
      expect(flips[0].bit).toBe(truth.bit);
      if (flips[0].offset !== null) expect(flips[0].offset).toBe(offset);
    }),
    { numRuns: runs },
  );
}

describe('the single flipped bit of a leaf', () => {
  const leaf = new Uint8Array(65_536).map((_, index) => (index * 2_654_435_761) >>> 13);

  it('is found at the first, the last and random places, in leaves of every length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 65_536 }), fc.nat(), fc.nat(7), (length, seed, bit) => {
        for (const byte of [0, length - 1, seed % length]) {
          const bytes = leaf.slice(0, length);
          const expected = { hash: hashLeaf(bytes), crc: crc32(bytes) };
          bytes[byte] ^= 1 << bit;
          const before = bytes.slice();
          expect(findFlippedBit(bytes, expected)).toEqual({ byte, bit });
          expect(Buffer.compare(bytes, before)).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is not claimed when two or more bits changed, or none', () => {
    const expected = { hash: hashLeaf(leaf), crc: crc32(leaf) };
    expect(findFlippedBit(leaf.slice(), expected)).toBeUndefined();
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(65_536 * 8 - 1), { minLength: 2, maxLength: 6 }), (positions) => {
        const bytes = leaf.slice();
        for (const at of positions) bytes[at >> 3] ^= 1 << (at & 7);
        expect(findFlippedBit(bytes, expected)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it('is not claimed when the checksum points at a bit by chance: the hash decides', () => {
    const bytes = leaf.slice();
    const expected = { hash: hashLeaf(bytes), crc: crc32(withFlip(bytes, 100, 3)) };
    expect(findFlippedBit(bytes, expected)).toBeUndefined();
  });
});

describe('a flipped bit anywhere in a quantised model', () => {
  it('is located to the code of an element, or to the byte of a scale', async () => {
    const random = (length: number) => new Uint8Array(length).map((_, i) => (i * 2_654_435_761) >>> 13);
    const tensors = [
      { name: 'q8', dims: [64, 40], type: G.GGML.q8_0, data: random(80 * 34) },
      { name: 'q4', dims: [96, 30], type: G.GGML.q4_0, data: random(90 * 18) },
      { name: 'iq', dims: [256, 20], type: 17, data: random(20 * 74) },
    ];
    await expectEveryFlipLocated('m.gguf', G.gguf({ tensors }));
  });
});

describeWithShared('a flipped bit anywhere in a real model', () => {
  const expectLocated = (name: string) =>
    expectEveryFlipLocated(name, new Uint8Array(readFileSync(sharedData('models', name))));

  it('is located to tensor, row, element and bit, anywhere in ultraface_rfb320.onnx', async () => {
    await expectLocated('ultraface_rfb320.onnx');
  });

  it('is located in typed, half-precision, quantized, recurrent and custom-domain models alike', async () => {
    const names = [
      'mnist',
      'silero_vad_half',
      'qdq_conv',
      'silero_vad_op18_ifless',
      'superres_prepost_op18',
      'residual_block',
    ];
    for (const name of names) await expectLocated(`${name}.onnx`);
  });

  it('is located in a safetensors file', async () => {
    await expectLocated('silero_vad_16k.safetensors');
  });
});
