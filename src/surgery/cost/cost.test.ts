import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openBytes } from '../../../test/formats/models.ts';
import { describeWithShared, sharedData } from '../../../test/shared-data.ts';
import { f32, node, type Recipe, toDocument } from '../../../test/surgery/build.ts';
import { readTarGz } from '../../../test/tar.ts';
import { readGraphDocument } from '../../formats/index.ts';
import { type GraphCost, inferDocument, type InferOptions, toGraphCost } from '../index.ts';

function costOf(recipe: Recipe, options: InferOptions = {}): GraphCost {
  const document = toDocument(recipe);
  return toGraphCost(document, inferDocument(document, options));
}

const zeros = (...shape: number[]) => f32(shape, ...new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0));

describe('multiply-accumulates', () => {
  const input = (...shape: (number | string)[]) => [{ name: 'x', dtype: 'f32', shape }] as const;

  test.each<[string, Recipe, number]>([
    // 4 output channels of 6 × 6, each a sum over 3 / 1 channels of 3 × 3.
    [
      'Conv',
      {
        inputs: input(1, 3, 8, 8),
        initializers: { w: zeros(4, 3, 3, 3) },
        nodes: [node('Conv', ['x', 'w'], ['y'])],
        outputs: ['y'],
      },
      4 * 36 * 27,
    ],
    [
      'a grouped Conv',
      {
        inputs: input(1, 4, 8, 8),
        initializers: { w: zeros(4, 1, 3, 3) },
        nodes: [node('Conv', ['x', 'w'], ['y'], { group: { int: 4 } })],
        outputs: ['y'],
      },
      4 * 36 * 9,
    ],
    [
      'ConvTranspose',
      {
        inputs: input(1, 3, 5, 5),
        initializers: { w: zeros(3, 2, 2, 2) },
        nodes: [node('ConvTranspose', ['x', 'w'], ['y'])],
        outputs: ['y'],
      },
      3 * 25 * 8,
    ],
    [
      'MatMul',
      {
        inputs: input(7, 2, 5),
        initializers: { w: zeros(5, 3) },
        nodes: [node('MatMul', ['x', 'w'], ['y'])],
        outputs: ['y'],
      },
      7 * 2 * 3 * 5,
    ],
    [
      'Gemm',
      {
        inputs: input(5, 2),
        initializers: { w: zeros(3, 5) },
        nodes: [node('Gemm', ['x', 'w'], ['y'], { transA: { int: 1 }, transB: { int: 1 } })],
        outputs: ['y'],
      },
      2 * 3 * 5,
    ],
    [
      'Einsum',
      {
        inputs: input(2, 3),
        initializers: { w: zeros(3, 4) },
        nodes: [node('Einsum', ['x', 'w'], ['y'], { equation: { string: 'ij,jk->ik' } })],
        outputs: ['y'],
      },
      24,
    ],
    [
      'LSTM',
      {
        inputs: input(6, 2, 5),
        initializers: { w: zeros(1, 16, 5), r: zeros(1, 16, 4) },
        nodes: [node('LSTM', ['x', 'w', 'r'], ['y'], { hidden_size: { int: 4 } })],
        outputs: ['y'],
      },
      6 * 2 * 16 * 9,
    ],
  ])('of %s', (_, recipe, macs) => {
    expect(costOf(recipe)).toMatchObject({ macs, flops: 2 * macs, unknownNodes: 0 });
  });

  test('of a symbolic batch are unknown until it is given', () => {
    const recipe: Recipe = {
      inputs: input('batch', 5),
      initializers: { w: zeros(5, 3) },
      nodes: [node('MatMul', ['x', 'w'], ['m']), node('Relu', ['m'], ['y'])],
      outputs: ['y'],
    };
    expect(costOf(recipe)).toMatchObject({ macs: 0, unknownNodes: 2, parameters: 15, parameterBytes: 60 });
    const known = costOf(recipe, { dims: new Map([['batch', 2]]) });
    expect(known).toMatchObject({ macs: 30, flops: 66, unknownNodes: 0 });
    expect(known.nodes.map(({ op, parameters }) => [op, parameters])).toEqual([
      ['MatMul', 15],
      ['Relu', 0],
    ]);
  });
});

describeWithShared('published figures', () => {
  test('ResNet-50, VGG-19, DenseNet-121 and SqueezeNet cost what their papers and libraries say', () => {
    const wanted = new Map([
      ['light/light_resnet50.onnx', 4.09],
      ['light/light_vgg19.onnx', 19.63],
      ['light/light_densenet121.onnx', 2.83],
      ['light/light_squeezenet.onnx', 0.349],
    ]);
    for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
      const giga = wanted.get(path);
      if (giga === undefined) continue;
      const document = readGraphDocument(openBytes(bytes, 'model.onnx'));
      const { macs, unknownNodes } = toGraphCost(document, inferDocument(document));
      expect([path, unknownNodes]).toEqual([path, 0]);
      expect(macs / 1e9 / giga).toBeCloseTo(1, 2);
      wanted.delete(path);
    }
    expect([...wanted]).toEqual([]);
  });

  test('ultraface has the parameters that its weights have', () => {
    const model = openBytes(new Uint8Array(readFileSync(sharedData('models/ultraface_rfb320.onnx'))), 'model.onnx');
    const document = readGraphDocument(model);
    const floats = model.tensors.filter(({ dtype }) => dtype === 'f32');
    const { parameters } = toGraphCost(document, inferDocument(document));
    expect(parameters).toBe(floats.reduce((sum, { elementCount }) => sum + elementCount, 0));
  });
});
