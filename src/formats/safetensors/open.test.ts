import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { ModelwardError, type ErrorCode } from '../../core/errors.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { ModelEdit } from '../../model/types.ts';
import { applyRewrite, type RewritePlan } from '../../source/rewrite.ts';
import { openModel, openModelPath } from '../registry.ts';

/** A safetensors file from a header (text or value) and data. */
function build(header: unknown, data = new Uint8Array(0), padTo = 8): Uint8Array {
  let text = typeof header === 'string' ? header : JSON.stringify(header);
  while ((Buffer.byteLength(text) + 8) % padTo !== 0) text += ' ';
  const json = Buffer.from(text);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return new Uint8Array(Buffer.concat([prefix, json, data]));
}

function openBytes(bytes: Uint8Array): ReturnType<typeof openModel> {
  return openModel({ source: openBufferSource('m.safetensors', bytes), name: 'm.safetensors', folder: null });
}

function run(plan: RewritePlan, file = 0): Uint8Array {
  const chunks: Uint8Array[] = [];
  applyRewrite(plan.files[file].ops, { write: (chunk) => chunks.push(chunk.slice()) });
  return new Uint8Array(Buffer.concat(chunks));
}

function codeOf(act: () => unknown): ErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    if (error.code.startsWith('SAFETENSORS_')) expect(error.fields.offset).toBeTypeOf('number');
    return error.code;
  }
}

const two = {
  __metadata__: { format: 'pt', note: 'a"b' },
  b: { dtype: 'F16', shape: [3], data_offsets: [8, 14] },
  a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
};
const data = Uint8Array.from({ length: 14 }, (_, i) => i + 1);

