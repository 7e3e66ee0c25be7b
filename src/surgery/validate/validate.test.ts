import { describe, expect, test } from 'vitest';
import * as P from '../../../test/formats/proto.ts';
import { branches, chain, functions, modelOf, open } from '../../../test/surgery/graphs.ts';
import { toFunctionId } from '../../model/document.ts';
import { readGraphDocument } from '../../formats/index.ts';
import { RULES, type RuleId, validateDocument, validateGraph } from '../index.ts';

const rulesOf = (bytes: Uint8Array): string[] =>
  validateGraph(open(bytes)).problems.map(({ rule, scope, name }) => [rule, scope, name].join(' ').trim());

const graph = (...parts: readonly P.Part[]): Uint8Array => P.model(P.join(...parts));
const body = (name: string, ...parts: readonly P.Part[]): P.Part =>
  P.attribute(name, 5, P.len(6, P.str(2, name), ...parts));
const w = (name: string, code: number = P.CODE.u8): P.Part => P.initializer(P.tensor(name, code, [1], P.raw(1)));
const typed = (number: number, name: string, code: number, dim: number): P.Part =>
  P.len(number, P.str(1, name), P.len(2, P.len(1, P.int(1, code), P.len(2, P.len(1, P.int(1, dim))))));
const [x, y] = [P.input('x'), P.output('y')];
const neg = P.node('Neg', ['x'], ['y']);
const reference = P.len(5, P.str(1, 'alpha'), P.str(21, 'slope'), P.int(20, 1));
const functionOf = (name: string, ...parts: readonly P.Part[]): P.Part =>
  P.len(25, P.str(1, name), P.str(10, 'own'), P.str(4, 'a'), P.str(5, 'z'), P.len(9, P.int(2, 18)), ...parts);
const call = P.len(1, P.str(1, 'x'), P.str(2, 'y'), P.str(4, 'F'), P.str(7, 'own'));
const inFunction = (op: string, ...more: readonly P.Part[]): P.Part =>
  P.len(7, P.str(1, 'a'), P.str(2, 'z'), P.str(4, op), ...more);

const BROKEN: readonly (readonly [string, Uint8Array])[] = [
  ['empty-name', graph(neg, x, y, P.input(''))],
  ['duplicate-value  y', graph(neg, P.node('Abs', ['x'], ['y']), x, y)],
  ['duplicate-value  x', graph(neg, x, x, y)],
  [
    'shadowed-value if.then_branch x',
    graph(
      P.node(
        'If',
        ['x'],
        ['y'],
        P.str(3, 'if'),
        body('then_branch', P.node('Neg', ['x'], ['t']), w('x'), P.output('t')),
        body('else_branch', P.node('Neg', ['x'], ['t']), P.output('t')),
      ),
      x,
      y,
    ),
  ],
  ['undefined-value  q', graph(P.node('Neg', ['q'], ['y']), x, y)],
  ['undefined-output  z', graph(neg, x, y, P.output('z'))],
  [
    'captured-output if.then_branch x',
    graph(
      P.node(
        'If',
        ['x'],
        ['y'],
        P.str(3, 'if'),
        body('then_branch', P.output('x')),
        body('else_branch', P.node('Neg', ['x'], ['t']), P.output('t')),
      ),
      x,
      y,
    ),
  ],
  ['use-before-definition  r', graph(P.node('Neg', ['r'], ['y']), P.node('Abs', ['x'], ['r']), x, y)],
  ['initializer-not-input  w', modelOf({ ir: 3 }, P.join(neg, x, y, w('w')))],
  [
    'duplicate-node-name  n',
    graph(P.node('Neg', ['x'], ['y'], P.str(3, 'n')), P.node('Neg', ['x'], ['z'], P.str(3, 'n')), x, y),
  ],
  ['opset-missing  own', graph(P.node('F', ['x'], ['y'], P.str(7, 'own')), x, y)],
  [
    'unknown-reference own::F slope',
    modelOf({ opsets: { own: 1 } }, P.join(call, x, y), functionOf('F', inFunction('LeakyRelu', reference))),
  ],
  ['reference-outside-function  alpha', graph(P.node('LeakyRelu', ['x'], ['y'], reference), x, y)],
  [
    'subgraph-missing  else_branch',
    graph(
      P.node('If', ['x'], ['y'], P.str(3, 'if'), body('then_branch', P.node('Neg', ['x'], ['t']), P.output('t'))),
      x,
      y,
    ),
  ],
  [
    'subgraph-interface  body',
    graph(
      P.node(
        'Loop',
        ['x', 'x', 'x'],
        ['y'],
        P.str(3, 'loop'),
        body('body', P.input('i'), P.node('Neg', ['i'], ['t']), P.output('t')),
      ),
      x,
      y,
    ),
  ],
  ['constant-value  c', graph(P.node('Constant', [], ['c']), neg, x, y)],
  ['type-mismatch  w', graph(neg, x, y, w('w'), typed(13, 'w', P.CODE.i8, 1))],
  ['type-mismatch  w', graph(neg, x, y, w('w'), typed(13, 'w', P.CODE.u8, 2))],
];

