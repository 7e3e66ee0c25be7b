import { describe, expect, test } from 'vitest';
import { int, memoryModel, memoryTensor, node } from '../../test/fakes/memory-model.ts';
import type { Topology } from './ports.ts';
import { toTopology } from './topology.ts';
import { findTopologyFault } from './topology-fault.ts';

interface Loose {
  layers: {
    shape: number[];
    storedShape: number[];
    outAxis: number;
    inAxis: number;
    groups: number;
    in: { axis: number; inner: number; segments: { space: number; channels: number }[] };
  }[];
  vectors: { shape: number[]; channels: { segments: { space: number; channels: number }[] } }[];
  spaces: { channels: number }[];
}

const good = (): Topology =>
  toTopology(
    memoryModel(
      [
        memoryTensor('a', [8, 4], new Float32Array(32)),
        memoryTensor('a.b', [8], new Float32Array(8)),
        memoryTensor('b', [5, 8], new Float32Array(40)),
        memoryTensor('c', [3, 5], new Float32Array(15)),
      ],
      {
        inputs: ['x'],
        outputs: ['y'],
        nodes: [
          node('Gemm', ['x', 'a', 'a.b'], ['h'], { transB: int(1) }),
          node('Gemm', ['h', 'b'], ['g'], { transB: int(1) }),
          node('Gemm', ['g', 'c'], ['y'], { transB: int(1) }),
        ],
      },
    ),
  );

describe('topology from a file', () => {
  test('what a graph gives is sound', () => {
    expect(findTopologyFault(good())).toBeUndefined();
  });

  test.each<[string, (topology: Loose) => void]>([
    [
      'too many channels',
      (t) => {
        t.spaces[0].channels = 2 ** 40;
      },
    ],
    [
      'a shape of too many elements',
      (t) => {
        t.layers[0].shape = [2 ** 30, 2 ** 30];
        t.layers[0].storedShape = [2 ** 30, 2 ** 30];
      },
    ],
    [
      'shapes that differ in count',
      (t) => {
        t.layers[0].storedShape = [8, 5];
      },
    ],
    [
      'an axis that is not there',
      (t) => {
        t.layers[0].outAxis = 2;
      },
    ],
    [
      'one axis for both sides',
      (t) => {
        t.layers[0].inAxis = 0;
      },
    ],
    [
      'huge groups',
      (t) => {
        t.layers[0].groups = 2 ** 30;
      },
    ],
    [
      'a segment of another size than its space',
      (t) => {
        t.layers[1].in.segments[0].channels = 7;
      },
    ],
    [
      'a space that does not exist',
      (t) => {
        t.layers[1].in.segments[0].space = 99;
      },
    ],
    [
      'segments that do not fill the axis',
      (t) => {
        t.layers[1].in.inner = 2;
      },
    ],
    [
      'channels on another axis',
      (t) => {
        t.layers[1].in.axis = 0;
      },
    ],
    [
      'a vector of another length',
      (t) => {
        t.vectors[0].shape = [9];
      },
    ],
  ])('%s is a fault', (_name, change) => {
    const topology = structuredClone(good());
    change(topology as Loose);
    expect(findTopologyFault(topology)).toBeTypeOf('string');
  });
});
