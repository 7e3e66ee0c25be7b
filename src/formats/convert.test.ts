import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../test/formats/models.ts';
import * as P from '../../test/formats/proto.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import type { TensorRef } from '../model/types.ts';
import { toSafetensors } from './convert.ts';
import { openModelPath } from './registry.ts';

function readAll(tensor: TensorRef): Buffer {
  const bytes = Buffer.alloc(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

describe('toSafetensors', () => {
  test('keeps names, shapes and bytes of every storage; names what has no type there', () => {
    const model = openBytes(
      P.model(
        P.join(
          P.initializer(P.tensor('typed', P.CODE.f16, [2], P.int(5, 0x3c00), P.int(5, 0xc000))),
          P.initializer(P.tensor('raw', P.CODE.u8, [1, 3], P.raw(1, 2, 3))),
          P.initializer(P.tensor('__proto__', P.CODE.f32, [], P.f32(4, 1))),
          P.initializer(P.tensor('7', P.CODE.i64, [0])),
          P.initializer(P.tensor('nibbles', P.CODE.i4, [1], P.int(5, 1))),
          P.initializer(P.tensor('text', P.CODE.string, [1], P.str(6, 'a'))),
        ),
        P.len(14, P.str(1, 'k'), P.str(2, 'v')),
      ),
      'm.onnx',
    );
    const { plan, skipped } = toSafetensors(model, 'm.safetensors');
    const out = openBytes(runPlan(plan), 'm.safetensors');
    expect(skipped).toEqual(['nibbles', 'text']);
    expect(out.metadata.get('k')).toBe('v');
    expect(out.tensors).toHaveLength(4);
    for (const tensor of out.tensors) {
      const original = model.tensors.find(({ name }) => name === tensor.name)!;
      expect([tensor.dtype, tensor.shape]).toEqual([original.dtype, original.shape]);
      expect(readAll(tensor).equals(readAll(original))).toBe(true);
    }
  });

  test('a model of nothing that fits is refused', () => {
    const model = openBytes(P.model(P.initializer(P.tensor('t', P.CODE.u2, [4], P.raw(1)))), 'm.onnx');
    expect(findCode(() => toSafetensors(model, 'x'))).toBe('FORMAT_NOT_CONVERTIBLE');
  });
});

describeWithShared('toSafetensors on a real model', () => {
  test('silero_vad_op18_ifless: every tensor, bit for bit', () => {
    const model = openModelPath(sharedData('models', 'silero_vad_op18_ifless.onnx'));
    const { plan, skipped } = toSafetensors(model, 'm.safetensors');
    const out = openBytes(runPlan(plan), 'm.safetensors');
    expect(skipped).toEqual([]);
    const originals = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
    expect(out.tensors).toHaveLength(originals.size);
    for (const tensor of out.tensors) expect(readAll(tensor).equals(readAll(originals.get(tensor.name)!))).toBe(true);
  });
});
