import { describe, expect, test } from 'vitest';
import { findCode } from '../../../test/formats/models.ts';
import { build, f32, node } from '../../../test/surgery/build.ts';
import { branches, chain, edited, functions, modelOf, open, reopen, toLines } from '../../../test/surgery/graphs.ts';
import { runEdit } from '../../../test/surgery/run.ts';
import * as P from '../../../test/formats/proto.ts';
import { importable } from '../../../test/importable.ts';
import { openNodeRuntime } from '../../adapters/runtime/index.ts';
import type { Model } from '../../model/types.ts';
import {
  applyEditPlan,
  createModel,
  editGraph,
  formatEditPlan,
  OUTLINE_DOMAIN,
  toModelBytes,
  type Transaction,
} from '../index.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';

/** y = (relu(x) · w + v) - t with t = tanh(x), which stands between; z = abs(relu(x) · w). */
const block = (ir = 8): Model =>
  build({
    ir,
    inputs: [{ name: 'x', dtype: 'f32', shape: [2] }],
    outputs: ['y', 'z'].map((name) => ({ name, dtype: 'f32' as const, shape: [2] })),
    initializers: { w: f32([2], 2, 3), v: f32([2], 1, 1) },
    nodes: [
      node('Relu', ['x'], ['r']),
      node('Mul', ['r', 'w'], ['m']),
      node('Abs', ['m'], ['z']),
      node('Tanh', ['x'], ['t']),
      node('Add', ['m', 'v'], ['a']),
      node('Sub', ['a', 't'], ['y']),
    ],
  });

const outlined = (model: Model, ...values: readonly string[]): ReturnType<typeof editGraph> =>
  editGraph(model, (tx) => {
    const nodes = values.map((output) => ({ output }));
    tx.outline(nodes, 'Block');
  });

test('nodes become a function: constants are inputs, what reads their values stands behind the call', () => {
  const model = reopen(outlined(block(), 'a', 'r', 'm'));
  expect(toLines(model.graph)).toEqual(['t = Tanh(x)', 'm,a = Block(x,w,v)', 'z = Abs(m)', 'y = Sub(a,t)']);
  const body = model.functions.get(`${OUTLINE_DOMAIN}::Block`)!;
  expect(toLines(body)).toEqual(['r = Relu(x)', 'm = Mul(r,w)', 'a = Add(m,v)']);
  expect([body.inputs, body.outputs].map((list) => list.map(({ name }) => name))).toEqual([
    ['x', 'w', 'v'],
    ['m', 'a'],
  ]);
});

describe(`in onnxruntime${needs}`, () => {
  test.runIf(hasNode).each([
    ['a block', ['r', 'm', 'a']],
    ['one node', ['m']],
    ['all of them', ['r', 'm', 'z', 't', 'a', 'y']],
  ])('%s outlined gives the same, and inlined again gives the nodes', async (_, values) => {
    const runtime = await openNodeRuntime();
    const feeds = { x: f32([2], -1, 2) };
    const edit = outlined(block(), ...values);
    const before = await runEdit(
      runtime,
      editGraph(block(), () => undefined),
      feeds,
    );
    expect(await runEdit(runtime, edit, feeds)).toEqual(before);
    const back = editGraph(reopen(edit), (tx) => {
      tx.inlineAll();
    });
    expect(await runEdit(runtime, back, feeds)).toEqual(before);
    const ops = (model: Model): string[] => model.graph!.nodes.map(({ op }) => op).sort();
    expect(ops(reopen(back))).toEqual(ops(block()));
    expect(reopen(back).functions.size).toBe(0);
  });
});

test('the plan replays to the same bytes', () => {
  const edit = outlined(block(), 'r', 'm');
  const again = applyEditPlan(block(), formatEditPlan(edit.plan));
  expect(Buffer.compare(toModelBytes(again), toModelBytes(edit))).toBe(0);
  expect(formatEditPlan(edit.plan)).toContain('"verb":"outline"');
});

test('a subgraph goes along with what it captures; what it defines itself is no input', () => {
  const model = edited(branches(), (tx) => {
    tx.outline([{ output: 'y' }], 'Choice', { domain: 'own' });
  });
  expect(toLines(model.graph)).toEqual(['r = Relu(x)', 'y = Choice(c,r)']);
  expect(toLines(model.functions.get('own::Choice'))).toEqual(['y = If(c)']);
});

