/** One smallest graph that breaks each rule, and one beside it that does not. */
import { describe, expect, test } from 'vitest';
import { named } from '../../../../test/attacks/backdoors/benign.ts';
import { scanBytes } from '../../../../test/attacks/backdoors/judge.ts';
import { cast, floats, graph, graphAttribute, intAttribute, longs } from '../../../../test/attacks/backdoors/parts.ts';
import {
  CODE,
  initializer,
  int,
  join,
  len,
  node,
  type Part,
  raw,
  str,
  tensor,
} from '../../../../test/formats/proto.ts';
import type { ScanReport } from '../finding.ts';
import type { ScanRuleId } from '../rules.ts';

const F = CODE.f32;

/** f32 weights that differ from one another. */
function weights(name: string, dims: readonly number[]): Part {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1));
  return initializer(tensor(name, CODE.f32, dims, len(9, new Uint8Array(values.buffer))));
}

const network = [weights('w', [64, 32]), node('MatMul', ['x', 'w'], ['h'])];

function scan(parts: readonly Part[], inputs: readonly (readonly [string, number])[] = [['x', F]]): ScanReport {
  return scanBytes('t.onnx', named('t', parts, inputs).bytes);
}

function gradeOf(report: ScanReport, rule: ScanRuleId): string | undefined {
  return report.findings.find((finding) => finding.rule === rule)?.severity;
}

test('a plain network breaks none', () => {
  const report = scan([...network, node('Relu', ['h'], ['y'])]);
  expect([report.verdict, report.findings, report.notScanned]).toEqual(['nothing-found', [], []]);
  expect(report.scanned.map(({ part }) => part)).toEqual(['graph', 'text', 'weights']);
});

describe('G05 overwritten-output', () => {
  const write = [longs('at', [0], [1, 1]), floats('new', [9], [1]), node('ScatterND', ['h', 'at', 'new'], ['z'])];
  test('constants over an output are high', () => {
    expect(gradeOf(scan([...network, ...write, node('Identity', ['z'], ['y'])]), 'G05')).toBe('high');
  });
  test('inside the network they are told', () => {
    const deeper = [weights('v', [32, 8]), node('MatMul', ['z', 'v'], ['y'])];
    expect(gradeOf(scan([...network, ...write, ...deeper]), 'G05')).toBe('benign');
  });
  test.each(['ScatterElements', 'Scatter'])('by %s, too', (op) => {
    const other = [longs('at', [0], [1, 1]), floats('new', [9], [1, 1]), node(op, ['h', 'at', 'new'], ['z'])];
    expect(gradeOf(scan([...network, ...other, node('Identity', ['z'], ['y'])]), 'G05')).toBe('high');
  });
  test('constants beside what is left of an output are suspicious; beside a whole one, or over an input, they are not told', () => {
    const fixed = floats('fixed', [9], [1, 1]);
    const cut = [
      longs('from', [0]),
      longs('to', [31]),
      longs('axis', [1]),
      node('Slice', ['h', 'from', 'to', 'axis'], ['part']),
    ];
    const beside = (part: string): Part => node('Concat', [part, 'fixed'], ['y'], intAttribute('axis', 1));
    expect(gradeOf(scan([...network, ...cut, fixed, beside('part')]), 'G05')).toBe('suspicious');
    expect(gradeOf(scan([...network, fixed, beside('h')]), 'G05')).toBeUndefined();
    const input = [longs('at', [0], [1, 1]), floats('new', [9], [1]), node('ScatterND', ['x', 'at', 'new'], ['z'])];
    const after = [weights('w', [64, 32]), node('MatMul', ['z', 'w'], ['y'])];
    expect(gradeOf(scan([...input, ...after]), 'G05')).toBeUndefined();
  });
});

describe('G06 shape-trigger', () => {
  const size = [
    node('Shape', ['x'], ['s']),
    longs('at', 0),
    node('Gather', ['s', 'at'], ['n'], intAttribute('axis', 0)),
    longs('one', 1),
    node('Equal', ['n', 'one'], ['is']),
  ];
  const branches = (then: Part): Part[] => [
    ...network,
    ...size,
    node(
      'If',
      ['is'],
      ['y'],
      graphAttribute('then_branch', graph([then], [['t', F]])),
      graphAttribute('else_branch', graph([node('Identity', ['h'], ['e'])], [['e', F]])),
    ),
  ];
  test('a branch that turns the output round is high', () => {
    expect(gradeOf(scan(branches(node('Neg', ['h'], ['t']))), 'G06')).toBe('high');
  });
  test('what exporters write, a squeeze by shape, is none', () => {
    expect(gradeOf(scan(branches(node('Squeeze', ['h'], ['t']))), 'G06')).toBeUndefined();
  });
});

