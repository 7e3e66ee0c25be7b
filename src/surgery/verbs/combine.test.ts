import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memoryFolder } from '../../../test/memory-folder.ts';
import { findCode, openBytes, runPlan } from '../../../test/formats/models.ts';
import * as P from '../../../test/formats/proto.ts';
import { importable } from '../../../test/importable.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { branches, chain, edited, functions, modelOf, open, reopen, toLines } from '../../../test/surgery/graphs.ts';
import { isClose, runModel } from '../../../test/surgery/metamorphic.ts';
import { openNodeRuntime } from '../../adapters/runtime/index.ts';
import { applyEditPlan, editGraph, formatEditPlan, type Transaction } from '../index.ts';

const hasNode = await importable('onnxruntime-node');
const body = (name: string, ...parts: readonly P.Part[]): P.Part =>
  P.attribute(name, 5, P.len(6, P.str(2, name), ...parts));
const functionNode = (...parts: readonly P.Part[]): P.Part => P.len(7, ...parts);

/** own::Scale(a; slope, offset = 2) = a · slope … : references, a default, a subgraph that captures, a call of own::Inner. */
const nested = (): Uint8Array =>
  modelOf(
    { opsets: { '': 18, own: 1 } },
    P.join(
      P.node('Scale', ['x'], ['y'], P.str(3, 'call'), P.str(7, 'own'), P.attribute('slope', 1, P.f32(2, 3))),
      P.node('Scale', ['y'], ['z'], P.str(7, 'own')),
      P.input('x'),
      P.output('y'),
      P.output('z'),
    ),
    P.len(
      25,
      P.str(1, 'Scale'),
      P.str(10, 'own'),
      P.str(4, 'a'),
      P.str(5, 'z'),
      P.str(6, 'slope'),
      P.len(11, P.str(1, 'offset'), P.f32(2, 2), P.int(20, 1)),
      functionNode(
        P.str(1, 'a'),
        P.str(2, 't'),
        P.str(3, 'leaky'),
        P.str(4, 'LeakyRelu'),
        P.len(5, P.str(1, 'alpha'), P.str(21, 'slope'), P.int(20, 1)),
      ),
      functionNode(
        P.str(1, 't'),
        P.str(2, 'u'),
        P.str(4, 'Elu'),
        P.len(5, P.str(1, 'alpha'), P.str(21, 'offset'), P.int(20, 1)),
      ),
      functionNode(
        P.str(1, 'u'),
        P.str(2, 'w'),
        P.str(4, 'If'),
        body('then_branch', P.node('Neg', ['t'], ['x']), P.output('x')),
        body('else_branch', P.node('Abs', ['u'], ['x']), P.output('x')),
      ),
      functionNode(P.str(1, 'w'), P.str(2, 'z'), P.str(4, 'Inner'), P.str(7, 'own')),
      P.len(9, P.int(2, 18)),
      P.len(9, P.str(1, 'own'), P.int(2, 1)),
    ),
    P.len(
      25,
      P.str(1, 'Inner'),
      P.str(10, 'own'),
      P.str(4, 'a'),
      P.str(5, 'b'),
      functionNode(P.str(1, 'a'), P.str(2, 'b'), P.str(4, 'Tanh')),
      P.len(9, P.int(2, 18)),
    ),
  );

