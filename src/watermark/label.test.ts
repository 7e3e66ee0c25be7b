import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyEdits,
  type MemoryModel,
  memoryModel,
  memoryTensor,
  seededNumbers,
} from '../../test/fakes/memory-model.ts';
import { utf8 } from '../core/bytes.ts';
import type { DType } from '../model/dtype.ts';
import { decodeElements } from './elements.ts';
import { embedLabel, readLabel } from './label.ts';

function model(dtype: DType = 'f32'): MemoryModel {
  const random = seededNumbers(11);
  const values = (count: number) => Array.from({ length: count }, () => random.normal());
  return memoryModel([
    memoryTensor('fc.weight', [100, 90], values(9000), dtype),
    memoryTensor('fc.bias', [100], values(100), dtype),
    memoryTensor('ids', [64], values(64).map(Math.round), 'i64'),
  ]);
}

const key = new Uint8Array(32).fill(9);
const absent = expect.objectContaining({ code: 'WATERMARK_LABEL_ABSENT', exit: 1 }) as Error;

describe('label', () => {
  test('any payload is read back, plain and keyed, whatever the cut and the element type', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom<DType>('f32', 'f64', 'f16', 'bf16'),
        fc.boolean(),
        fc.integer({ min: 1, max: 2000 }),
        (payload, dtype, isKeyed, cut) => {
          const original = model(dtype);
          const options = isKeyed ? { key } : {};
          const { edits } = embedLabel({ model: original, payload, ...options });
          const labelled = applyEdits(original, edits, cut * 8);
          expect(readLabel({ model: labelled, ...options })).toEqual(payload);
        },
      ),
      { numRuns: process.env.SLOW === '1' ? 200 : 20 },
    );
  });

  test('weights and biases both carry it, and no element moves by more than its last place', () => {
    const original = model();
    const { edits, record } = embedLabel({ model: original, payload: new Uint8Array(1000).fill(0x5a) });
    expect(edits.map((edit) => edit.tensor)).toEqual(['fc.bias', 'fc.weight']);
    expect(record.capacityBytes).toBe(Math.floor(9100 / 8) - 12);
    const labelled = applyEdits(original, edits);
    for (const name of ['fc.weight', 'fc.bias']) {
      const [before, after] = [original, labelled].map((item) => item.data.find((tensor) => tensor.name === name)!);
      for (let i = 0; i < before.data.length; i++) {
        expect(before.data[i] ^ after.data[i]).toBeLessThanOrEqual(i % 4 === 0 ? 1 : 0);
      }
    }
    expect(labelled.data[2].data).toEqual(original.data[2].data);
  });

  test('another order of the tensors in the file does not matter', () => {
    const original = model();
    const labelled = applyEdits(original, embedLabel({ model: original, payload: utf8('3f2b6c1e') }).edits);
    expect(readLabel({ model: memoryModel([...labelled.data].reverse()) })).toEqual(utf8('3f2b6c1e'));
  });

  test('a keyed label is absent without its key, and under another', () => {
    const original = model();
    const labelled = applyEdits(original, embedLabel({ model: original, payload: utf8('mine'), key }).edits);
    expect(readLabel({ model: labelled, key })).toEqual(utf8('mine'));
    expect(() => readLabel({ model: labelled })).toThrow(absent);
    expect(() => readLabel({ model: labelled, key: new Uint8Array(32) })).toThrow(absent);
  });

  test('it is fragile: a conversion to float16 or one changed bit destroys it', () => {
    const original = model();
    const labelled = applyEdits(original, embedLabel({ model: original, payload: utf8('short') }).edits);
    const values = new Float64Array(9000);
    decodeElements('f32', labelled.data[0].data, values);
    const bias = new Float64Array(100);
    decodeElements('f32', labelled.data[1].data, bias);
    const halved = memoryModel([
      memoryTensor('fc.weight', [100, 90], values, 'f16'),
      memoryTensor('fc.bias', [100], bias, 'f16'),
    ]);
    expect(() => readLabel({ model: halved })).toThrow(absent);
    const bitten = applyEdits(labelled, [
      {
        kind: 'tensor',
        tensor: 'fc.bias',
        apply: (offset, chunk) => {
          if (offset === 0) chunk[4 * 70] ^= 1;
        },
      },
    ]);
    expect(() => readLabel({ model: bitten })).toThrow(absent);
    expect(() => readLabel({ model: original })).toThrow(absent);
  });

  test('too long: a coded error with the capacity; infinite weights are refused', () => {
    expect(() => embedLabel({ model: model(), payload: new Uint8Array(1200) })).toThrow(
      expect.objectContaining({
        code: 'WATERMARK_LABEL_TOO_LONG',
        fields: { payloadBytes: 1200, capacityBytes: 1125 },
      }) as Error,
    );
    const bad = memoryModel([memoryTensor('w', [200], new Float64Array(200).fill(Number.POSITIVE_INFINITY))]);
    expect(() => embedLabel({ model: bad, payload: utf8('x') })).toThrow(
      expect.objectContaining({ code: 'WATERMARK_WEIGHTS_NOT_FINITE' }) as Error,
    );
  });
});
