/** GGUF files that break a rule of the format, each by one defect, and the code that each is refused with. */
import { describe, expect, test } from 'vitest';
import * as G from '../../../test/formats/gguf.ts';
import { findCode, openBytes } from '../../../test/formats/models.ts';
import { toCrowdedGguf } from '../../../test/formats/mutate-gguf.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Model } from '../../model/types.ts';

const w: G.TensorSpec = { name: 'w', dims: [3, 2], type: G.GGML.f32, data: G.f32(1, 2, 3, 4, 5, 6) };
const b: G.TensorSpec = { name: 'b', dims: [2], type: G.GGML.f16, data: Uint8Array.of(0, 0x3c, 0, 0xc0) };
const name = G.stringEntry('general.name', 'tiny');
const open = (spec: G.GgufSpec): Model => openBytes(G.gguf(spec), 'm.gguf');

const HUGE = 2n ** 63n;
const block = { name: 'q', dims: [32], type: G.GGML.q4_0, data: new Uint8Array(18) };

describe('malformed GGUF is refused', () => {
  test.each<[string, ErrorCode, G.GgufSpec]>([
    ['another magic', 'GGUF_MAGIC', { magic: Buffer.from('GGML') }],
    ['version 1', 'GGUF_VERSION', { version: 1 }],
    ['version 4', 'GGUF_VERSION', { version: 4 }],
    ['version 0', 'GGUF_VERSION', { version: 0 }],
    ['big-endian', 'GGUF_BIG_ENDIAN', { version: 0x03000000 }],
    ['2^63 tensors (CVE-2024-25666)', 'GGUF_TENSOR_COUNT', { tensorCount: HUGE }],
    ['2^63 entries (CVE-2024-25664, CVE-2024-21802)', 'GGUF_METADATA_COUNT', { entryCount: HUGE }],
    ['one tensor more than there is', 'GGUF_TRUNCATED', { tensors: [], tensorCount: 1 }],
    ['one entry more than there is', 'GGUF_TRUNCATED', { entries: [], entryCount: 1 }],
    ['an empty key', 'GGUF_KEY', { entries: [G.stringEntry('', 'x')] }],
    ['NUL in a key', 'GGUF_KEY', { entries: [G.stringEntry('a\0b', 'x')] }],
    ['a key that is no UTF-8', 'GGUF_KEY', { entries: [G.entry(Uint8Array.of(0xff), 0, G.u8(0))] }],
    ['a key of 64 KiB', 'GGUF_KEY', { entries: [G.stringEntry('k'.repeat(65_536), 'x')] }],
    ['one key twice (llama.cpp #19856)', 'GGUF_DUPLICATE_KEY', { entries: [name, name] }],
    ['value type 13 (CVE-2024-25665)', 'GGUF_VALUE_TYPE', { entries: [G.entry('k', 13, G.u8(0))] }],
    ['value type -1 (llama.cpp #19856)', 'GGUF_VALUE_TYPE', { entries: [G.entry('k', -1, G.u8(0))] }],
    ['element type -1', 'GGUF_VALUE_TYPE', { entries: [G.arrayEntry('k', -1, 0, G.u8(0))] }],
    ['a truth value of 2', 'GGUF_VALUE', { entries: [G.entry('k', G.TYPE.bool, G.u8(2))] }],
    ['a string of 2^63 bytes (CVE-2024-25665)', 'GGUF_STRING', { entries: [G.entry('k', G.TYPE.string, G.u64(HUGE))] }],
    ['a string beyond the end', 'GGUF_TRUNCATED', { entries: [G.entry('k', G.TYPE.string, G.u64(4096))] }],
    ['a string that is no UTF-8', 'GGUF_STRING', { entries: [G.stringEntry('k', Uint8Array.of(0xc3, 0x28))] }],
    [
      '2^61 numbers in an array (CVE-2024-25667)',
      'GGUF_TRUNCATED',
      { entries: [G.arrayEntry('k', G.TYPE.u64, 2n ** 61n, new Uint8Array(0))] },
    ],
    [
      '2^63 strings in an array (CVE-2024-25668)',
      'GGUF_TRUNCATED',
      { entries: [G.arrayEntry('k', G.TYPE.string, HUGE, new Uint8Array(0))] },
    ],
    [
      'a string in an array beyond the end',
      'GGUF_TRUNCATED',
      { entries: [G.arrayEntry('k', G.TYPE.string, 1, G.u64(HUGE))] },
    ],
    ['an alignment of 0 (llama.cpp #19856)', 'GGUF_ALIGNMENT', { entries: [G.alignment(0)] }],
    ['an alignment of 24', 'GGUF_ALIGNMENT', { entries: [G.alignment(24)] }],
    ['an alignment of 2 GiB', 'GGUF_ALIGNMENT', { entries: [G.alignment(2 ** 31)] }],
    [
      'an alignment of another type',
      'GGUF_ALIGNMENT',
      { entries: [G.entry('general.alignment', G.TYPE.u64, G.u64(32))] },
    ],
    ['a tensor without a name', 'GGUF_NAME', { tensors: [{ ...w, name: '' }] }],
    ['NUL in a tensor name', 'GGUF_NAME', { tensors: [{ ...w, name: 'w\0x' }] }],
    ['a tensor name that is no UTF-8', 'GGUF_NAME', { tensors: [{ ...w, name: Uint8Array.of(0xff) }] }],
    ['a tensor name of 1,025 bytes', 'GGUF_NAME', { tensors: [{ ...w, name: 'n'.repeat(1025) }] }],
    ['two tensors of one name', 'GGUF_DUPLICATE_NAME', { tensors: [w, w] }],
    ['five dimensions', 'GGUF_DIMENSIONS', { tensors: [{ ...w, dims: [1, 1, 1, 1, 1] }] }],
    ['2^32 - 1 dimensions', 'GGUF_DIMENSIONS', { tensors: [{ ...w, rank: 0xffffffff }] }],
    ['a dimension of 2^63', 'GGUF_DIMENSIONS', { tensors: [{ ...w, dims: [HUGE] }] }],
    [
      'dimensions whose product overflows (CVE-2024-21802)',
      'GGUF_DIMENSIONS',
      { tensors: [{ ...w, dims: [2n ** 32n, 2n ** 32n] }] },
    ],
    [
      'bytes that overflow (CVE-2025-53630)',
      'GGUF_DIMENSIONS',
      { tensors: [{ ...w, dims: [2n ** 51n], type: G.GGML.f64 }] },
    ],
    ['element type 99', 'GGUF_DTYPE', { tensors: [{ ...w, type: 99 }] }],
    ['element type -1 (llama.cpp #19856)', 'GGUF_DTYPE', { tensors: [{ ...w, type: -1 }] }],
    ['an element type that was taken back', 'GGUF_DTYPE', { tensors: [{ ...w, type: 4 }] }],
    ['rows of half a block', 'GGUF_BLOCK_ROW', { tensors: [{ ...block, dims: [16, 2] }] }],
    ['a quantised scalar', 'GGUF_BLOCK_ROW', { tensors: [{ ...block, dims: [] }] }],
    ['an offset between two multiples', 'GGUF_OFFSET_ALIGNMENT', { tensors: [w, { ...b, offset: 36 }] }],
    ['an offset of 2^64 - 32', 'GGUF_OFFSET_ALIGNMENT', { tensors: [{ ...w, offset: 2n ** 64n - 32n }] }],
    ['an offset of 2^50', 'GGUF_OFFSETS', { tensors: [{ ...w, offset: 2n ** 50n }] }],
    ['two tensors on one place', 'GGUF_OFFSETS', { tensors: [w, { ...b, offset: 0 }] }],
    ['a hole', 'GGUF_OFFSETS', { tensors: [{ ...w, offset: 32 }], tail: new Uint8Array(32) }],
    ['data that ends early', 'GGUF_DATA_LENGTH', { isUnpadded: true, tensors: [{ ...w, data: w.data.subarray(1) }] }],
    [
      'sizes whose sum overflows (CVE-2026-27940)',
      'GGUF_DATA_LENGTH',
      {
        tensors: [
          { ...w, dims: [2n ** 47n] },
          { ...b, dims: [2n ** 47n], offset: 2n ** 49n },
        ],
      },
    ],
    ['bytes behind the last tensor', 'GGUF_DATA_LENGTH', { tensors: [w], tail: new Uint8Array(1) }],
    ['bytes behind a header without tensors', 'GGUF_DATA_LENGTH', { entries: [name], tail: new Uint8Array(40) }],
  ])('%s: %s', (_, code, spec) => {
    expect(findCode(() => open(spec))).toBe(code);
  });

  test('a file cut anywhere', () => {
    const bytes = G.gguf({ entries: [name, G.arrayEntry('k', G.TYPE.u8, 3, new Uint8Array(3))], tensors: [w] });
    const codes = new Set(
      Array.from({ length: bytes.length - 8 }, (_, end) => findCode(() => openBytes(bytes.subarray(0, end), 'm.gguf'))),
    );
    expect([...codes].sort()).toEqual(['GGUF_DATA_LENGTH', 'GGUF_MAGIC', 'GGUF_TRUNCATED']);
  });

  test('arrays: nine deep is too deep, eight is not', () => {
    const nest = (depth: number): Uint8Array =>
      depth === 1
        ? G.join(G.u32(G.TYPE.u8), G.u64(1), G.u8(1))
        : G.join(G.u32(G.TYPE.array), G.u64(1), nest(depth - 1));
    expect(findCode(() => open({ entries: [G.entry('k', G.TYPE.array, nest(9))] }))).toBe('GGUF_ARRAY');
    expect(findCode(() => open({ entries: [G.entry('k', G.TYPE.array, nest(8))] }))).toBeUndefined();
  });

  test('a header that would fill the memory is refused', () => {
    expect(findCode(() => openBytes(toCrowdedGguf(), 'm.gguf'))).toBe('GGUF_BUDGET');
  });
});