describe('inlining', () => {
  test('takes the attributes of the call, else defaults, else none; captures follow; nothing is shadowed', () => {
    const model = edited(nested(), (tx) => {
      tx.inlineAll();
    });
    expect(toLines(model.graph)).toEqual([
      't_2 = LeakyRelu(x)',
      'u_2 = Elu(t_2)',
      'w_2 = If(u_2)',
      'y = Tanh(w_2)',
      't_3 = LeakyRelu(y)',
      'u_3 = Elu(t_3)',
      'w_3 = If(u_3)',
      'z = Tanh(w_3)',
    ]);
    const [leaky, elu, choice, , second] = model.graph!.nodes;
    expect([leaky.name, second.name]).toEqual(['leaky_2', 'leaky_3']);
    expect([...leaky.attributes]).toEqual([['alpha', { kind: 'float', value: 3 }]]);
    expect([...elu.attributes]).toEqual([['alpha', { kind: 'float', value: 2 }]]);
    expect([...second.attributes]).toEqual([]);
    const inner = [...choice.attributes.values()].map((value) => (value.kind === 'graph' ? toLines(value.graph) : []));
    expect(inner).toEqual([['x_2 = Neg(t_2)'], ['x_3 = Abs(u_2)']]);
    expect(model.functions.size).toBe(0);
  });

  test('an output that is an input, and one that is given twice, take an Identity; an omitted one takes none', () => {
    const bytes = modelOf(
      { opsets: { '': 18, own: 1 } },
      P.join(P.node('F', ['x'], ['y', '', 'z'], P.str(7, 'own')), P.input('x'), P.output('y'), P.output('z')),
      P.len(
        25,
        P.str(1, 'F'),
        P.str(10, 'own'),
        P.str(4, 'a'),
        ...['a', 'b', 'a'].map((name) => P.str(5, name)),
        functionNode(P.str(1, 'a'), P.str(2, 'b'), P.str(4, 'Neg')),
        P.len(9, P.int(2, 18)),
      ),
    );
    const model = edited(bytes, (tx) => {
      tx.inline({ output: 'y' });
    });
    expect(toLines(model.graph)).toEqual(['b_2 = Neg(x)', 'y = Identity(x)', 'z = Identity(x)']);
  });

  const runs = 'a model and its inlined copy give the same';
  if (!hasNode) test.skip(`${runs} [needs onnxruntime-node]`);
  else {
    test('a model and its inlined copy give the same', async () => {
      const type = P.len(2, P.len(1, P.int(1, P.CODE.f32), P.len(2, P.len(1, P.int(1, 4)))));
      const slope = P.len(5, P.str(1, 'alpha'), P.str(21, 'slope'), P.int(20, 1));
      const call = (from: string, to: string, ...more: readonly P.Part[]): P.Part =>
        P.node('Bent', [from], [to], P.str(7, 'own'), ...more);
      const bytes = modelOf(
        { opsets: { '': 18, own: 1 } },
        P.join(
          call('x', 't', P.attribute('slope', 1, P.f32(2, 0.5))),
          call('t', 'y'),
          P.len(11, P.str(1, 'x'), type),
          P.len(12, P.str(1, 'y'), type),
        ),
        P.len(
          25,
          ...[P.str(1, 'Bent'), P.str(10, 'own'), P.str(4, 'a'), P.str(5, 'z')],
          P.len(11, P.str(1, 'slope'), P.f32(2, 3), P.int(20, 1)),
          functionNode(P.str(1, 'a'), P.str(2, 't'), P.str(4, 'LeakyRelu'), slope),
          functionNode(P.str(1, 't'), P.str(1, 'a'), P.str(2, 'z'), P.str(4, 'Add')),
          P.len(9, P.int(2, 18)),
        ),
      );
      const inlined = editGraph(open(bytes), (tx) => {
        tx.inlineAll();
      });
      const runtime = await openNodeRuntime();
      const data = new Uint8Array(Float32Array.of(-2, -1, 1, 2).buffer);
      const inputs = [{ dtype: 'f32' as const, shape: [4], data }];
      const [whole, flat] = [
        await runModel(runtime, bytes, inputs),
        await runModel(runtime, runPlan(inlined.toRewrite()), inputs),
      ];
      expect([whole.problem, flat.problem, inlined.document.functions]).toEqual([null, null, []]);
      expect([...new Float32Array(Uint8Array.from(flat.outputs![0].data).buffer)]).toEqual([-12, -6, 4, 8]);
      expect(isClose(whole.outputs!, flat.outputs!)).toBe(true);
    });
  }

  test('SURGERY_FUNCTION_MISSING, SURGERY_OPSET_CONFLICT', () => {
    const inline = (bytes: Uint8Array, output: string) => () =>
      editGraph(open(bytes), (tx) => {
        tx.inline({ output });
      });
    expect(findCode(inline(chain(), 'y'))).toBe('SURGERY_FUNCTION_MISSING');
    expect(findCode(inline(functions(17), 'y'))).toBe('SURGERY_OPSET_CONFLICT');
  });

  test('SURGERY_GRAPH_TOO_LARGE: functions that unfold to billions of nodes', () => {
    const levels = 40;
    const level = (i: number): P.Part =>
      P.len(
        25,
        P.str(1, `F${i}`),
        P.str(10, 'own'),
        P.str(4, 'a'),
        P.str(5, 'c'),
        ...[
          ['a', 'b'],
          ['b', 'c'],
        ].map(([from, to]) =>
          functionNode(
            P.str(1, from),
            P.str(2, to),
            P.str(4, i === 0 ? 'Neg' : `F${i - 1}`),
            ...(i === 0 ? [] : [P.str(7, 'own')]),
          ),
        ),
        P.len(9, P.int(2, 18)),
        P.len(9, P.str(1, 'own'), P.int(2, 1)),
      );
    const bomb = modelOf(
      { opsets: { '': 18, own: 1 } },
      P.join(P.node(`F${levels - 1}`, ['x'], ['y'], P.str(7, 'own')), P.input('x'), P.output('y')),
      ...Array.from({ length: levels }, (_, i) => level(i)),
    );
    expect(
      findCode(() =>
        editGraph(open(bomb), (tx) => {
          tx.inlineAll();
        }),
      ),
    ).toBe('SURGERY_GRAPH_TOO_LARGE');
  });
});

