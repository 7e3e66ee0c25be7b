import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type FlatField,
  type FlatTable,
  list,
  ref,
  scalar,
  table,
  tables,
  text,
  writeFlat,
} from '../../../test/formats/flat-writer.ts';
import { findCode, openBytes } from '../../../test/formats/models.ts';
import { STRING_DATA, toTfliteSeed } from '../../../test/formats/mutate-tflite.ts';
import { TFLITE_OP, TFLITE_TYPE, type TinyModel, type TinyTensor, toTfliteRoot } from '../../../test/formats/tflite.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { openFolder } from '../../source/folder.ts';
import type { ByteSource } from '../../source/ports.ts';
import { openModel } from '../registry.ts';

const { f32, i4, i8, i32, string, variant } = TFLITE_TYPE;
const four = Uint8Array.of(1, 2, 3, 4);

const base = mkdtempSync(join(tmpdir(), 'modelward-tflite-'));
writeFileSync(
  join(base, 'w.bin'),
  Uint8Array.from({ length: 64 }, (_, i) => i),
);
const folder = openFolder(base);
afterAll(() => {
  rmSync(base, { recursive: true });
});
const open = (root: FlatTable): Model => openBytes(writeFlat(root).bytes, 'm.tflite', folder);

function readAll(tensor: TensorRef): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

/** A model of these tensors and no operators. */
const toRoot = (tensors: readonly TinyTensor[], more: Partial<TinyModel> = {}): FlatTable =>
  toTfliteRoot({ subgraphs: [{ tensors, inputs: [], outputs: [], operators: [] }], ...more });

const w: TinyTensor = { name: 'w', type: i8, shape: [4], data: four };

describe('a model with every table', () => {
  const model = open(toTfliteSeed());

  test('tensors are constants, wherever their data lies; a sparse one shows what is stored', () => {
    expect(model.tensors.map(({ name, dtype, shape, storage }) => [name, dtype, shape, storage])).toEqual([
      ['conv.w', 'i8', [2, 1, 1, 2], 'raw'],
      ['conv.b', 'i32', [2], 'raw'],
      ['fc.w', 'f32', [1, 2], 'raw'],
      ['fc.tied', 'f32', [2], 'raw'],
      ['labels', 'string', [2], 'raw'],
      ['sparse.values', 'f32', [2], 'raw'],
      ['outside', 'f32', [2], 'external'],
      ['branch/w', 'f32', [1], 'raw'],
    ]);
    const byName = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
    expect([...readAll(byName.get('outside')!)]).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    expect(readAll(byName.get('labels')!)).toEqual(STRING_DATA);
    expect(byName.get('fc.w')!.start).toBe(byName.get('fc.tied')!.start);
  });

  test('the graph: domains, names, options by their names in the schema, dimensions that are known later', () => {
    const { graph, functions, metadata, opsets } = model;
    expect(graph?.nodes.map(({ op, domain, inputs, outputs }) => [op, domain, inputs, outputs])).toEqual([
      ['CONV_2D', 'tflite', ['input', 'conv.w', 'conv.b'], ['conv']],
      ['RESHAPE', 'tflite', ['conv'], ['conv']],
      ['Mine', 'tflite.custom', ['conv', ''], ['#8']],
      ['IF', 'tflite', ['conv'], ['out']],
    ]);
    const [conv, reshape, mine, branch] = graph!.nodes.map((node) => node.attributes);
    expect(conv.get('padding')).toEqual({ kind: 'int', value: 1n });
    expect(conv.get('dilation_w_factor')).toEqual({ kind: 'int', value: 1n });
    expect(reshape.get('new_shape')).toEqual({ kind: 'ints', values: [1n, 32n] });
    expect(mine.get('custom_options')).toEqual({ kind: 'string', value: Buffer.from([0, 1, 2, 3, 4]) });
    expect(branch.get('then_subgraph_index')).toEqual({ kind: 'int', value: 1n });
    expect(graph?.inputs).toEqual([{ name: 'input', dtype: 'f32', shape: [null, 4, 4, 2] }]);
    expect(graph?.values.get('#8')).toEqual({ name: '#8', dtype: null, shape: [] });
    expect([...functions.keys()]).toEqual(['tflite::branch']);
    expect(functions.get('tflite::branch')!.tensors.get('w')!.name).toBe('branch/w');
    expect([...opsets]).toEqual([['tflite', 3]]);
    expect([...metadata]).toEqual([['min_runtime_version', '1.5.0']]);
  });

  test('scales and zero points belong to an axis', () => {
    const { quantization } = model.tensors[0];
    expect([quantization?.axis, quantization?.count]).toEqual([0, 2]);
    expect(quantization?.read()).toEqual({ scales: Float64Array.of(0.5, 0.25), zeroPoints: Float64Array.of(0, 0) });
    expect(model.tensors[1].quantization).toBeNull();
  });
});

