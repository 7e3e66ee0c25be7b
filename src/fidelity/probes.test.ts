import { describe, expect, test } from 'vitest';
import { openModel } from '../formats/index.ts';
import type { Graph, ValueInfo } from '../model/types.ts';
import { openBufferSource } from '../source/buffer.ts';
import {
  f32Bytes,
  i64Bytes,
  type Part,
  tinyGraph,
  tinyModel,
  tinyNode,
  tinyTensor,
  tinyValue,
} from '../../test/tiny-onnx.ts';
import { findComparedConstants } from './constants.ts';
import { hasFreeDims, makeProbe, planProbes } from './probes.ts';
import { toValues } from './values.ts';

function graphOf(nodes: readonly Part[], tensors: readonly Part[], inputs: readonly Part[]): Graph {
  const main = tinyModel({ nodes, tensors, inputs, outputs: [tinyValue('y', 'f32', [1])] });
  return openModel({ source: openBufferSource('m', main), name: 'm.onnx', folder: null }).graph!;
}

const plan = (
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[] = [],
  graph: Graph | null = null,
): unknown[] => planProbes(graph, inputs, outputs).map((input) => input.rule);
const value = (name: string, dtype: ValueInfo['dtype'], shape: ValueInfo['shape']): ValueInfo => ({
  name,
  dtype,
  shape,
});

describe('constants that a graph compares inputs with', () => {
  const sr = tinyValue('sr', 'i64', []);
  const rate = tinyTensor('rate', 'i64', [], i64Bytes([16_000]));

  test('directly, in either order, and through what passes a scalar on', () => {
    expect(findComparedConstants(graphOf([tinyNode('Equal', ['sr', 'rate'], ['c'])], [rate], [sr]))).toEqual(
      new Map([['sr', [16_000, 16_001]]]),
    );
    const chain = [
      tinyNode('Reshape', ['sr', 'shape'], ['a']),
      tinyNode('Gather', ['a', 'zero'], ['b'], { ints: { axis: 0 } }),
      tinyNode('Cast', ['rate'], ['r'], { ints: { to: 1 } }),
      tinyNode('Less', ['r', 'b'], ['c']),
    ];
    const tensors = [
      rate,
      tinyTensor('shape', 'i64', [1], i64Bytes([-1])),
      tinyTensor('zero', 'i64', [], i64Bytes([0])),
    ];
    expect(findComparedConstants(graphOf(chain, tensors, [sr]))).toEqual(new Map([['sr', [16_000, 15_999, 16_001]]]));
  });

  test('inside a branch, with a constant of the outer graph', () => {
    const branch = tinyGraph({
      nodes: [tinyNode('Equal', ['sr', 'rate'], ['e'])],
      outputs: [tinyValue('e', 'bool', [])],
    });
    const node = tinyNode('If', ['flag'], ['c'], { graphs: { then_branch: branch, else_branch: branch } });
    const graph = graphOf([node], [rate], [sr, tinyValue('flag', 'bool', [])]);
    expect(findComparedConstants(graph).get('sr')).toEqual([16_000, 16_001]);
  });

  test('nothing where values are computed or constants are no scalars', () => {
    const nodes = [tinyNode('Add', ['sr', 'rate'], ['a']), tinyNode('Equal', ['a', 'rate'], ['c'])];
    expect(findComparedConstants(graphOf(nodes, [rate], [sr])).size).toBe(0);
    const pair = tinyTensor('rate', 'i64', [2], i64Bytes([1, 2]));
    expect(findComparedConstants(graphOf([tinyNode('Equal', ['sr', 'rate'], ['c'])], [pair], [sr])).size).toBe(0);
  });
});