describe('a prefix', () => {
  test('goes before all names but the interface, or these too', () => {
    const lines = (act: (tx: Transaction) => void): string[] => toLines(edited(branches(), act).graph);
    expect(
      lines((tx) => {
        tx.prefix('p/');
      }),
    ).toEqual(['p/r = Relu(x)', 'y = If(c)']);
    const model = edited(branches(), (tx) => {
      tx.prefix('p/', { interface: true });
    });
    expect(toLines(model.graph)).toEqual(['p/r = Relu(p/x)', 'p/y = If(p/c)']);
    const inner = model.graph!.nodes[1].attributes.get('then_branch');
    expect(inner?.kind === 'graph' && toLines(inner.graph)).toEqual(['p/t = Neg(p/r)']);
    expect(model.graph!.outputs[0].name).toBe('p/y');
  });
});

describe('a merge', () => {
  const weights = P.initializer(P.tensor('k', P.CODE.u8, [2], P.raw(5, 6)));

  test('joins interfaces, imports and functions; the plan replays with the same models', () => {
    const [first, second] = [open(chain(weights)), open(functions())];
    const models = { tail: second };
    const edit = editGraph(
      first,
      (tx) => {
        tx.merge('tail', { prefix: 't/', connect: { x: 'y' } });
      },
      { models },
    );
    const model = reopen(edit);
    expect(toLines(model.graph)).toEqual(['r = Relu(x)', 'y = Neg(r)', 't/y = Twice(y)']);
    expect([model.graph!.inputs, model.graph!.outputs].map((list) => list.map(({ name }) => name))).toEqual([
      ['x'],
      ['t/y'],
    ]);
    expect([...model.opsets]).toEqual([
      ['', 18],
      ['own', 1],
    ]);
    expect([...model.functions.keys()]).toEqual(['own::Twice', 'own::Unused']);
    const again = applyEditPlan(first, formatEditPlan(edit.plan), { models });
    expect(runPlan(again.toRewrite())).toEqual(runPlan(edit.toRewrite()));
    expect(findCode(() => applyEditPlan(first, formatEditPlan(edit.plan)))).toBe('SURGERY_MODEL_MISSING');
  });

  test('brings weights along, those in other files into the main one', () => {
    const outside = P.initializer(P.tensor('e', P.CODE.u8, [2], P.external({ location: 'e.bin' })));
    const folder = memoryFolder({ 'e.bin': Uint8Array.of(8, 9) });
    const other = openBytes(chain(weights, outside), 'other.onnx', folder);
    const edit = editGraph(
      open(chain()),
      (tx) => {
        tx.merge('other', { prefix: 'o_' });
      },
      { models: { other } },
    );
    const tensors = reopen(edit).tensors.map((tensor) => {
      const bytes = new Uint8Array(tensor.byteLength);
      tensor.read(0, bytes);
      return [tensor.name, tensor.storage, ...bytes];
    });
    expect(tensors).toEqual([
      ['o_k', 'raw', 5, 6],
      ['o_e', 'raw', 8, 9],
    ]);
  });

  test.each([
    ['SURGERY_NAME_TAKEN', chain(), {}],
    ['SURGERY_VALUE_MISSING', chain(), { prefix: 'o_', connect: { nothing: 'y' } }],
    ['SURGERY_VALUE_MISSING', chain(), { prefix: 'o_', connect: { x: 'nothing' } }],
    [
      'SURGERY_OPSET_CONFLICT',
      modelOf({ opsets: { '': 17 } }, P.join(P.node('Neg', ['p'], ['q']), P.input('p'), P.output('q'))),
      {},
    ],
    [
      'SURGERY_MERGE_CONFLICT',
      modelOf({ ir: 9 }, P.join(P.node('Neg', ['p'], ['q']), P.input('p'), P.output('q'))),
      {},
    ],
    [
      'SURGERY_MERGE_CONFLICT',
      modelOf({ ir: 3 }, P.join(P.node('Neg', ['p'], ['q']), P.input('p'), P.output('q'))),
      {},
    ],
  ] as const)('%s (case %#)', (code, bytes, options) => {
    const models = { other: open(bytes) };
    expect(
      findCode(() =>
        editGraph(
          open(chain()),
          (tx) => {
            tx.merge('other', options);
          },
          { models },
        ),
      ),
    ).toBe(code);
  });
});

