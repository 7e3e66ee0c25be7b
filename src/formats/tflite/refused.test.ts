/** Files that break a rule of the format, each by one defect, and the code that each is refused with. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
import { STRING_DATA } from '../../../test/formats/mutate-tflite.ts';
import {
  TFLITE_OP,
  TFLITE_TYPE,
  type TinyModel,
  type TinyTensor,
  toTensorRoot,
  toTfliteRoot,
} from '../../../test/formats/tflite.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { openFolder } from '../../source/folder.ts';

const { f32, i8, string, variant } = TFLITE_TYPE;
const base = mkdtempSync(join(tmpdir(), 'modelward-tflite-refused-'));
writeFileSync(join(base, 'w.bin'), new Uint8Array(64));
const folder = openFolder(base);
afterAll(() => {
  rmSync(base, { recursive: true });
});
const w: TinyTensor = { name: 'w', type: i8, shape: [4], data: Uint8Array.of(1, 2, 3, 4) };

type Change = (bytes: Buffer, file: ReturnType<typeof writeFlat>) => Uint8Array | undefined;

/** The seed with one change of its bytes. */
const broken = (change: Change): Uint8Array => {
  const file = writeFlat(toTensorRoot([w]));
  const bytes = Buffer.from(file.bytes);
  return change(bytes, file) ?? bytes;
};
const findSite = (file: ReturnType<typeof writeFlat>, what: string): number =>
  file.sites.find((site) => site.what === what)!.at;
const written = (root: FlatTable): Uint8Array => writeFlat(root).bytes;
const withTensor = (tensor: Partial<TinyTensor>): Uint8Array => written(toTensorRoot([{ ...w, ...tensor }]));
const withField = (slot: number, field: FlatField): Uint8Array => withTensor({ fields: { [slot]: field } });
const withRoot = (slot: number, field: FlatField): Uint8Array => {
  const root = toTensorRoot([w]);
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
  toTensorRoot([{ ...w, data: undefined, fields: { 10: scalar('u32', id) } }], {
    fields: {
      8: tables([table({ 0: text('w.bin') })]),
      9: tables([table({ 0: scalar('u32', 1), 2: scalar('u64', 0), 3: scalar('u64', 4), 4: text(packing) })]),
    },
  });

describe('malformed files are refused', () => {
  test.each<[ErrorCode, string, () => Uint8Array]>([
    ['TFLITE_HEADER', 'shorter than an offset and an identifier', () => broken((bytes) => bytes.subarray(0, 7))],
    ['TFLITE_HEADER', 'another identifier', () => written(toTensorRoot([w])).with(4, 0x58)],
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
        const root = toTensorRoot([w]);
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
