import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import * as P from '../../../test/formats/proto.ts';
import { edited, modelOf, open } from '../../../test/surgery/graphs.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { DTYPES, type DType } from '../../model/dtype.ts';
import type { Model } from '../../model/types.ts';
import { editGraph, type Transaction } from '../index.ts';

function read(model: Model, name: string): number[] {
  const tensor = model.tensors.find((candidate) => candidate.name === name)!;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  return [...bytes];
}

const withTensor = (...body: readonly P.Part[]): Uint8Array =>
  P.model(P.join(P.node('Identity', ['w'], ['y']), P.initializer(P.join(...body)), P.output('y')));
const raw = withTensor(P.tensor('w', P.CODE.u8, [4], P.str(12, 'doc'), P.raw(1, 2, 3, 4)));
const typed = withTensor(P.tensor('w', P.CODE.i16, [3], P.len(5, P.varint(1), P.varint(-2), P.varint(300))));

describe('elements', () => {
  test('are written over, in raw and typed storage; the rest of the message is kept', () => {
    const model = edited(raw, (tx) => {
      tx.editTensor('w', 1, { dtype: 'u8', shape: [2], values: [8, 9] });
      tx.editTensor('w', 2, { dtype: 'u8', shape: [1], values: [7] });
    });
    expect(read(model, 'w')).toEqual([1, 8, 7, 4]);
    const back = editGraph(open(raw), (tx) => {
      tx.editTensor('w', 0, { dtype: 'u8', shape: [4], values: [1, 2, 3, 4] });
    });
    expect(runPlan(back.toRewrite())).toEqual(raw);
    const small = edited(typed, (tx) => {
      tx.editTensor('w', 2, { dtype: 'i16', shape: [1], values: [-1] });
    });
    expect(read(small, 'w')).toEqual([1, 0, 254, 255, 255, 255]);
    expect(small.tensors[0].storage).toBe('typed');
  });

  test('seen through the transaction are those after the edit', () => {
    editGraph(open(raw), (tx) => {
      tx.editTensor('w', 3, { dtype: 'u8', shape: [1], values: [200] });
      const bytes = new Uint8Array(2);
      tx.tensor('w')!.read(2, bytes);
      expect([...bytes]).toEqual([3, 200]);
    });
  });

  test('of external data are changed in their own file, and the graph file stays as it is', () => {
    const main = withTensor(P.tensor('w', P.CODE.u8, [2], P.external({ location: 'w.bin', offset: '1', length: '2' })));
    const model = openBytes(main, 'model.onnx', memoryFolder({ 'w.bin': Uint8Array.of(9, 1, 2, 9) }));
    const edit = editGraph(model, (tx) => {
      tx.editTensor('w', 1, { dtype: 'u8', shape: [1], values: [7] });
    });
    const plan = edit.toRewrite();
    expect(plan.files.map(({ name }) => name)).toEqual(['model.onnx', 'w.bin']);
    expect(runPlan(plan, 0)).toEqual(main);
    expect([...runPlan(plan, 1)]).toEqual([9, 1, 7, 9]);
  });

  test('of external data that another tensor shares are refused', () => {
    const at = { location: 'w.bin', length: '2' };
    const tensors = ['w', 'v'].map((name) => P.initializer(P.tensor(name, P.CODE.u8, [2], P.external(at))));
    const main = P.model(P.join(...tensors, P.node('Add', ['v', 'w'], ['y']), P.output('y')));
    const model = openBytes(main, 'model.onnx', memoryFolder({ 'w.bin': Uint8Array.of(1, 2) }));
    const edit = editGraph(model, (tx) => {
      tx.editTensor('w', 0, { dtype: 'u8', shape: [1], values: [7] });
    });
    expect(findCode(() => edit.toRewrite())).toBe('FORMAT_EDIT_CONFLICT');
  });

  test.each([
    ['another type', 0, { dtype: 'i8', shape: [1], values: [1] }],
    ['more than there are', 3, { dtype: 'u8', shape: [2], values: [1, 2] }],
  ] as const)('%s is refused', (_, start, tensor) => {
    expect(
      findCode(() =>
        editGraph(open(raw), (tx) => {
          tx.editTensor('w', start, tensor);
        }),
      ),
    ).toBe('SURGERY_TENSOR_DATA');
  });

  test('of four bits begin and end at whole bytes', () => {
    const bytes = withTensor(P.tensor('w', P.CODE.u4, [5], P.raw(0x21, 0x43, 0x05)));
    const edit = (start: number, values: number[]) => () =>
      edited(bytes, (tx) => {
        tx.editTensor('w', start, { dtype: 'u4', shape: [values.length], values });
      });
    expect(read(edit(2, [9, 10])(), 'w')).toEqual([0x21, 0xa9, 0x05]);
    expect(findCode(edit(1, [9, 10]))).toBe('SURGERY_TENSOR_DATA');
    expect(findCode(edit(2, [9]))).toBe('SURGERY_TENSOR_DATA');
  });
});