describeWithShared('a real model', () => {
  const title = 'mnist cut in two and merged again gives the same';
  if (!hasNode) test.skip(`${title} [needs onnxruntime-node]`);
  else {
    test('mnist cut in two and merged again gives the same', async () => {
      const runtime = await openNodeRuntime();
      const bytes = new Uint8Array(readFileSync(sharedData('models/mnist.onnx')));
      const half = (act: (tx: Transaction) => void) => open(runPlan(editGraph(open(bytes), act).toRewrite()));
      const cut = 'Pooling66_Output_0';
      const head = half((tx) => {
        tx.extract(['Input3'], [cut]);
      });
      const tail = half((tx) => {
        tx.extract([cut], ['Plus214_Output_0']);
      });
      const edit = editGraph(
        head,
        (tx) => {
          tx.merge('tail', { prefix: 'tail_', connect: { [cut]: cut } });
        },
        { models: { tail } },
      );
      const data = new Uint8Array(Float32Array.from({ length: 784 }, (_, i) => Math.cos(i)).buffer);
      const inputs = [{ dtype: 'f32' as const, shape: [1, 1, 28, 28], data }];
      const [whole, merged] = [
        await runModel(runtime, bytes, inputs),
        await runModel(runtime, runPlan(edit.toRewrite()), inputs),
      ];
      expect([whole.problem, merged.problem]).toEqual([null, null]);
      expect(isClose(whole.outputs!, merged.outputs!)).toBe(true);
    });
  }
});