describe('rules', () => {
  test('states are zeros: by name, or because they come back; unless there is nothing else', () => {
    const data = value('input', 'f32', ['batch', 'time']);
    const state = value('rnn', 'f32', [2, 'batch', 8]);
    const back = value('rnnOut', 'f32', ['layers', 'batch', 8]);
    expect(plan([data, state], [back])).toEqual([{ kind: 'noise' }, { kind: 'zeros' }]);
    expect(plan([data, value('h0', 'f32', [1, 8])])).toEqual([{ kind: 'noise' }, { kind: 'zeros' }]);
    expect(plan([value('hidden_states', 'f32', ['n', 8])])).toEqual([{ kind: 'noise' }]);
  });

  test('scalars get the constants; masks ones; indices stay inside their table; image bytes use the whole range', () => {
    const graph = graphOf(
      [tinyNode('Equal', ['mode', 'one'], ['c']), tinyNode('Gather', ['table', 'ids'], ['y'])],
      [tinyTensor('one', 'i64', [], i64Bytes([1])), tinyTensor('table', 'f32', [5, 1], f32Bytes([0, 0, 0, 0, 0]))],
      [tinyValue('ids', 'i64', ['n', 't']), tinyValue('mode', 'i64', [])],
    );
    const inputs = [
      value('ids', 'i64', ['n', 't']),
      value('attention_mask', 'i64', ['n', 't']),
      value('mode', 'i64', []),
      value('other', 'i64', [1]),
      value('pixels', 'u8', [1, 8, 8, 3]),
      value('flags', 'bool', [4]),
    ];
    expect(plan(inputs, [], graph)).toEqual([
      { kind: 'below', bound: 5 },
      { kind: 'ones' },
      { kind: 'constants', values: [1, 2] },
      { kind: 'ones' },
      { kind: 'below', bound: 256 },
      { kind: 'below', bound: 2 },
    ]);
  });

  test('RUNTIME_DTYPE_UNSUPPORTED: an input that is no numeric tensor', () => {
    expect(() => plan([value('text', null, null)])).toThrow(
      expect.objectContaining({ code: 'RUNTIME_DTYPE_UNSUPPORTED' }),
    );
  });
});

describe('probes', () => {
  const inputs = planProbes(
    null,
    [value('x', 'f16', ['n', 'time', 3]), value('h', 'f32', [2, 'n', 4]), value('ids', 'i32', [null, 'time'])],
    [],
  );
  const make = (index: number, seed = 's'): ReturnType<typeof makeProbe> =>
    makeProbe(inputs, { sizes: { batch: 2, free: 5 }, seed, index });

  test('have the type and shape of their inputs, the batch and free dimensions filled in alike', () => {
    expect(hasFreeDims(inputs)).toBe(true);
    expect([...make(0)].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['x', 'f16', [2, 5, 3]],
      ['h', 'f32', [2, 2, 4]],
      ['ids', 'i32', [2, 5]],
    ]);
  });

  test('are fixed by seed and index, on every platform', () => {
    expect(make(3)).toEqual(make(3));
    expect(make(3)).not.toEqual(make(5));
    expect(make(3, 'other')).not.toEqual(make(3));
    expect(Buffer.from(make(0).get('x')!.data.subarray(0, 12)).toString('hex')).toBe('9839b039de3aee389938c739');
  });

  test('are uniform in [0, 1) or nearly standard normal in turn', () => {
    const wide = planProbes(null, [value('x', 'f64', [1, 20_000])], []);
    const stats = [0, 1].map((index) => {
      const values = toValues(makeProbe(wide, { sizes: { batch: 1, free: 1 }, seed: 's', index }).get('x')!);
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
      return { mean, variance, least: Math.min(...values), most: Math.max(...values) };
    });
    expect(Math.abs(stats[0].mean - 0.5)).toBeLessThan(0.01);
    expect(Math.abs(stats[0].variance - 1 / 12)).toBeLessThan(0.003);
    expect(stats[0].least).toBeGreaterThanOrEqual(0);
    expect(stats[0].most).toBeLessThan(1);
    expect(Math.abs(stats[1].mean)).toBeLessThan(0.03);
    expect(Math.abs(stats[1].variance - 1)).toBeLessThan(0.04);
  });

  test('RUNTIME_RUN_FAILED: a shape that asks for more than the limit is refused before it is allocated', () => {
    const huge = planProbes(null, [value('x', 'f32', [1, 1e9])], []);
    const options = { sizes: { batch: 1, free: 1 }, seed: 's', index: 0 };
    expect(() => makeProbe(huge, options)).toThrow(expect.objectContaining({ code: 'RUNTIME_RUN_FAILED' }));
  });
});