describe('what converters differ in', () => {
  test('the operator code is the larger of the narrow and the wide field', () => {
    const code = (narrow: number | null, wide: number | null): string => {
      const root = toRoot([w]);
      const fields = {
        0: narrow === null ? null : scalar('i8', narrow),
        3: wide === null ? null : scalar('i32', wide),
      };
      root.fields.set(1, tables([table(fields)]));
      const operator = table({ 0: scalar('u32', 0) });
      root.fields.set(2, tables([table({ 3: tables([operator]) })]));
      return open(root).graph!.nodes[0].op;
    };
    expect([code(3, null), code(null, 3), code(127, 150), code(9, 0), code(127, 9999)]).toEqual([
      'CONV_2D',
      'CONV_2D',
      'GELU',
      'FULLY_CONNECTED',
      'BUILTIN_9999',
    ]);
  });

  test('4-bit weights are packed; names need not be there, or be unique', () => {
    const model = open(toRoot([{ ...w, type: i4, shape: [7] }, { ...w, name: undefined }, w]));
    expect(model.tensors.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ['w', 4],
      ['#1', 4],
      ['w~2', 4],
    ]);
  });

  test('old converters give a bias the dimension of its weights', () => {
    const model = open(
      toRoot([
        { ...w, type: i32, shape: [1], scales: [1], dimension: 3 },
        { ...w, scales: [1, 2, 3, 4], dimension: 3 },
      ]),
    );
    expect(model.tensors.map(({ quantization }) => quantization?.axis)).toEqual([null, 0]);
  });

  test('packed metadata is told by its digest', () => {
    const model = open(toRoot([w], { metadata: { packed: Uint8Array.of(0, 1, 2) } }));
    expect(model.metadata.get('packed')).toMatch(/^binary, 3 bytes, SHA-256 [0-9a-f]{64}$/);
  });

  test('data beyond the tables is found by offset and size', () => {
    const root = toRoot([w]);
    const trailing = Uint8Array.of(9, 8, 7, 6);
    const measure = (offset: number): Uint8Array => {
      root.fields.set(4, tables([table({}), table({ 1: scalar('u64', offset), 2: scalar('u64', 4) })]));
      return writeFlat(root, { trailing }).bytes;
    };
    const bytes = measure(measure(2).length - 4);
    expect([...readAll(openBytes(bytes, 'm.tflite').tensors[0])]).toEqual([9, 8, 7, 6]);
  });
});

test('data beyond 4 GiB is read and edited in place, and metadata stays editable', () => {
  const GIB = 2 ** 30;
  const dataAt = 4 * GIB + 4096;
  const root = toRoot([{ ...w, data: undefined, fields: { 2: scalar('u32', 1) } }]);
  root.fields.set(4, tables([table({}), table({ 1: scalar('u64', dataAt), 2: scalar('u64', 4) })]));
  const head = writeFlat(root).bytes;
  /** The tables, then zeros, with 1, 2, 3, 4 far behind. */
  const toSource = (front: Uint8Array, at: number): ByteSource => ({
    label: 'large.tflite',
    size: at + 64,
    read: (offset, into) => {
      for (let i = 0; i < into.length; i++) {
        const place = offset + i;
        into[i] = place < front.length ? front[place] : place >= at && place < at + 4 ? place - at + 1 : 0;
      }
    },
    close: () => undefined,
  });
  const openSource = (source: ByteSource): Model => openModel({ source, name: 'large.tflite', folder: null });
  const model = openSource(toSource(head, dataAt));
  expect([...readAll(model.tensors[0])]).toEqual([1, 2, 3, 4]);
  const { ops } = model.plan([{ kind: 'tensor', tensor: 'w', apply: () => undefined }]).files[0];
  expect(ops.map((op) => (op.kind === 'bytes' ? op.kind : [op.kind, op.start, op.end]))).toEqual([
    ['keep', 0, dataAt],
    ['transform', dataAt, dataAt + 4],
    ['keep', dataAt + 4, dataAt + 64],
  ]);
  // With new tables in front everything moves, and so does the offset of the data.
  const edited = model.plan([{ kind: 'metadata', key: 'owner', value: 'acme' }]).files[0].ops;
  const front = Buffer.concat(
    edited.flatMap((op) => {
      if (op.kind === 'bytes') return [op.bytes];
      const bytes = Buffer.alloc(Math.min(op.end, head.length) - op.start);
      op.source.read(op.start, bytes);
      return [bytes];
    }),
  );
  const moved = openSource(toSource(front, dataAt + front.length - head.length));
  expect(moved.metadata.get('owner')).toBe('acme');
  expect([...readAll(moved.tensors[0])]).toEqual([1, 2, 3, 4]);
});