describe('the checker', () => {
  test.each(BROKEN)('finds %s', (expected, bytes) => {
    expect(rulesOf(bytes)).toEqual([expected]);
  });

  test('finds a cycle, and reading ahead on the way', () => {
    expect(
      rulesOf(graph(P.node('Add', ['x', 'b'], ['a']), P.node('Neg', ['a'], ['b']), P.node('Neg', ['b'], ['y']), x, y)),
    ).toEqual(['use-before-definition  b', 'cycle  a', 'cycle  b', 'cycle  y']);
  });

  test('finds what the reader refuses already, in documents that an edit made', () => {
    const document = readGraphDocument(open(functions()));
    const [twice] = document.functions;
    const rules = (changed: typeof document): string[] => validateDocument(changed).problems.map(({ rule }) => rule);
    expect(rules({ ...document, functions: [twice, { ...twice }] })).toEqual(['duplicate-function']);
    const recursive = { ...twice.body.nodes[0], domain: 'own', op: 'Twice' };
    const opsets = [...twice.opsets, { domain: 'own', version: 1, place: null }];
    const circle = { ...twice, opsets, body: { ...twice.body, nodes: [recursive] } };
    expect(toFunctionId(circle)).toBe('own::Twice');
    expect(rules({ ...document, functions: [circle] })).toEqual(['function-cycle']);
    expect(rules({ ...document, opsets: [...document.opsets, { domain: '', version: 9, place: null }] })).toEqual([
      'opset-conflict',
    ]);
  });

  test('refuses graphs that would be nested deeper than runtimes read', () => {
    const document = readGraphDocument(open(branches()));
    let inner = document.graph;
    for (let depth = 0; depth < 40; depth++) {
      const [relu, control] = document.graph.nodes;
      const attributes = new Map(control.attributes).set('then_branch', {
        kind: 'graph',
        graph: { ...inner, path: `p${depth}` },
      });
      inner = { ...document.graph, nodes: [relu, { ...control, attributes }] };
    }
    expect(validateDocument({ ...document, graph: inner }).problems.map(({ rule }) => rule)).toContain('depth');
  });

  test('has a test for every rule, and finds nothing in valid graphs', () => {
    const tested = new Set(BROKEN.map(([text]) => text.split(' ')[0]));
    for (const rule of ['cycle', 'duplicate-function', 'function-cycle', 'opset-conflict', 'depth']) tested.add(rule);
    expect((Object.keys(RULES) as RuleId[]).filter((rule) => !tested.has(rule))).toEqual([]);
    for (const bytes of [chain(), branches(), functions()]) expect(rulesOf(bytes)).toEqual([]);
  });

  test('lists a bounded number of problems and counts all', () => {
    const bad = Array.from({ length: 300 }, (_, i) => P.node('Neg', [`q${i}`], [`z${i}`]));
    const { problems, count } = validateGraph(open(graph(neg, x, y, ...bad)));
    expect([problems.length, count]).toEqual([200, 300]);
  });
});
