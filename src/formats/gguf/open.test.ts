import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as G from '../../../test/formats/gguf.ts';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import { DTYPES } from '../../model/dtype.ts';
import type { Model, ModelEdit } from '../../model/types.ts';
import { GGUF_DTYPES } from './dtypes.ts';

const floats = G.f32(1, 2, 3, 4, 5, 6);
const w: G.TensorSpec = { name: 'w', dims: [3, 2], type: G.GGML.f32, data: floats };
const b: G.TensorSpec = { name: 'b', dims: [2], type: G.GGML.f16, data: Uint8Array.of(0, 0x3c, 0, 0xc0) };
const name = G.stringEntry('general.name', 'tiny');

const open = (spec: G.GgufSpec): Model => openBytes(G.gguf(spec), 'm.gguf');
const run = (model: Model, edits: readonly ModelEdit[] = []): Uint8Array => runPlan(model.plan(edits));

function readAll(model: Model, tensor: string): Uint8Array {
  const found = model.tensors.find((item) => item.name === tensor)!;
  const bytes = new Uint8Array(found.byteLength);
  found.read(0, bytes);
  return bytes;
}

describe('a GGUF file', () => {
  test('is read by name or by magic; shapes are slowest first, bytes are lazy and aligned', () => {
    const bytes = G.gguf({ entries: [name], tensors: [w, b] });
    for (const model of [openBytes(bytes, 'm.gguf'), openBytes(bytes, 'weights.bin')]) {
      expect(model.format).toBe('gguf');
      expect(model.graph).toBeNull();
      expect(model.tensors.map(({ name: tensor, dtype, shape }) => [tensor, dtype, shape])).toEqual([
        ['w', 'f32', [2, 3]],
        ['b', 'f16', [2]],
      ]);
      expect(model.tensors.every(({ start }) => start % 32 === 0)).toBe(true);
      expect(readAll(model, 'w')).toEqual(floats);
      expect(readAll(model, 'b')).toEqual(b.data);
    }
  });

  test('version 2, an own alignment, no tensors at all, scalars and empty tensors are legal', () => {
    const narrow = open({ version: 2, entries: [G.alignment(8)], align: 8, tensors: [w, b] });
    expect(readAll(narrow, 'b')).toEqual(b.data);
    expect(open({ entries: [name] }).tensors).toEqual([]);
    const scalar = { name: 's', dims: [], type: G.GGML.f32, data: G.f32(7) };
    const empty = { name: 'e', dims: [0, 4], type: G.GGML.f32, data: new Uint8Array(0) };
    const model = open({ tensors: [empty, scalar] });
    expect(model.tensors.map(({ shape }) => shape)).toEqual([[4, 0], []]);
  });

  test('tensors may be listed in another order than they lie', () => {
    const model = open({
      tensors: [
        { ...w, offset: 32 },
        { ...b, offset: 0 },
      ],
    });
    expect(model.tensors.map((tensor) => tensor.name)).toEqual(['b', 'w']);
  });

  test('every element type of ggml is sized: one row of four blocks', () => {
    expect(GGUF_DTYPES.size).toBe(35);
    for (const [type, dtype] of GGUF_DTYPES) {
      const { bits, block } = DTYPES[dtype];
      const elements = 4 * (block?.elements ?? 1);
      const data = new Uint8Array((elements * bits) / 8).map((_, i) => i);
      const model = open({ tensors: [{ name: 't', dims: [elements], type, data }, b] });
      expect([dtype, model.tensors[0].byteLength]).toEqual([dtype, 4 * (block?.bytes ?? bits / 8)]);
      expect(readAll(model, 't')).toEqual(data);
    }
  });
});