describe('whole tensors', () => {
  test('take another type and shape; declared types follow', () => {
    const value = P.len(13, P.str(1, 'w'), P.len(2, P.len(1, P.int(1, P.CODE.u8), P.len(2, P.len(1, P.int(1, 4))))));
    const bytes = P.model(
      P.join(
        P.node('Identity', ['w'], ['y']),
        P.initializer(P.tensor('w', P.CODE.u8, [4], P.raw(1, 2, 3, 4))),
        value,
        P.output('y'),
      ),
    );
    const model = edited(bytes, (tx) => {
      tx.setTensor('w', { dtype: 'f32', shape: [1, 2], values: [1, -2] });
    });
    expect(model.graph!.tensors.get('w')).toMatchObject({ dtype: 'f32', shape: [1, 2] });
    expect(model.graph!.values.get('w')).toEqual({ name: 'w', dtype: 'f32', shape: [1, 2] });
    expect(read(model, 'w')).toEqual([0, 0, 128, 63, 0, 0, 0, 192]);
  });

  test('become Constant nodes and initializers, whatever their storage, without a change of bytes', () => {
    for (const bytes of [raw, typed]) {
      const model = edited(bytes, (tx) => {
        tx.initializerToConstant('w');
      });
      expect(model.graph!.nodes.map(({ op }) => op)).toEqual(['Constant', 'Identity']);
      expect(read(model, 'w')).toEqual(read(open(bytes), 'w'));
      const again = editGraph(model, (tx) => {
        tx.constantToInitializer('w');
      });
      expect(runPlan(again.toRewrite()).length).toBe(bytes.length);
    }
  });

  test('external data stays outside when its tensor becomes a Constant, and comes in when it is stored raw', () => {
    const main = withTensor(P.tensor('w', P.CODE.u8, [2], P.external({ location: 'w.bin' })));
    const folder = memoryFolder({ 'w.bin': Uint8Array.of(1, 2) });
    const act = (change: (tx: Transaction) => void): Model =>
      openBytes(runPlan(editGraph(openBytes(main, 'm.onnx', folder), change).toRewrite()), 'm.onnx', folder);
    expect(
      act((tx) => {
        tx.initializerToConstant('w');
      }).tensors[0],
    ).toMatchObject({ name: 'w', storage: 'external' });
    const inside = act((tx) => {
      tx.setStorage('w', 'raw');
    });
    expect(inside.tensors[0].storage).toBe('raw');
    expect(read(inside, 'w')).toEqual([1, 2]);
  });

  test('every numeric element type goes from raw to typed storage and back', () => {
    const dtypes = (Object.keys(P.CODE) as DType[]).filter((dtype) => dtype !== 'string');
    fc.assert(
      fc.property(fc.constantFrom(...dtypes), fc.uint8Array({ minLength: 16, maxLength: 16 }), (dtype, noise) => {
        const count = 128 / DTYPES[dtype].bits;
        const content = dtype === 'bool' ? noise.map((byte) => byte & 1) : noise;
        const code = P.CODE[dtype as keyof typeof P.CODE];
        const bytes = withTensor(P.tensor('w', code, [count], P.raw(...content)));
        const stored = edited(bytes, (tx) => {
          tx.setStorage('w', 'typed');
        });
        expect(stored.tensors[0].storage).toBe('typed');
        expect(read(stored, 'w')).toEqual([...content]);
        expect(
          runPlan(
            editGraph(stored, (tx) => {
              tx.setStorage('w', 'raw');
            }).toRewrite(),
          ),
        ).toEqual(bytes);
      }),
    );
  });

  test('strings are added, and refused where they have no storage', () => {
    const model = edited(raw, (tx) => {
      tx.addInitializer('s', { dtype: 'string', shape: [2], strings: ['ä', ''] });
    });
    expect(read(model, 's')).toEqual([2, 0, 0, 0, 0xc3, 0xa4, 0, 0, 0, 0]);
    expect(
      findCode(() =>
        editGraph(model, (tx) => {
          tx.setStorage('s', 'raw');
        }),
      ),
    ).toBe('SURGERY_TENSOR_DATA');
  });

  test('sparse initializers are renamed and otherwise kept', () => {
    const sparse = P.len(
      15,
      P.len(1, P.tensor('sp', P.CODE.u8, [1], P.raw(5))),
      P.len(2, P.tensor('', P.CODE.i64, [1], P.len(7, P.varint(3)))),
      P.int(3, 8),
    );
    const bytes = modelOf({}, P.join(P.node('Identity', ['sp'], ['y']), sparse, P.output('y')));
    const model = edited(bytes, (tx) => {
      tx.renameValue('sp', 'thin');
    });
    expect(model.tensors.map(({ name }) => name)).toEqual(['thin.values', 'thin.indices']);
    expect(model.graph!.nodes[0].inputs).toEqual(['thin']);
    expect(
      runPlan(
        editGraph(model, (tx) => {
          tx.renameValue('thin', 'sp');
        }).toRewrite(),
      ),
    ).toEqual(bytes);
  });
});

describeWithShared('a real model', () => {
  test('one weight of ultraface changes four bytes of the file', () => {
    const bytes = new Uint8Array(readFileSync(sharedData('models/ultraface_rfb320.onnx')));
    const model = open(bytes);
    const tensor = model.tensors.find(({ dtype, elementCount }) => dtype === 'f32' && elementCount > 1000)!;
    const out = runPlan(
      editGraph(model, (tx) => {
        tx.editTensor(tensor.name, 5, { dtype: 'f32', shape: [1], values: [1e9] });
      }).toRewrite(),
    );
    expect(out.length).toBe(bytes.length);
    const changed = [...bytes.keys()].filter((at) => bytes[at] !== out[at]);
    expect(changed.every((at) => at >= tensor.start + 20 && at < tensor.start + 24)).toBe(true);
    expect(changed.length).toBeGreaterThan(0);
  });
});
