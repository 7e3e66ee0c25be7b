import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../test/formats/models.ts';
import * as P from '../../test/formats/proto.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { openModel } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import { applyEditPlan, editGraph, formatEditPlan, type GraphEdit, validateGraph } from './index.ts';

const open = (bytes: Uint8Array): Model => openBytes(bytes, 'model.onnx');

/** x → Relu a → r → Neg b → y, with an unused initializer w and a field that nobody knows. */
const chain = (): Uint8Array =>
  P.model(
    P.join(
      P.len(1, P.str(1, 'x'), P.str(2, 'r'), P.str(3, 'a'), P.str(4, 'Relu'), P.str(99, 'kept')),
      P.node('Neg', ['r'], ['y'], P.str(3, 'b')),
      P.initializer(P.tensor('w', P.CODE.u8, [4], P.raw(1, 2, 3, 4))),
      P.input('x'),
      P.output('y'),
      P.len(13, P.str(1, 'r')),
    ),
  );

function reopen(edit: GraphEdit): Model {
  return openModel({
    source: openBufferSource('model.onnx', runPlan(edit.toRewrite())),
    name: 'model.onnx',
    folder: null,
  });
}

const toOps = (model: Model): string[] =>
  model.graph!.nodes.map(({ op, inputs, outputs }) => `${outputs.join()} = ${op}(${inputs.join()})`);

describe('a transaction', () => {
  test('gives a model with the edit, and leaves the opened one as it was', () => {
    const bytes = chain();
    const model = open(bytes);
    const edit = editGraph(model, (tx) => {
      const { value } = tx.insertAfter('r', { op: 'Identity' });
      expect(value).toBe('r_Identity');
    });
    expect(toOps(reopen(edit))).toEqual(['r = Relu(x)', 'r_Identity = Identity(r)', 'y = Neg(r_Identity)']);
    expect(toOps(model)).toEqual(['r = Relu(x)', 'y = Neg(r)']);
    expect(runPlan(model.plan([]))).toEqual(bytes);
  });

  test('that does nothing, or undoes what it did, gives the file byte for byte', () => {
    const bytes = chain();
    const model = open(bytes);
    expect(runPlan(editGraph(model, () => undefined).toRewrite())).toEqual(bytes);
    const undone = editGraph(model, (tx) => {
      tx.renameValue('r', 'other');
      tx.renameValue('other', 'r');
      const { node } = tx.insertAfter('r', { op: 'Identity' });
      tx.remove(node, { reconnect: true });
    });
    expect(runPlan(undone.toRewrite())).toEqual(bytes);
  });

  test('keeps the bytes around an edit, unknown fields of a changed node included', () => {
    const bytes = chain();
    const edited = runPlan(
      editGraph(open(bytes), (tx) => {
        tx.renameValue('r', 'renamed');
      }).toRewrite(),
    );
    const text = Buffer.from(edited).toString('latin1');
    expect(text).toContain('kept');
    const expected = P.model(
      P.join(
        P.len(1, P.str(1, 'x'), P.str(2, 'renamed'), P.str(3, 'a'), P.str(4, 'Relu'), P.str(99, 'kept')),
        P.node('Neg', ['renamed'], ['y'], P.str(3, 'b')),
        P.initializer(P.tensor('w', P.CODE.u8, [4], P.raw(1, 2, 3, 4))),
        P.input('x'),
        P.output('y'),
        P.len(13, P.str(1, 'renamed')),
      ),
    );
    expect(edited).toEqual(expected);
  });

  test('that fails leaves nothing behind: the next edit starts from the model as opened', () => {
    const model = open(chain());
    expect(() =>
      editGraph(model, (tx) => {
        tx.insertAfter('r', { op: 'Identity' });
        throw new RangeError('stop');
      }),
    ).toThrow(RangeError);
    expect(toOps(reopen(editGraph(model, () => undefined)))).toEqual(['r = Relu(x)', 'y = Neg(r)']);
  });

  test('that would make the graph invalid is refused with the rule and the place', () => {
    const model = open(chain());
    const act = (): GraphEdit =>
      editGraph(model, (tx) => {
        tx.setInput({ output: 'r' }, 0, 'y');
      });
    expect(findCode(act)).toBe('SURGERY_INVALID');
    expect(act).toThrow(
      expect.objectContaining({ fields: { rule: 'use-before-definition', scope: '', name: 'y', node: 'a', count: 3 } }),
    );
  });

  test('is not blamed for what was wrong before', () => {
    const broken = P.model(
      P.join(
        P.node('Neg', ['nowhere'], ['y']),
        P.node('Relu', ['x'], ['z']),
        P.input('x'),
        P.output('y'),
        P.output('z'),
      ),
    );
    const model = open(broken);
    expect(validateGraph(model).problems.map(({ rule }) => rule)).toEqual(['undefined-value']);
    const edit = editGraph(model, (tx) => {
      tx.insertAfter('z', { op: 'Identity' });
      tx.renameValue('y', 'w');
    });
    expect(edit.inherited).toMatchObject([{ rule: 'undefined-value', name: 'nowhere' }]);
    expect(() =>
      editGraph(model, (tx) => {
        tx.setInput({ output: 'z' }, 0, 'gone');
      }),
    ).toThrow(/invalid/);
  });
});