describe('GGUF metadata', () => {
  test('all thirteen types are read, numbers exactly, long arrays by their digest', () => {
    const i64 = new Uint8Array(BigInt64Array.of(-(2n ** 63n)).buffer);
    const f64 = new Uint8Array(Float64Array.of(0.1).buffer);
    const nested = G.join(G.u32(G.TYPE.u8), G.u64(2), Uint8Array.of(1, 2));
    const model = open({
      entries: [
        G.entry('u8', G.TYPE.u8, G.u8(255)),
        G.entry('i8', G.TYPE.i8, G.u8(255)),
        G.entry('u16', G.TYPE.u16, Uint8Array.of(255, 255)),
        G.entry('i16', G.TYPE.i16, Uint8Array.of(255, 255)),
        G.entry('u32', G.TYPE.u32, G.u32(2 ** 32 - 1)),
        G.entry('i32', G.TYPE.i32, G.u32(-2)),
        G.entry('f32', G.TYPE.f32, G.f32(0.1)),
        G.entry('bool', G.TYPE.bool, G.u8(1)),
        G.stringEntry('string', 'zwölf "☃"\n'),
        G.arrayEntry('array', G.TYPE.f32, 3, G.f32(0.5, 1e-5, 10000)),
        G.entry('u64', G.TYPE.u64, G.u64(2n ** 64n - 1n)),
        G.entry('i64', G.TYPE.i64, i64),
        G.entry('f64', G.TYPE.f64, f64),
        G.arrayEntry('flags', G.TYPE.bool, 2, Uint8Array.of(0, 1)),
        G.arrayEntry('long', G.TYPE.u8, 17, new Uint8Array(17)),
        G.arrayEntry('words', G.TYPE.string, 2, G.join(G.text('a'), G.text('b'))),
        G.arrayEntry('nested', G.TYPE.array, 2, G.join(nested, nested)),
        G.arrayEntry('empty', G.TYPE.string, 0, new Uint8Array(0)),
      ],
    });
    expect(Object.fromEntries(model.metadata)).toEqual({
      u8: '255',
      i8: '-1',
      u16: '65535',
      i16: '-1',
      u32: '4294967295',
      i32: '-2',
      f32: '0.1',
      bool: 'true',
      string: 'zwölf "☃"\n',
      array: '[0.5, 0.00001, 10000]',
      u64: '18446744073709551615',
      i64: '-9223372036854775808',
      f64: '0.1',
      flags: '[false, true]',
      long: expect.stringMatching(/^\[17 × u8, SHA-256 [0-9a-f]{64}\]$/),
      words: expect.stringMatching(/^\[2 × string, SHA-256 [0-9a-f]{64}\]$/),
      nested: expect.stringMatching(/^\[2 × array, SHA-256 [0-9a-f]{64}\]$/),
      empty: expect.stringMatching(/^\[0 × string, SHA-256 e3b0c4/),
    });
  });

  test('strings are set and removed; numbers, tensors and the alignment stay', () => {
    const rope = G.entry('rope.scale', G.TYPE.f32, G.f32(2));
    const text = fc.string({ unit: 'grapheme', maxLength: 90 });
    const key = fc.oneof(fc.constantFrom('general.name', 'note'), text).filter((k) => k !== '' && !k.includes('\0'));
    const edit = fc.record({ key, value: fc.option(text) });
    fc.assert(
      fc.property(fc.constantFrom(8, 32, 4096), fc.array(edit, { maxLength: 4 }), (align, edits) => {
        const before = open({ align, fill: 0xaa, entries: [G.alignment(align), name, rope], tensors: [w, b] });
        const after = openBytes(
          run(
            before,
            edits.map(({ key: k, value }): ModelEdit => ({ kind: 'metadata', key: k, value })),
          ),
          'm.gguf',
        );
        const expected = new Map(before.metadata);
        for (const { key: k, value } of edits) {
          if (value === null) expected.delete(k);
          else expected.set(k, value);
        }
        expect(new Map([...after.metadata].sort())).toEqual(new Map([...expected].sort()));
        expect([readAll(after, 'w'), readAll(after, 'b')]).toEqual([floats, b.data]);
        expect(after.tensors[0].start % align).toBe(0);
      }),
    );
  });

  test('an edit that changes nothing keeps every byte, odd padding included', () => {
    const bytes = G.gguf({ fill: 0xaa, entries: [name], tensors: [w, b] });
    const same: ModelEdit[] = [
      { kind: 'metadata', key: 'general.name', value: 'tiny' },
      { kind: 'metadata', key: 'absent', value: null },
    ];
    expect(run(openBytes(bytes, 'm.gguf'), same)).toEqual(bytes);
  });

  test('without tensors, metadata is edited, too', () => {
    const after = openBytes(run(open({}), [{ kind: 'metadata', key: 'k', value: 'v' }]), 'm.gguf');
    expect([...after.metadata]).toEqual([['k', 'v']]);
  });

  test.each<[string, string, string | null]>([
    ['a number', 'n', 'seven'],
    ['a number, removed', 'n', null],
    ['the alignment', 'general.alignment', '64'],
    ['an empty key', '', 'x'],
    ['NUL in a key', 'a\0b', 'x'],
    ['a key beyond the cap of the format', 'k'.repeat(65_536), 'x'],
    ['a value beyond the cap', 'k', 'x'.repeat(16 * 1024 * 1024 + 1)],
  ])('%s is not set', (_, key, value) => {
    const model = open({ entries: [G.entry('n', G.TYPE.u32, G.u32(7))], tensors: [w] });
    expect(findCode(() => model.plan([{ kind: 'metadata', key, value }]))).toBe('FORMAT_EDIT_UNSUPPORTED');
  });
});

describe('a rewritten GGUF file', () => {
  test.each<[string, G.GgufSpec]>([
    ['padding of other bytes than zero', { fill: 0xaa, entries: [name], tensors: [w, b] }],
    ['no padding behind the last tensor', { isUnpadded: true, tensors: [w, b] }],
    [
      'tensors out of order',
      {
        tensors: [
          { ...w, offset: 32 },
          { ...b, offset: 0 },
        ],
      },
    ],
    ['no tensors, padding up to the alignment', { entries: [name], tail: new Uint8Array(4).fill(7) }],
  ])('without edits is the same: %s', (_, spec) => {
    const bytes = G.gguf(spec);
    expect(run(openBytes(bytes, 'm.gguf'))).toEqual(bytes);
  });

  test('a tensor edit changes its bytes alone; blocks come whole', () => {
    const data = new Uint8Array(5 * 18).map((_, i) => i);
    const q: G.TensorSpec = { name: 'q', dims: [160], type: G.GGML.q4_0, data };
    const bytes = G.gguf({ fill: 0xaa, tensors: [w, q, b] });
    const model = openBytes(bytes, 'm.gguf');
    const seen: [number, number][] = [];
    const out = run(model, [
      {
        kind: 'tensor',
        tensor: 'q',
        apply: (offset, chunk) => {
          seen.push([offset % 18, chunk.length % 18]);
          chunk.fill(0x55);
        },
      },
    ]);
    const { start, end } = model.tensors.find((tensor) => tensor.name === 'q')!;
    expect([start, end].map((at) => Buffer.compare(out.subarray(0, at), bytes.subarray(0, at)))).toEqual([0, 1]);
    expect(out.subarray(end)).toEqual(bytes.subarray(end));
    expect(out.subarray(start, end).every((byte) => byte === 0x55)).toBe(true);
    expect(seen.every(([a, z]) => a === 0 && z === 0)).toBe(true);
  });
});