const one = (dtype: string, shape: string, offsets: string): string =>
  `{"t":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;

describe('safetensors', () => {
  test('tensors come in data order, metadata is read, bytes are lazy', () => {
    const model = openBytes(build(two, data));
    expect(model.tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['a', 'f32', [2]],
      ['b', 'f16', [3]],
    ]);
    expect(model.metadata.get('note')).toBe('a"b');
    const part = new Uint8Array(4);
    model.tensors[1].read(2, part);
    expect([...part]).toEqual([11, 12, 13, 14]);
    expect(() => {
      model.tensors[1].read(4, part);
    }).toThrow(TypeError);
  });

  test.each<[ErrorCode, Uint8Array]>([
    ['SAFETENSORS_HEADER_SHORT', new Uint8Array(7)],
    ['SAFETENSORS_HEADER_LENGTH', Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 127, 0x7b])],
    ['SAFETENSORS_HEADER_LENGTH', Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d])],
    ['SAFETENSORS_HEADER_JSON', build(' {}', undefined, 1)],
    ['SAFETENSORS_HEADER_JSON', build('', undefined, 1)],
    ['SAFETENSORS_HEADER_JSON', build('{} x')],
    ['SAFETENSORS_HEADER_JSON', build('{"a\u0001":1}')],
    ['SAFETENSORS_HEADER_JSON', build('{"\\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')],
    ['SAFETENSORS_HEADER_JSON', Uint8Array.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22])],
    ['SAFETENSORS_HEADER_SCHEMA', build('{"t":{"dtype":"U8","shape":[0]}}')],
    ['SAFETENSORS_HEADER_SCHEMA', build('{"t":[]}')],
    ['SAFETENSORS_HEADER_SCHEMA', build(one('U8', '[-1]', '[0,0]'))],
    ['SAFETENSORS_HEADER_SCHEMA', build(one('U8', '[1.0]', '[0,1]'), data.slice(0, 1))],
    ['SAFETENSORS_HEADER_SCHEMA', build(one('U8', '[1]', '[0,1,2]'), data.slice(0, 1))],
    ['SAFETENSORS_HEADER_SCHEMA', build('{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}')],
    ['SAFETENSORS_METADATA', build({ __metadata__: { a: 1 } })],
    ['SAFETENSORS_METADATA', build({ __metadata__: 'text' })],
    ['SAFETENSORS_DUPLICATE_KEY', build('{"__metadata__":{},"__metadata__":{}}')],
    ['SAFETENSORS_DUPLICATE_KEY', build('{"__metadata__":{"a":"1","\\u0061":"2"}}')],
    ['SAFETENSORS_DUPLICATE_KEY', build('{"t":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}')],
    ['SAFETENSORS_DTYPE', build(one('F128', '[0]', '[0,0]'))],
    ['SAFETENSORS_DTYPE', build(one('__proto__', '[0]', '[0,0]'))],
    ['SAFETENSORS_SHAPE', build(one('F32', '[4294967296,4294967296]', '[0,0]'))],
    ['SAFETENSORS_SHAPE', build(one('F4', '[3]', '[0,2]'), data.slice(0, 2))],
    ['SAFETENSORS_OFFSETS', build(one('U8', '[1]', '[2,1]'), data.slice(0, 2))],
    ['SAFETENSORS_OFFSETS', build(one('U8', '[1]', '[1,2]'), data.slice(0, 2))],
    [
      'SAFETENSORS_OFFSETS',
      build(
        { a: { dtype: 'U8', shape: [2], data_offsets: [0, 2] }, b: { dtype: 'U8', shape: [2], data_offsets: [1, 3] } },
        data.slice(0, 3),
      ),
    ],
    ['SAFETENSORS_TENSOR_SIZE', build(one('F32', '[2]', '[0,4]'), data.slice(0, 4))],
    ['SAFETENSORS_DATA_LENGTH', build(one('U8', '[4]', '[0,4]'), data.slice(0, 3))],
    ['SAFETENSORS_DATA_LENGTH', build(one('U8', '[4]', '[0,4]'), data.slice(0, 5))],
  ])('%s (case %#)', (code, bytes) => {
    expect(codeOf(() => openBytes(bytes))).toBe(code);
  });

  test('a header that asks for much memory is refused: many entries, one endless string', () => {
    const many = Array.from({ length: 65_537 }, (_, i) => `"${i}":""`).join(',');
    expect(codeOf(() => openBytes(build(`{"__metadata__":{${many}}}`)))).toBe('SAFETENSORS_METADATA');
    const long = 'a'.repeat(16 * 1024 * 1024 + 1);
    expect(codeOf(() => openBytes(build(`{"__metadata__":{"a":"${long}"}}`)))).toBe('SAFETENSORS_METADATA');
    expect(codeOf(() => openBytes(build(`{"__metadata__":{"a":"\\n${long}"}}`)))).toBe('SAFETENSORS_METADATA');
  });

  test('every element type of the format is sized', () => {
    const sizes: [string, string, number][] = [
      ['F4', '[2]', 1],
      ['F6_E2M3', '[4]', 3],
      ['F6_E3M2', '[4]', 3],
      ['F8_E8M0', '[1]', 1],
      ['F8_E4M3FNUZ', '[1]', 1],
      ['C64', '[1]', 8],
      ['BOOL', '[]', 1],
      ['U64', '[0,5]', 0],
    ];
    for (const [dtype, shape, bytes] of sizes) {
      const model = openBytes(build(one(dtype, shape, `[0,${bytes}]`), new Uint8Array(bytes)));
      expect(model.tensors[0].byteLength).toBe(bytes);
    }
  });

  test('a plan without edits reproduces the file, odd spacing included', () => {
    for (const bytes of [build(two, data), build('{ \n "__metadata__" : { } }\t'), build('{}', undefined, 1)]) {
      expect(run(openBytes(bytes).plan([]))).toEqual(bytes);
    }
  });

  test('a tensor edit changes its bytes alone, several edits run in order', () => {
    const bytes = build(two, data);
    const model = openBytes(bytes);
    const add = (amount: number): ModelEdit => ({
      kind: 'tensor',
      tensor: 'b',
      apply: (_, chunk) => {
        for (let i = 0; i < chunk.length; i++) chunk[i] = chunk[i] * 2 + amount;
      },
    });
    const out = run(model.plan([add(1), add(0)]));
    const start = bytes.length - 6;
    expect(out.subarray(0, start)).toEqual(bytes.subarray(0, start));
    expect([...out.subarray(start)]).toEqual([9, 10, 11, 12, 13, 14].map((value) => (value * 2 + 1) * 2));
    expect(codeOf(() => model.plan([{ ...add(1), tensor: 'zz' } as ModelEdit]))).toBe('FORMAT_TENSOR_MISSING');
  });

  test('metadata edits keep tensors, other members and alignment', () => {
    const text = fc.string({ unit: 'grapheme' });
    const edit = fc.record({ key: fc.oneof(fc.constantFrom('format', 'note'), text), value: fc.option(text) });
    const header = fc.constantFrom<unknown>(two, { a: two.a, b: two.b }, { ...two, __metadata__: {} });
    fc.assert(
      fc.property(header, fc.array(edit, { maxLength: 4 }), (content, edits) => {
        const before = openBytes(build(content, data));
        const model = openBytes(
          run(before.plan(edits.map(({ key, value }): ModelEdit => ({ kind: 'metadata', key, value })))),
        );
        const expected = new Map(before.metadata);
        for (const { key, value } of edits) {
          if (value === null) expected.delete(key);
          else expected.set(key, value);
        }
        expect(new Map([...model.metadata].sort())).toEqual(new Map([...expected].sort()));
        expect(model.tensors[0].start % 8).toBe(0);
        const read = new Uint8Array(6);
        model.tensors[1].read(0, read);
        expect(read).toEqual(data.subarray(8));
      }),
    );
  });

  test('setting metadata to what it is changes nothing', () => {
    const bytes = build(two, data);
    expect(run(openBytes(bytes).plan([{ kind: 'metadata', key: 'format', value: 'pt' }]))).toEqual(bytes);
  });
});

describe('sharded safetensors', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-shards-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const a = build({ a: two.a }, data.slice(0, 8));
  const b = build({ b: { ...two.b, data_offsets: [0, 6] } }, data.slice(8));
  writeFileSync(join(folder, 's1.safetensors'), a);
  writeFileSync(join(folder, 's2.safetensors'), b);
  const open = (index: string): ReturnType<typeof openModelPath> => {
    const path = join(folder, 'm.safetensors.index.json');
    writeFileSync(path, index);
    return openModelPath(path);
  };

  test('is one model; edits touch the shard of the tensor', () => {
    const index = '{"metadata":{"total_size":14},"weight_map":{"b":"s2.safetensors","a":"s1.safetensors"}}';
    const model = open(index);
    expect(model.files.map(({ name }) => name)).toEqual([
      'm.safetensors.index.json',
      's2.safetensors',
      's1.safetensors',
    ]);
    const plan = model.plan([{ kind: 'tensor', tensor: 'a', apply: (_, chunk) => void chunk.fill(0) }]);
    expect(Buffer.from(run(plan, 0)).toString()).toBe(index);
    expect(run(plan, 1)).toEqual(b);
    expect([...run(plan, 2).subarray(-8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    model.close();
  });

  test.each<[ErrorCode, string]>([
    ['SAFETENSORS_INDEX', '[]'],
    ['SAFETENSORS_INDEX', '{"metadata":{}}'],
    ['SAFETENSORS_INDEX', '{"weight_map":{"a":1}}'],
    ['SAFETENSORS_INDEX', `{"metadata":${'['.repeat(5000)}`],
    ['SAFETENSORS_INDEX', `{${Array.from({ length: 65_537 }, (_, i) => `"${i}":0`).join(',')}}`],
    ['SAFETENSORS_DUPLICATE_KEY', '{"weight_map":{"a":"s1.safetensors","a":"s2.safetensors"}}'],
    ['SAFETENSORS_INDEX_MISMATCH', '{"weight_map":{"a":"s1.safetensors","c":"s1.safetensors"}}'],
    ['SAFETENSORS_INDEX_MISMATCH', '{"weight_map":{"b":"s1.safetensors","a":"s2.safetensors"}}'],
    ['SOURCE_OUTSIDE_FOLDER', '{"weight_map":{"a":"../s1.safetensors"}}'],
    ['SOURCE_OUTSIDE_FOLDER', '{"weight_map":{"a":"/etc/passwd"}}'],
    ['FORMAT_DATA_MISSING', '{"weight_map":{"a":"none.safetensors"}}'],
  ])('%s (case %#)', (code, index) => {
    expect(codeOf(() => open(index))).toBe(code);
  });

  test('without a folder, the index alone is refused', () => {
    const bytes = Buffer.from('{"weight_map":{"a":"s1.safetensors"}}');
    const source = openBufferSource('m', bytes);
    expect(codeOf(() => openModel({ source, name: 'm.safetensors.index.json', folder: null }))).toBe(
      'FORMAT_FOLDER_MISSING',
    );
  });
});

describeWithShared('a real safetensors model', () => {
  test('silero_vad_16k is read and reproduced byte for byte', () => {
    const path = sharedData('models', 'silero_vad_16k.safetensors');
    const model = openModelPath(path);
    expect(model.tensors).toHaveLength(15);
    expect(Buffer.compare(run(model.plan([])), readFileSync(path))).toBe(0);
    model.close();
  });
});
