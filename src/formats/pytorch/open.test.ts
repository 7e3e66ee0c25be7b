import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import * as K from '../../../test/formats/pickle.ts';
import { join as concat } from '../../../test/formats/proto.ts';
import { findTorchError } from '../../../test/formats/torch.ts';
import { toTorchMembers, writeTorch, writeZip } from '../../../test/formats/zip.ts';
import { type ErrorCode, ModelwardError } from '../../core/errors.ts';
import type { DType } from '../../model/dtype.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import { toSafetensors } from '../convert.ts';
import { TORCH_DTYPES } from './dtypes.ts';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/pytorch');

type Row = [name: string, dtype: string, shape: readonly number[], sha256: string];
interface Expected {
  readonly torch: string;
  readonly files: Readonly<Record<string, readonly Row[]>>;
}

function readAll(tensor: TensorRef): Uint8Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return bytes;
}

const NAMES = new Map<DType | null, string>([...TORCH_DTYPES].reverse().map(([name, dtype]) => [dtype, name]));

function toRows(model: Model): Row[] {
  const rows = model.tensors.map((tensor): Row => {
    const digest = createHash('sha256').update(readAll(tensor)).digest('hex');
    return [tensor.name, NAMES.get(tensor.dtype)!, tensor.shape, digest];
  });
  return rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

/** Two f32 values of 1 and 2, and what torch.save writes around them. */
const DATA = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
const PLAIN = { key: '0', count: 6, size: [2, 3], stride: [3, 1] } as const;
const openTensor = (spec: Partial<K.TensorSpec>, data: Uint8Array = DATA): Model =>
  openBytes(writeTorch(K.pickle(K.dict(K.text('w'), K.tensor({ ...PLAIN, ...spec }))), { 0: data }), 'm.pt');

describe('files that PyTorch wrote', () => {
  describe.each(['1.13', '2.9'])('torch %s', (version) => {
    const folder = join(FIXTURES, version);
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
    test.each(
      Object.keys(expected.files),
    )('%s: every tensor has the name, type, shape and bytes that torch reads', (name) => {
      const bytes = readFileSync(join(folder, name));
      const model = openBytes(bytes, name);
      const known = new Set(expected.files[name].map(([tensor]) => tensor));
      // Constants of traced code are tensors of the file, though not of the state_dict.
      const rows = toRows(model).filter(([tensor]) => known.has(tensor) || !tensor.startsWith('constants.'));
      expect(rows).toEqual([...expected.files[name]].sort((a, b) => (a[0] < b[0] ? -1 : 1)));
      expect(Buffer.compare(runPlan(model.plan([])), bytes)).toBe(0);
    });

    test('legacy.pt is refused with the way out', () => {
      const bytes = readFileSync(join(folder, 'legacy.pt'));
      expect(findTorchError(() => openBytes(bytes, 'legacy.pt'))).toBe('PYTORCH_LEGACY');
    });
  });

  test('records and kind become metadata; a whole module names what its pickle would import', () => {
    const script = openBytes(readFileSync(join(FIXTURES, '2.9/script.pt')), 'script.pt');
    expect(script.metadata.get('pytorch.kind')).toBe('TorchScript');
    const module = openBytes(readFileSync(join(FIXTURES, '2.9/module.pt')), 'module.pt');
    expect(Object.fromEntries(module.metadata)).toMatchObject({
      'pytorch.kind': 'torch.save',
      'pytorch.byteorder': 'little',
      'pytorch.unknown_names': expect.stringContaining('torch.nn.modules.conv.Conv2d'),
    });
  });

  test('constants of traced code are read', () => {
    const traced = openBytes(readFileSync(join(FIXTURES, '2.9/traced.pt')), 'traced.pt');
    const constant = traced.tensors.find(({ name }) => name === 'constants.0')!;
    expect([...new Float32Array(readAll(constant).buffer)]).toEqual([1, 2]);
  });
});

describe('choosing the format', () => {
  test('by the names of PyTorch files; by content where names are shared; other archives are not taken for models', () => {
    const bytes = writeTorch(K.pickle(K.dict(K.text('w'), K.tensor(PLAIN))), { 0: DATA });
    for (const name of ['m.pt', 'best.pth.tar', 'm.CKPT', 'pytorch_model.bin', 'weights']) {
      expect(openBytes(bytes, name).format, name).toBe('pytorch');
    }
    expect(findTorchError(() => openBytes(bytes, 'arrays.npz'))).toBe('FORMAT_UNKNOWN');
    expect(findTorchError(() => openBytes(K.raw('text'), 'pytorch_model.bin'))).toBe('FORMAT_UNKNOWN');
    expect(findTorchError(() => openBytes(K.raw('text'), 'm.pt'))).toBe('PYTORCH_RAW_PICKLE');
  });
});

describe('tensors', () => {
  test('a contiguous one is a span of its member; bytes are lazy', () => {
    const [tensor] = openTensor({ offset: 2, size: [2, 2], stride: [2, 1] }).tensors;
    expect([tensor.storage, tensor.end - tensor.start, tensor.shape]).toEqual(['raw', 16, [2, 2]]);
    const part = new Uint8Array(4);
    tensor.read(4, part);
    expect(new Float32Array(part.buffer)[0]).toBe(4);
    expect(() => {
      tensor.read(13, part);
    }).toThrow(TypeError);
  });

  test('any view is read in row-major order, whatever the cut', () => {
    const axis = fc.record({ size: fc.integer({ min: 0, max: 5 }), stride: fc.integer({ min: 0, max: 9 }) });
    const view = fc.record({ axes: fc.array(axis, { maxLength: 4 }), offset: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(view, fc.integer({ min: 1, max: 70 }), ({ axes, offset }, cut) => {
        const values = Int16Array.from({ length: 200 }, (_, i) => i * 3);
        const size = axes.map((each) => each.size);
        const stride = axes.map((each) => each.stride);
        const spec = { type: 'ShortStorage', count: 200, offset, size, stride };
        const [tensor] = openTensor(spec, new Uint8Array(values.buffer)).tensors;
        const expected: number[] = [];
        const visit = (at: number, depth: number): void => {
          if (depth === axes.length) expected.push(values[at]);
          else for (let i = 0; i < size[depth]; i++) visit(at + i * stride[depth], depth + 1);
        };
        visit(offset, 0);
        const bytes = new Uint8Array(tensor.byteLength);
        for (let at = 0; at < bytes.length; at += cut) tensor.read(at, bytes.subarray(at, at + cut));
        expect([...new Int16Array(bytes.buffer)]).toEqual(expected);
      }),
    );
  });

  test('a large transposed view is read in flat memory, in reads of pages', () => {
    const [rows, columns] = [700, 900];
    const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
    const model = openTensor(
      { count: rows * columns, size: [columns, rows], stride: [1, columns] },
      new Uint8Array(values.buffer),
    );
    const seen = new Float32Array(readAll(model.tensors[0]).buffer);
    const wrong = seen.findIndex((value, i) => value !== (i % rows) * columns + Math.floor(i / rows));
    expect(wrong).toBe(-1);
  });

  test('tied weights share their bytes under two names; nested paths that collide are told apart', () => {
    const state = K.dict(K.text('a.b'), K.join(K.tensor(PLAIN), K.put(9)), K.text('a'), K.dict(K.text('b'), K.get(9)));
    const model = openBytes(writeTorch(K.pickle(state), { 0: DATA }), 'm.pt');
    expect(model.tensors.map(({ name }) => name)).toEqual(['a.b', 'a.b~2']);
    expect(model.tensors[0].start).toBe(model.tensors[1].start);
  });

  test('tensors that no key leads to are listed too', () => {
    const hidden = K.join(K.tensor(PLAIN), K.POP, K.dict(K.text('w'), K.call('acme', 'Box', K.tensor(PLAIN))));
    const model = openBytes(writeTorch(K.pickle(hidden), { 0: DATA }), 'm.pt');
    expect(model.tensors.map(({ name }) => name)).toEqual(['unreached.0', 'unreached.1']);
    expect(model.metadata.get('pytorch.unknown_names')).toBe('acme.Box');
  });

  test('a tree that holds itself ends', () => {
    const self = K.join(K.raw('}'), K.put(0), K.text('self'), K.get(0), K.raw('s'));
    const model = openBytes(writeTorch(K.pickle(self, K.text('w'), K.tensor(PLAIN), K.raw('s')), { 0: DATA }), 'm.pt');
    expect(model.tensors.map(({ name }) => name)).toEqual(['w']);
  });
});

describe('what is refused', () => {
  const nested = (depth: number, open: string, close: string): Uint8Array =>
    K.raw(open.repeat(depth) + close.repeat(depth));

  test.each<[ErrorCode, string, () => Uint8Array]>([
    ['PYTORCH_RAW_PICKLE', 'a bare pickle', () => K.pickle(K.dict())],
    ['PYTORCH_LAYOUT', 'an archive without data.pkl', () => writeZip([{ name: 'm/version', content: K.raw('3') }])],
    [
      'PYTORCH_LAYOUT',
      'two folders',
      () => writeZip([...toTorchMembers(K.pickle(K.dict()), {}), { name: 'n/x', content: DATA }]),
    ],
    ['PYTORCH_LAYOUT', 'no version', () => writeZip([{ name: 'm/data.pkl', content: K.pickle(K.dict()) }])],
    [
      'PYTORCH_BYTE_ORDER',
      'big-endian data',
      () =>
        writeZip([
          ...toTorchMembers(K.pickle(K.dict()), {}).slice(0, 1),
          { name: 'm/byteorder', content: K.raw('big') },
          { name: 'm/version', content: K.raw('3') },
        ]),
    ],
    ['PYTORCH_PICKLE_OPCODE', 'an unknown opcode', () => writeTorch(K.pickle(Uint8Array.of(0xff)), {})],
    ['PYTORCH_PICKLE_OPCODE', 'protocol 6', () => writeTorch(concat(K.proto(6), K.NONE, K.STOP), {})],
    ['PYTORCH_PICKLE_OPCODE', 'text that is not UTF-8', () => writeTorch(K.pickle(Uint8Array.of(0x8c, 1, 0xff)), {})],
    ['PYTORCH_PICKLE_OPCODE', 'a number that is none', () => writeTorch(K.pickle(K.raw('Ix1\n')), {})],
    ['PYTORCH_PICKLE_TRUNCATED', 'no STOP', () => writeTorch(concat(K.proto(2), K.NONE), {})],
    [
      'PYTORCH_PICKLE_TRUNCATED',
      'text of 4 GiB',
      () => writeTorch(K.pickle(Uint8Array.of(0x58, 255, 255, 255, 255)), {}),
    ],
    [
      'PYTORCH_PICKLE_TRUNCATED',
      'bytes of 2^63',
      () => writeTorch(K.pickle(Uint8Array.of(0x8e, 0, 0, 0, 0, 0, 0, 0, 128)), {}),
    ],
    ['PYTORCH_PICKLE_STACK', 'nothing to pop', () => writeTorch(K.pickle(K.POP), {})],
    ['PYTORCH_PICKLE_STACK', 'nothing under a memo index', () => writeTorch(K.pickle(K.get(7)), {})],
    [
      'PYTORCH_PICKLE_STACK',
      'items set on a tensor (CVE-2026-24747)',
      () => writeTorch(K.pickle(K.tensor(PLAIN), K.text('k'), K.NONE, K.raw('s')), { 0: DATA }),
    ],
    [
      'PYTORCH_PICKLE_STACK',
      'a state given to a tensor',
      () => writeTorch(K.pickle(K.tensor(PLAIN), K.EMPTY_TUPLE, K.BUILD), { 0: DATA }),
    ],
    ['PYTORCH_PICKLE_BUDGET', 'an endless line', () => writeTorch(K.pickle(K.raw(`I${'1'.repeat(70_000)}\n`)), {})],
    ['PYTORCH_PICKLE_BUDGET', 'lists in lists in lists', () => writeTorch(K.pickle(nested(150, '](', 'e')), {})],
    [
      'PYTORCH_PICKLE_TRAILING',
      'opcodes behind STOP',
      () => writeTorch(concat(K.pickle(K.dict()), K.pickle(K.call('os', 'system', K.text('x')))), {}),
    ],
    ['PYTORCH_UNSAFE', 'a call of os.system', () => writeTorch(K.pickle(K.call('os', 'system', K.text('x'))), {})],
    [
      'PYTORCH_TENSOR',
      'a tensor of no storage',
      () =>
        writeTorch(
          K.pickle(K.call('torch._utils', '_rebuild_tensor_v2', K.NONE, K.int(0), K.EMPTY_TUPLE, K.EMPTY_TUPLE)),
          {},
        ),
    ],
    [
      'PYTORCH_TENSOR',
      'sizes without strides',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, stride: [1] })), { 0: DATA }),
    ],
    [
      'PYTORCH_TENSOR',
      'a parameter of nothing',
      () => writeTorch(K.pickle(K.call('torch._utils', '_rebuild_parameter', K.NONE)), {}),
    ],
    [
      'PYTORCH_DTYPE',
      'a type of shared bytes',
      () => writeTorch(K.pickle(K.storage({ type: 'QUInt4x2Storage', key: '0', count: 2 })), { 0: DATA }),
    ],
    [
      'PYTORCH_SHAPE',
      'a negative size',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, size: [-1, 3] })), { 0: DATA }),
    ],
    [
      'PYTORCH_SHAPE',
      'sizes that overflow',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, size: [2n ** 40n, 2n ** 40n] })), { 0: DATA }),
    ],
    ['PYTORCH_SHAPE', 'a negative offset', () => writeTorch(K.pickle(K.tensor({ ...PLAIN, offset: -4 })), { 0: DATA })],
    [
      'PYTORCH_TENSOR_BOUNDS',
      'a view beyond its storage',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, offset: 1 })), { 0: DATA }),
    ],
    [
      'PYTORCH_TENSOR_BOUNDS',
      'a stride of 2^52',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, stride: [2n ** 52n, 1] })), { 0: DATA }),
    ],
    ['PYTORCH_STORAGE', 'a persistent id that is a number', () => writeTorch(K.pickle(K.int(1), K.raw('Q')), {})],
    [
      'PYTORCH_STORAGE',
      'a storage told twice',
      () => writeTorch(K.pickle(K.storage(PLAIN), K.POP, K.storage({ ...PLAIN, type: 'IntStorage' })), { 0: DATA }),
    ],
    ['PYTORCH_STORAGE_MISSING', 'no member', () => writeTorch(K.pickle(K.tensor(PLAIN)), {})],
    [
      'PYTORCH_STORAGE_MISSING',
      'a key that climbs',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, key: '../data.pkl' })), { 0: DATA }),
    ],
    [
      'PYTORCH_STORAGE_SIZE',
      'more elements than bytes (CVE-2026-24747)',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, count: 7 })), { 0: DATA }),
    ],
    [
      'PYTORCH_SHARED_BYTES',
      'four bytes shown as a tebibyte',
      () => writeTorch(K.pickle(K.tensor({ ...PLAIN, size: [2n ** 38n], stride: [0] })), { 0: DATA }),
    ],
  ])('%s: %s', (code, _, make) => {
    expect(findTorchError(() => openBytes(make(), 'm.pt'))).toBe(code);
  });

  test('TorchScript that needs its own loader is refused with what to do', () => {
    const members = toTorchMembers(K.pickle(K.call('torch.classes.acme', 'Packed', K.NONE)), {});
    const script = writeZip([...members, { name: 'm/constants.pkl', content: K.pickle(K.EMPTY_TUPLE) }]);
    expect(findTorchError(() => openBytes(script, 'm.pt'))).toBe('PYTORCH_UNSAFE');
    const unknown = toTorchMembers(K.pickle(K.call('acme', 'Packed', K.NONE)), {});
    const other = writeZip([...unknown, { name: 'm/constants.pkl', content: K.pickle(K.EMPTY_TUPLE) }]);
    expect(findTorchError(() => openBytes(other, 'm.pt'))).toBe('PYTORCH_TORCHSCRIPT');
  });

  test('a tar of the first PyTorch versions (CVE-2025-32434)', () => {
    const header = Buffer.alloc(1024);
    header.write('pickle');
    header.write('00000000000\0', 124);
    header.write('        ', 148);
    header.write('0', 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    expect(findTorchError(() => openBytes(header, 'm.pt'))).toBe('PYTORCH_TAR');
  });

  test('values that visit themselves a billion times are not followed', () => {
    // Each list holds the one before twice: 2^40 paths to one tensor.
    const doubled = Array.from({ length: 40 }, (_, i) => K.join(K.put(i), K.POP, K.list(K.get(i), K.get(i))));
    const bytes = writeTorch(K.pickle(K.list(K.tensor(PLAIN)), ...doubled), { 0: DATA });
    expect(findTorchError(() => openBytes(bytes, 'm.pt'))).toBe('PYTORCH_PICKLE_BUDGET');
  });
});

describe('plan', () => {
  test('any edit is refused, and the message names the way out', () => {
    const model = openTensor({});
    for (const edit of [
      { kind: 'tensor', tensor: 'w', apply: () => undefined },
      { kind: 'metadata', key: 'a', value: 'b' },
    ] as const) {
      let error: unknown;
      try {
        model.plan([edit]);
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(ModelwardError);
      expect((error as ModelwardError).code).toBe('FORMAT_READ_ONLY');
      expect((error as ModelwardError).row.fix).toContain('safetensors');
    }
  });

  test('the way out: conversion keeps names, shapes and bytes of every view', () => {
    const model = openBytes(readFileSync(join(FIXTURES, '2.9/kinds.pt')), 'kinds.pt');
    const { plan, skipped } = toSafetensors(model, 'm.safetensors');
    const out = openBytes(runPlan(plan), 'm.safetensors');
    expect(skipped).toEqual(['c128']);
    const rows = toRows(model).filter(([name]) => name !== 'c128');
    expect(toRows(out)).toEqual(rows);
  });
});