type Change = (bytes: Buffer, file: ReturnType<typeof writeFlat>) => Uint8Array | undefined;

/** The seed with one change of its bytes. */
const broken = (change: Change): Uint8Array => {
  const file = writeFlat(toRoot([w]));
  const bytes = Buffer.from(file.bytes);
  return change(bytes, file) ?? bytes;
};
const findSite = (file: ReturnType<typeof writeFlat>, what: string): number =>
  file.sites.find((site) => site.what === what)!.at;
const written = (root: FlatTable): Uint8Array => writeFlat(root).bytes;
const withTensor = (tensor: Partial<TinyTensor>): Uint8Array => written(toRoot([{ ...w, ...tensor }]));
const withField = (slot: number, field: FlatField): Uint8Array => withTensor({ fields: { [slot]: field } });
const withRoot = (slot: number, field: FlatField): Uint8Array => {
  const root = toRoot([w]);
  root.fields.set(slot, field);
  return written(root);
};
const withBuffer = (fields: Parameters<typeof table>[0]): Uint8Array => withRoot(4, tables([table({}), table(fields)]));
const withOperator = (operator: TinyModel['subgraphs'][number]['operators'][number]): Uint8Array =>
  written(toTfliteRoot({ subgraphs: [{ tensors: [w], inputs: [], outputs: [], operators: [operator] }] }));
const call = (code: number, type: number, fields: Parameters<typeof table>[0]): Uint8Array =>
  withOperator({ code, inputs: [], outputs: [], options: { type, fields } });
const sparse = (fields: Parameters<typeof table>[0]): Uint8Array => withField(6, ref(table(fields)));
const external = (id: number, packing: string): FlatTable =>
  toRoot([{ ...w, data: undefined, fields: { 10: scalar('u32', id) } }], {
    fields: {
      8: tables([table({ 0: text('w.bin') })]),
      9: tables([table({ 0: scalar('u32', 1), 2: scalar('u64', 0), 3: scalar('u64', 4), 4: text(packing) })]),
    },
  });

