import { describe, expect, test } from 'vitest';
import * as G from '../../test/formats/gguf.ts';
import { findCode, openBytes, runPlan } from '../../test/formats/models.ts';
import * as P from '../../test/formats/proto.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import type { Model, TensorRef } from '../model/types.ts';
import { toGguf } from './convert-gguf.ts';
import { toSafetensors } from './convert.ts';
import { openModelPath } from './registry.ts';

function readAll(tensor: TensorRef): Buffer {
  const bytes = Buffer.alloc(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

const convert = (model: Model): Model => openBytes(runPlan(toGguf(model, 'm.gguf').plan), 'm.gguf');
const toRows = (model: Model) =>
  model.tensors
    .map((tensor) => [tensor.name, tensor.dtype, tensor.shape, readAll(tensor).toString('hex')] as const)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));

describe('toGguf', () => {
  test('keeps shapes and bytes of every storage; names what has no type there, and what it renamed', () => {
    const long = `/model/${'encoder/'.repeat(20)}w`;
    const model = openBytes(
      P.model(
        P.join(
          P.initializer(P.tensor('typed', P.CODE.f16, [2], P.int(5, 0x3c00), P.int(5, 0xc000))),
          P.initializer(P.tensor('raw', P.CODE.i8, [1, 3], P.raw(1, 2, 3))),
          P.initializer(P.tensor('__proto__', P.CODE.f32, [], P.f32(4, 1))),
          P.initializer(P.tensor('none', P.CODE.i64, [0])),
          P.initializer(P.tensor(`${long}1`, P.CODE.i8, [1], P.raw(4))),
          P.initializer(P.tensor(`${long}2`, P.CODE.i8, [1], P.raw(5))),
          P.initializer(P.tensor('ünïcödé'.repeat(9), P.CODE.i8, [1], P.raw(6))),
          P.initializer(P.tensor('deep', P.CODE.i8, [1, 1, 1, 1, 1], P.raw(1))),
          P.initializer(P.tensor('bytes', P.CODE.u8, [1], P.raw(1))),
          P.initializer(P.tensor('text', P.CODE.string, [1], P.str(6, 'a'))),
        ),
        P.len(14, P.str(1, 'k'), P.str(2, 'v')),
        P.len(14, P.str(1, 'general.alignment'), P.str(2, '64')),
      ),
      'm.onnx',
    );
    const { plan, skipped, renamed } = toGguf(model, 'm.gguf');
    const out = openBytes(runPlan(plan), 'm.gguf');
    expect(skipped).toEqual(['deep', 'bytes', 'text']);
    expect([...out.metadata]).toEqual([
      ['general.architecture', 'unknown'],
      ['k', 'v'],
    ]);
    expect(out.tensors).toHaveLength(7);
    expect(renamed).toHaveLength(3);
    expect(out.tensors.every(({ name }) => Buffer.byteLength(name) <= 63)).toBe(true);
    expect(out.tensors.every(({ start }) => start % 32 === 0)).toBe(true);
    const names = new Map(renamed.map(([from, to]) => [to, from]));
    for (const tensor of out.tensors) {
      const original = model.tensors.find(({ name }) => name === (names.get(tensor.name) ?? tensor.name))!;
      expect([tensor.dtype, tensor.shape]).toEqual([original.dtype, original.shape]);
      expect(readAll(tensor).equals(readAll(original))).toBe(true);
    }
  });

  test('safetensors to GGUF and back is the same model; blocks stay blocks', () => {
    const data = Uint8Array.from({ length: 36 }, (_, i) => i);
    const gguf = openBytes(
      G.gguf({
        entries: [G.stringEntry('general.architecture', 'tiny')],
        tensors: [
          { name: 'w', dims: [3, 2], type: G.GGML.bf16, data: data.subarray(0, 12) },
          { name: 'q', dims: [32, 2], type: G.GGML.q4_0, data },
        ],
      }),
      'm.gguf',
    );
    const { plan, skipped } = toSafetensors(gguf, 'm.safetensors');
    expect(skipped).toEqual(['q']);
    const safetensors = openBytes(runPlan(plan), 'm.safetensors');
    expect(toRows(convert(safetensors))).toEqual(toRows(gguf).filter(([name]) => name === 'w'));
    expect(toRows(convert(gguf))).toEqual(toRows(gguf));
    expect([...convert(safetensors).metadata]).toEqual([['general.architecture', 'tiny']]);
  });

  test('a model of nothing that fits is refused; an empty one is not', () => {
    const model = openBytes(P.model(P.initializer(P.tensor('t', P.CODE.u2, [4], P.raw(1)))), 'm.onnx');
    expect(findCode(() => toGguf(model, 'x'))).toBe('FORMAT_NOT_CONVERTIBLE');
    expect(convert(openBytes(G.gguf(), 'm.gguf')).tensors).toEqual([]);
  });
});

describeWithShared('toGguf on a real model', () => {
  test('silero_vad_op18_ifless: every tensor, bit for bit', () => {
    const model = openModelPath(sharedData('models', 'silero_vad_op18_ifless.onnx'));
    const { plan, skipped, renamed } = toGguf(model, 'm.gguf');
    const out = openBytes(runPlan(plan), 'm.gguf');
    const names = new Map(renamed);
    expect(skipped).toEqual([]);
    const there = new Map(out.tensors.map((tensor) => [tensor.name, tensor]));
    expect(there.size).toBe(model.tensors.length);
    for (const tensor of model.tensors) {
      expect(readAll(there.get(names.get(tensor.name) ?? tensor.name)!).equals(readAll(tensor))).toBe(true);
    }
    model.close();
  });
});
