import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type FlatTable, scalar, table, tables, writeFlat } from '../../../test/formats/flat-writer.ts';
import { openBytes } from '../../../test/formats/models.ts';
import { STRING_DATA, toTfliteSeed } from '../../../test/formats/mutate-tflite.ts';
import { TFLITE_TYPE, type TinyTensor, toTensorRoot } from '../../../test/formats/tflite.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { openFolder } from '../../source/folder.ts';
import type { ByteSource } from '../../source/ports.ts';
import { openModel } from '../registry.ts';

const { i4, i8, i32 } = TFLITE_TYPE;
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
      const root = toTensorRoot([w]);
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
    const model = open(toTensorRoot([{ ...w, type: i4, shape: [7] }, { ...w, name: undefined }, w]));
    expect(model.tensors.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ['w', 4],
      ['#1', 4],
      ['w~2', 4],
    ]);
  });

  test('old converters give a bias the dimension of its weights', () => {
    const model = open(
      toTensorRoot([
        { ...w, type: i32, shape: [1], scales: [1], dimension: 3 },
        { ...w, scales: [1, 2, 3, 4], dimension: 3 },
      ]),
    );
    expect(model.tensors.map(({ quantization }) => quantization?.axis)).toEqual([null, 0]);
  });

  test('packed metadata is told by its digest', () => {
    const model = open(toTensorRoot([w], { metadata: { packed: Uint8Array.of(0, 1, 2) } }));
    expect(model.metadata.get('packed')).toMatch(/^binary, 3 bytes, SHA-256 [0-9a-f]{64}$/);
  });

  test('data beyond the tables is found by offset and size', () => {
    const root = toTensorRoot([w]);
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
  const root = toTensorRoot([{ ...w, data: undefined, fields: { 2: scalar('u32', 1) } }]);
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

test('a format is known by its identifier, whatever the name', () => {
  expect(openBytes(writeFlat(toTensorRoot([w])).bytes, 'weights').format).toBe('tflite');
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