describe('a plan', () => {
  test('is JSON, and replays to the same bytes', () => {
    const model = open(chain());
    const edit = editGraph(model, (tx) => {
      tx.addInitializer('scale', { dtype: 'f32', shape: [], values: [2] });
      tx.insertOnEdge('r', { output: 'y' }, { op: 'Mul', inputs: [null, 'scale'] });
      tx.addInitializer('bytes', { dtype: 'u8', shape: [2], data: Uint8Array.of(7, 8) });
      tx.insertBefore({ name: 'a' }, 0, { op: 'Elu', attributes: { alpha: { float: 0.5 } } });
      tx.addOutput('r', { dtype: 'f32', shape: ['n'] });
      tx.toposort();
      tx.cleanup();
    });
    const text = formatEditPlan(edit.plan);
    expect(runPlan(applyEditPlan(model, text).toRewrite())).toEqual(runPlan(edit.toRewrite()));
    expect(formatEditPlan(applyEditPlan(model, JSON.parse(text)).plan)).toBe(text);
    expect(toOps(reopen(edit))).toEqual([
      'x_Elu = Elu(x)',
      'r = Relu(x_Elu)',
      'r_Mul = Mul(r,scale)',
      'y = Neg(r_Mul)',
    ]);
  });

  test.each([
    ['no plan', {}],
    ['not JSON', '{'],
    ['another version', { format: 'modelward-edit-plan', version: 2, steps: [] }],
    ['an unknown verb', { format: 'modelward-edit-plan', version: 1, steps: [{ verb: '__proto__' }] }],
    ['an unknown argument', { format: 'modelward-edit-plan', version: 1, steps: [{ verb: 'cleanup', deep: true }] }],
    ['a missing argument', { format: 'modelward-edit-plan', version: 1, steps: [{ verb: 'remove' }] }],
  ])('%s is refused', (_, plan) => {
    expect(findCode(() => applyEditPlan(open(chain()), plan))).toBe('SURGERY_PLAN_MALFORMED');
  });
});

describeWithShared('a real model', () => {
  test('mnist keeps every byte outside the edited nodes and the graph length', () => {
    const bytes = new Uint8Array(readFileSync(sharedData('models/mnist.onnx')));
    const edited = runPlan(
      editGraph(open(bytes), (tx) => void tx.insertAfter('ReLU32_Output_0', { op: 'Identity' })).toRewrite(),
    );
    let same = 0;
    while (bytes[bytes.length - 1 - same] === edited[edited.length - 1 - same]) same++;
    // Weights and everything else behind the first reader of the value lie at the end, untouched.
    expect(same).toBeGreaterThan(bytes.length - 1500);
    expect(toOps(open(edited))).toContain('ReLU32_Output_0_Identity = Identity(ReLU32_Output_0)');
  });
});