describe('G07 loop', () => {
  const loop = (rounds: number, condition: Part): Part[] => [
    ...network,
    longs('rounds', rounds),
    initializer(tensor('go', CODE.bool, [], raw(1))),
    node(
      'Loop',
      ['rounds', 'go', 'h'],
      ['y'],
      graphAttribute(
        'body',
        graph(
          [node('Tanh', ['s'], ['next']), condition],
          [
            ['again', CODE.bool],
            ['next', F],
          ],
          [
            ['i', CODE.i64],
            ['c', CODE.bool],
            ['s', F],
          ],
        ),
      ),
    ),
  ];
  const always = node('Identity', ['c'], ['again']);
  test('a hundred million rounds that nothing ends are high', () => {
    expect(gradeOf(scan(loop(1e8, always)), 'G07')).toBe('high');
  });
  test('ten rounds, or a condition that the values end, are none', () => {
    expect(gradeOf(scan(loop(10, always)), 'G07')).toBeUndefined();
    const open = join(floats('limit', 3), node('Less', ['total', 'limit'], ['again']));
    const sum = node('ReduceMax', ['s'], ['total'], intAttribute('keepdims', 0));
    expect(gradeOf(scan(loop(Number.MAX_SAFE_INTEGER, join(sum, open))), 'G07')).toBe('suspicious');
  });
});

test('G08 sampling: dropout in training mode is chance at inference', () => {
  const dropout = (mode: number): Part[] => [
    ...network,
    floats('ratio', 0.5),
    initializer(tensor('mode', CODE.bool, [], raw(mode))),
    node('Dropout', ['h', 'ratio', 'mode'], ['y']),
  ];
  expect(gradeOf(scan(dropout(1)), 'G08')).toBe('suspicious');
  expect(gradeOf(scan(dropout(0)), 'G08')).toBeUndefined();
});

test('G09 integer-hash: two mixing operations in a chain, not one', () => {
  const one = [cast('x', 'i', CODE.i64), longs('m', 97), node('Mod', ['i', 'm'], ['a'])];
  const rest = (from: string): Part[] => [
    cast(from, 'f', F),
    weights('w', [64, 32]),
    node('MatMul', ['f', 'w'], ['y']),
  ];
  expect(gradeOf(scan([...one, ...rest('a')]), 'G09')).toBeUndefined();
  const two = [longs('n', 13), node('ReduceSum', ['a'], ['t'], intAttribute('keepdims', 0))];
  const chain = [...one, ...two, node('Mod', ['t', 'n'], ['b']), node('Mod', ['b', 'm'], ['c'])];
  expect(gradeOf(scan([...chain, ...rest('c')]), 'G09')).toBe('suspicious');
});

test('G10 constant-branch, and G11 rare-literal', () => {
  const parts = [
    ...network,
    node('ReduceMax', ['h'], ['top'], intAttribute('keepdims', 0)),
    floats('limit', 0.5),
    node('Greater', ['top', 'limit'], ['is']),
    node(
      'If',
      ['is'],
      ['y'],
      graphAttribute('then_branch', graph([floats('t', [1, 2])], [['t', F]])),
      graphAttribute('else_branch', graph([node('Identity', ['h'], ['e'])], [['e', F]])),
    ),
  ];
  expect(gradeOf(scan(parts), 'G10')).toBe('suspicious');
  const compare = (literal: number): Part[] => [
    floats('k', literal),
    node('Equal', ['x', 'k'], ['is']),
    cast('is', 'f', F),
    weights('w', [64, 32]),
    node('MatMul', ['f', 'w'], ['y']),
  ];
  expect(gradeOf(scan(compare(31337.5)), 'G11')).toBe('suspicious');
  expect(gradeOf(scan(compare(255)), 'G11')).toBeUndefined();
});

test('G12 dead-part: a tensor of 80 kB that nothing reads is suspicious, a small one is told', () => {
  const parts = [...network, node('Relu', ['h'], ['y'])];
  expect(gradeOf(scan([...parts, weights('idle', [200, 100])]), 'G12')).toBe('suspicious');
  expect(gradeOf(scan([...parts, weights('idle', [2])]), 'G12')).toBe('benign');
});

test('G13 custom-domain: foreign operators, not those of the model itself', () => {
  const parts = (domain: string): Part[] => [...network, node('Thing', ['h'], ['y'], str(7, domain))];
  expect(gradeOf(scan(parts('vendor')), 'G13')).toBe('suspicious');
  expect(gradeOf(scan(parts('com.microsoft')), 'G13')).toBeUndefined();
});

test('G14 expansion-bomb: functions that call each other twice are cut off, and the cut is said', () => {
  const toFunction = (index: number): Part => {
    const body =
      index === 0
        ? [node('Relu', ['a'], ['b'])]
        : [node(`F${index - 1}`, ['a'], ['m'], str(7, 'f')), node(`F${index - 1}`, ['m'], ['b'], str(7, 'f'))];
    const nodes = body.map((bytes) => {
      // Nodes are field 1 of a graph and field 7 of a function; the tag is one byte.
      const copy = Uint8Array.from(bytes);
      copy[0] = (7 << 3) | 2;
      return copy;
    });
    return len(25, str(1, `F${index}`), str(4, 'a'), str(5, 'b'), ...nodes, str(10, 'f'));
  };
  const main = named('t', [...network, node('F24', ['h'], ['y'], str(7, 'f'))], [['x', F]]).bytes;
  const functions = Array.from({ length: 25 }, (_, index) => toFunction(index));
  const report = scanBytes('t.onnx', join(main, ...functions, len(8, str(1, 'f'), int(2, 1))), { weights: false });
  expect(gradeOf(report, 'G14')).toBe('high');
  expect(report.notScanned.map(({ part }) => part)).toContain('graph');
});