describe('malformed files are refused', () => {
  test.each<[ErrorCode, string, () => Uint8Array]>([
    ['TFLITE_HEADER', 'shorter than an offset and an identifier', () => broken((bytes) => bytes.subarray(0, 7))],
    ['TFLITE_HEADER', 'another identifier', () => written(toRoot([w])).with(4, 0x58)],
    ['TFLITE_OFFSET', 'a root beyond the end', () => broken((bytes) => void bytes.writeUInt32LE(bytes.length, 0))],
    ['TFLITE_OFFSET', 'an offset of 0', () => broken((bytes) => void bytes.writeUInt32LE(0, 0))],
    ['TFLITE_OFFSET', 'a file cut in the middle', () => broken((bytes) => bytes.subarray(0, 100))],
    [
      'TFLITE_TABLE',
      'a field list before the file',
      () => broken((bytes, file) => void bytes.writeInt32LE(10 ** 6, findSite(file, 'to field list'))),
    ],
    [
      'TFLITE_TABLE',
      'a field list of 2 bytes',
      () => broken((bytes, file) => void bytes.writeUInt16LE(2, findSite(file, 'field list'))),
    ],
    [
      'TFLITE_TABLE',
      'a table that leaves the file',
      () => broken((bytes, file) => void bytes.writeUInt16LE(60_000, findSite(file, 'field list') + 2)),
    ],
    [
      'TFLITE_TABLE',
      'a field that leaves its table',
      () => broken((bytes, file) => void bytes.writeUInt16LE(60_000, findSite(file, 'field list') + 4)),
    ],
    [
      'TFLITE_VECTOR',
      'a list of 2^32 - 1 entries',
      () => broken((bytes, file) => void bytes.writeUInt32LE(0xffff_ffff, findSite(file, 'length'))),
    ],
    [
      'TFLITE_VECTOR',
      'a text without an end',
      () => broken((bytes) => void bytes.writeUInt8(1, bytes.indexOf('made for a test') + 15)),
    ],
    [
      'TFLITE_ALIGNMENT',
      'a list that is shifted (tensorflow #121217)',
      () =>
        broken((bytes, file) => {
          const at = findSite(file, 'offset');
          bytes.writeUInt32LE(bytes.readUInt32LE(at) + 2, at);
          return bytes;
        }),
    ],
    ['TFLITE_VERSION', 'schema 4', () => withRoot(0, scalar('u32', 4))],
    ['TFLITE_NO_GRAPH', 'no subgraph', () => withRoot(2, tables([]))],
    ['TFLITE_INDEX', 'a buffer that does not exist', () => withField(2, scalar('u32', 9))],
    ['TFLITE_INDEX', 'a tensor that does not exist', () => withOperator({ code: 0, inputs: [7], outputs: [] })],
    [
      'TFLITE_INDEX',
      'an input of a model that is left out',
      () => written(toTfliteRoot({ subgraphs: [{ tensors: [w], inputs: [-1], outputs: [], operators: [] }] })),
    ],
    [
      'TFLITE_INDEX',
      'an operator code that does not exist',
      () => {
        const root = toRoot([w]);
        root.fields.set(2, tables([table({ 3: tables([table({})]) })]));
        root.fields.delete(1);
        return written(root);
      },
    ],
    [
      'TFLITE_INDEX',
      'a subgraph that does not exist',
      () => call(TFLITE_OP.IF, 92, { 0: scalar('i32', 1), 1: scalar('i32', 1) }),
    ],
    ['TFLITE_INDEX', 'a subgraph of number -1', () => call(TFLITE_OP.CALL_ONCE, 103, { 0: scalar('i32', -1) })],
    [
      'TFLITE_INDEX',
      'metadata of a buffer that does not exist',
      () => withRoot(6, tables([table({ 0: text('m'), 1: scalar('u32', 9) })])),
    ],
    [
      'TFLITE_INDEX',
      'a signature of a tensor that does not exist',
      () => withRoot(7, tables([table({ 0: tables([table({ 1: scalar('u32', 9) })]) })])),
    ],
    [
      'TFLITE_OPERATOR',
      'a custom operator without a name',
      () => withOperator({ code: TFLITE_OP.CUSTOM, inputs: [], outputs: [] }),
    ],
    [
      'TFLITE_OPERATOR',
      'an operator that writes to a constant',
      () => withOperator({ code: 0, inputs: [0], outputs: [0] }),
    ],
    ['TFLITE_OPERATOR', 'options of no kind', () => call(TFLITE_OP.ADD, 0, {})],
    ['TFLITE_RECURSION', 'a subgraph that calls itself', () => call(TFLITE_OP.CALL_ONCE, 103, { 0: scalar('i32', 0) })],
    ['TFLITE_DTYPE', 'an unknown element type', () => withTensor({ type: 99 })],
    ['TFLITE_DTYPE', 'data of a handle', () => withTensor({ type: variant })],
    ['TFLITE_SHAPE', 'a negative dimension', () => withTensor({ shape: [-4] })],
    ['TFLITE_SHAPE', 'a signature of another length', () => withTensor({ signature: [-1, 4] })],
    ['TFLITE_SHAPE', 'more elements than can be counted', () => withTensor({ shape: [2 ** 31 - 1, 2 ** 31 - 1] })],
    ['TFLITE_BUFFER', 'data in buffer 0', () => withRoot(4, tables([table({ 0: list('u8', 1) })]))],
    [
      'TFLITE_BUFFER',
      'data inside and beyond',
      () => withBuffer({ 0: list('u8', 1, 2, 3, 4), 1: scalar('u64', 16), 2: scalar('u64', 4) }),
    ],
    ['TFLITE_BUFFER', 'data inside and in another file', () => withField(10, scalar('u32', 1))],
    [
      'TFLITE_BUFFER_BOUNDS',
      'data beyond the file',
      () => withBuffer({ 1: scalar('u64', 2n ** 50n), 2: scalar('u64', 4) }),
    ],
    [
      'TFLITE_BUFFER_BOUNDS',
      'offset and size that overflow',
      () => withBuffer({ 1: scalar('u64', 2n ** 63n), 2: scalar('u64', 2n ** 63n) }),
    ],
    ['TFLITE_OVERLAP', 'data that lies on a table', () => withBuffer({ 1: scalar('u64', 8), 2: scalar('u64', 4) })],
    ['TFLITE_TENSOR_SIZE', 'too little data', () => withTensor({ type: f32 })],
    ['TFLITE_TENSOR_SIZE', 'too much data', () => withTensor({ shape: [3] })],
    ['TFLITE_STRING', 'another number of texts', () => withTensor({ type: string, shape: [3], data: STRING_DATA })],
    [
      'TFLITE_STRING',
      'a text that ends beyond the data',
      () => withTensor({ type: string, shape: [2], data: STRING_DATA.with(12, 99) }),
    ],
    ['TFLITE_QUANTIZATION', 'scales for no axis', () => withTensor({ shape: [2, 2], scales: [1, 2, 3], dimension: 0 })],
    [
      'TFLITE_QUANTIZATION',
      'an axis that does not exist',
      () => withTensor({ shape: [2, 2], scales: [1, 2], dimension: -1 }),
    ],
    [
      'TFLITE_QUANTIZATION',
      'fewer zero points than scales',
      () => withTensor({ scales: [1, 2, 3, 4], zeroPoints: [0] }),
    ],
    ['TFLITE_SPARSITY', 'an order of other dimensions', () => sparse({ 0: list('i32', 0, 1) })],
    ['TFLITE_SPARSITY', 'an order that names one twice', () => sparse({ 0: list('i32', 0, 0), 1: list('i32', 0) })],
    ['TFLITE_SPARSITY', 'dimensions that are not listed', () => sparse({ 0: list('i32', 0) })],
    [
      'TFLITE_SPARSITY',
      'an unknown kind of dimension',
      () => sparse({ 0: list('i32', 0), 2: tables([table({ 0: scalar('i8', 5) })]) }),
    ],
    ['TFLITE_EXTERNAL', 'an external buffer that does not exist', () => written(external(2, ''))],
    ['TFLITE_EXTERNAL', 'an unknown packing', () => written(external(1, 'zipped'))],
    [
      'SOURCE_OUTSIDE_FOLDER',
      'an external buffer of another folder',
      () => {
        const root = external(1, '');
        root.fields.set(8, tables([table({ 0: text('../w.bin') })]));
        return written(root);
      },
    ],
  ])('%s: %s', (code, _, make) => {
    expect(findCode(() => openBytes(make(), 'm.tflite', folder))).toBe(code);
  });

  test('TFLITE_BUDGET: names longer than are kept', () => {
    expect(findCode(() => openBytes(withTensor({ name: 'x'.repeat(2 ** 20 + 1) }), 'm.tflite'))).toBe('TFLITE_BUDGET');
  });

  test('FORMAT_FOLDER_MISSING: an external buffer, and no folder', () => {
    expect(findCode(() => openBytes(written(external(1, '')), 'm.tflite'))).toBe('FORMAT_FOLDER_MISSING');
  });
});

test('a format is known by its identifier, whatever the name', () => {
  expect(openBytes(written(toRoot([w])), 'weights').format).toBe('tflite');
});

describeWithShared('published models', () => {
  const names = existsSync(sharedData('models'))
    ? readdirSync(sharedData('models')).filter((name) => name.endsWith('.tflite'))
    : [];
  test.each(names)('%s: every constant has its data', (name) => {
    const model = openBytes(new Uint8Array(readFileSync(sharedData('models', name))), name);
    expect(model.tensors.length).toBeGreaterThan(30);
    for (const tensor of model.tensors) expect(readAll(tensor).length).toBe(tensor.end - tensor.start);
    for (const { inputs } of model.graph!.nodes) {
      for (const input of inputs) expect(model.graph!.values.has(input)).toBe(true);
    }
  });
});