test('nodes of a subgraph: values of the scopes around become inputs of the call', () => {
  const model = edited(branches(), (tx) => {
    tx.outline([{ output: 't', scope: 'if.then_branch' }], 'Negated');
  });
  const [, choice] = model.graph!.nodes;
  const inner = [...choice.attributes.values()].map((value) => (value.kind === 'graph' ? toLines(value.graph) : []));
  expect(inner).toEqual([['t = Negated(r)'], ['e = Abs(r)']]);
});

test('nodes of a function: attributes that they refer to are handed on; operator sets are those of the function', () => {
  const reference = P.len(5, P.str(1, 'alpha'), P.str(21, 'slope'), P.int(20, 1));
  const bytes = modelOf(
    { opsets: { '': 18, own: 1 } },
    P.join(
      P.node('Bent', ['x'], ['y'], P.str(7, 'own'), P.attribute('slope', 1, P.f32(2, 0.5))),
      P.input('x'),
      P.output('y'),
    ),
    P.len(
      25,
      ...[P.str(1, 'Bent'), P.str(10, 'own'), P.str(4, 'a'), P.str(5, 'z'), P.str(6, 'slope')],
      P.len(7, P.str(1, 'a'), P.str(2, 't'), P.str(4, 'LeakyRelu'), reference),
      P.len(7, P.str(1, 't'), P.str(2, 'z'), P.str(4, 'Neg')),
      P.len(9, P.int(2, 17)),
    ),
  );
  const edit = editGraph(open(bytes), (tx) => {
    tx.outline([{ output: 't', scope: 'own::Bent' }], 'Inner', { domain: 'own' });
  });
  const inner = edit.document.functions.find(({ name }) => name === 'Inner')!;
  expect([inner.attributes, inner.opsets.map(({ domain, version }) => [domain, version])]).toEqual([
    ['slope'],
    [['', 17]],
  ]);
  const [call] = reopen(edit).functions.get('own::Bent')!.nodes;
  expect([call.op, call.attributes.get('slope')]).toEqual(['Inner', { kind: 'other', type: 1, reference: 'slope' }]);
});

test('types of values inside go along from IR 10 on', () => {
  const typed = (ir: number): readonly string[] => {
    const model = reopen(
      editGraph(block(ir), (tx) => {
        tx.setType('r', { dtype: 'f32', shape: [2] });
        tx.outline([{ output: 'r' }, { output: 'm' }], 'Block');
      }),
    );
    expect(model.graph!.values.has('r')).toBe(false);
    return [...model.functions.get(`${OUTLINE_DOMAIN}::Block`)!.values.keys()].filter((name) => name === 'r');
  };
  expect([typed(8), typed(10)]).toEqual([[], ['r']]);
});

const outlineOf =
  (model: Model, act: (tx: Transaction) => void): (() => unknown) =>
  () =>
    editGraph(model, act);

test.each<[string, () => unknown]>([
  [
    'SURGERY_OUTLINE_GAP',
    outlineOf(block(), (tx) => {
      tx.outline([{ output: 'r' }, { output: 'a' }], 'Block');
    }),
  ],
  [
    'SURGERY_IR_TOO_OLD',
    outlineOf(block(7), (tx) => {
      tx.outline([{ output: 'r' }], 'Block');
    }),
  ],
  [
    'SURGERY_IR_TOO_OLD',
    outlineOf(createModel({ irVersion: 8 }), (tx) => {
      const defaults = { alpha: { float: 1 } };
      tx.addFunction({ name: 'F', domain: 'own', inputs: [], outputs: [], defaults });
    }),
  ],
  [
    'SURGERY_IR_TOO_OLD',
    outlineOf(createModel({ irVersion: 9 }), (tx) => {
      tx.addFunction({ name: 'F', domain: 'own', overload: 'a', inputs: [], outputs: [] });
    }),
  ],
  [
    'SURGERY_NAME_TAKEN',
    outlineOf(open(functions()), (tx) => {
      tx.outline([{ output: 'y' }], 'Twice', { domain: 'own' });
    }),
  ],
  [
    'SURGERY_NOT_IN_SCOPE',
    outlineOf(open(branches()), (tx) => {
      tx.outline([{ output: 'r' }, { output: 't', scope: 'if.then_branch' }], 'Block');
    }),
  ],
  [
    'SURGERY_OPSET_MISSING',
    outlineOf(open(chain()), (tx) => {
      const nodes = [{ op: 'Neg', inputs: ['a'], outputs: ['b'] }];
      tx.addFunction({ name: 'F', domain: 'own', inputs: ['a'], outputs: ['b'], opsets: { own: 1 }, nodes });
    }),
  ],
])('%s', (code, act) => {
  expect(findCode(act)).toBe(code);
});
