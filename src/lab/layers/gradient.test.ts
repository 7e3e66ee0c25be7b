import { describe, expect, test } from 'vitest';
import { buildNetwork, type Network } from '../network.ts';
import { createRng } from '../rng.ts';
import type { LayerSpec } from '../spec.ts';
import type { Tensor } from '../tensor.ts';
import { erf } from './gelu.ts';

const rng = createRng('gradient test');

function random(...shape: readonly number[]): Tensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { data: Float32Array.from({ length }, () => rng.gaussian()), shape };
}

const conv = { kind: 'conv', name: 'c', kernel: 3, stride: 1, padding: 1, groups: 1, hasBias: true } as const;
const relu: LayerSpec = { kind: 'relu' };
const flatten: LayerSpec = { kind: 'flatten' };

/** Each case has parameters before the layer under test, so its input gradient is checked, too. */
const CASES: readonly (readonly [name: string, input: readonly number[], layers: readonly LayerSpec[]])[] = [
  [
    'dense, out by in, and relu',
    [5, 7],
    [
      { kind: 'dense', name: 'a', inputs: 7, outputs: 9, layout: 'outIn' },
      relu,
      { kind: 'dense', name: 'b', inputs: 9, outputs: 3, layout: 'outIn' },
    ],
  ],
  [
    'dense, in by out, and gelu',
    [2, 3, 7],
    [
      { kind: 'dense', name: 'a', inputs: 7, outputs: 9, layout: 'inOut' },
      { kind: 'gelu' },
      { kind: 'dense', name: 'b', inputs: 9, outputs: 3, layout: 'inOut' },
    ],
  ],
  [
    'conv with stride, padding, bias and groups',
    [2, 7, 7, 4],
    [
      { ...conv, name: 'a', inputs: 4, outputs: 6 },
      { ...conv, inputs: 6, outputs: 4, stride: 2, groups: 2 },
      { kind: 'globalPool' },
    ],
  ],
  [
    'batch norm',
    [6, 3, 3, 2],
    [{ ...conv, inputs: 2, outputs: 3 }, { kind: 'batchNorm', name: 'n', channels: 3 }, relu, flatten],
  ],
  [
    'max pooling',
    [2, 6, 6, 2],
    [{ ...conv, inputs: 2, outputs: 3 }, { kind: 'pool', mode: 'max', size: 3, stride: 2 }, flatten],
  ],
  [
    'average pooling',
    [2, 6, 6, 2],
    [{ ...conv, inputs: 2, outputs: 3 }, { kind: 'pool', mode: 'average', size: 2, stride: 2 }, flatten],
  ],
  [
    'residual with shortcut',
    [2, 4, 4, 2],
    [
      { ...conv, name: 'a', inputs: 2, outputs: 3 },
      {
        kind: 'residual',
        body: [{ ...conv, name: 'b', inputs: 3, outputs: 4 }, relu],
        shortcut: [{ ...conv, name: 'd', inputs: 3, outputs: 4, kernel: 1, padding: 0 }],
      },
      flatten,
    ],
  ],
  [
    'layer norm and attention over patches',
    [2, 4, 4, 1],
    [
      { kind: 'patches', side: 4, size: 2 },
      { kind: 'dense', name: 'a', inputs: 4, outputs: 6, layout: 'inOut' },
      { kind: 'position', name: 'p', tokens: 4, width: 6 },
      { kind: 'layerNorm', name: 'n', width: 6 },
      { kind: 'attention', name: 't', width: 6, heads: 2, tokens: 4 },
      { kind: 'meanTokens' },
    ],
  ],
];

/** The sum of outputs times fixed weights: a scalar whose gradient is those weights. */
function score(network: Network, input: Tensor, factors: Float32Array): number {
  return network.forward(input, 'train').data.reduce((sum, value, at) => sum + value * factors[at], 0);
}

/** Slope along a random direction of all parameters, by symmetric differences. */
function measureSlope(network: Network, input: Tensor, factors: Float32Array, directions: Float32Array[]): number {
  // Small, so that few ReLU and max kinks lie in between.
  const step = 1e-4;
  const move = (by: number): void => {
    for (const [index, { values }] of network.parameters.entries()) {
      for (let at = 0; at < values.length; at += 1) values[at] += by * directions[index][at];
    }
  };
  move(step);
  const up = score(network, input, factors);
  move(-2 * step);
  const down = score(network, input, factors);
  move(step);
  return (up - down) / (2 * step);
}

describe('gradients', () => {
  test.each(CASES)('%s agree with differences', (name, shape, layers) => {
    const network = buildNetwork({ name, side: 1, classes: 1, layers }, name);
    const input = random(...shape);
    const output = network.forward(input, 'train');
    const factors = random(output.data.length).data;
    const directions = network.parameters.map(({ values }) => random(values.length).data);
    const slope = measureSlope(network, input, factors, directions);
    network.forward(input, 'train');
    network.backward({ data: factors, shape: output.shape });
    const exact = network.parameters.reduce(
      (sum, { gradient }, index) => sum + gradient.reduce((part, value, at) => part + value * directions[index][at], 0),
      0,
    );
    // The slope along a random direction is about the gradient's length; a wrong term shows as a share of that.
    const length = Math.hypot(...network.parameters.map(({ gradient }) => Math.hypot(...gradient)));
    expect(length).toBeGreaterThan(0.1);
    expect(Math.abs(slope - exact) / length).toBeLessThan(0.02);
  });

  test('an embedding gathers the gradients of repeated ids and refuses ids outside its table', () => {
    const layers: LayerSpec[] = [{ kind: 'embedding', name: 'e', vocabulary: 3, width: 2 }];
    const network = buildNetwork({ name: 'e', side: 1, classes: 1, layers }, 'e');
    network.forward({ data: Float32Array.of(1, 1, 2), shape: [1, 3] }, 'train');
    network.backward({ data: Float32Array.of(1, 2, 10, 20, 5, 6), shape: [1, 3, 2] });
    expect([...network.parameters[0].gradient]).toEqual([0, 0, 11, 22, 5, 6]);
    expect(() => network.forward({ data: Float32Array.of(3), shape: [1, 1] }, 'train')).toThrow(TypeError);
  });

  test('dropout zeroes its share in training, keeps the mean, and does nothing at inference', () => {
    const layers: LayerSpec[] = [{ kind: 'dropout', share: 0.25 }];
    const network = buildNetwork({ name: 'd', side: 1, classes: 1, layers }, 'd');
    const input = { data: new Float32Array(40_000).fill(3), shape: [1, 40_000] };
    expect(network.forward(input, 'infer').data).toEqual(input.data);
    const out = network.forward(input, 'train').data;
    const zeros = out.reduce((count, value) => count + Number(value === 0), 0) / out.length;
    expect(Math.abs(zeros - 0.25)).toBeLessThan(0.01);
    expect([...new Set(out)].sort()).toEqual([0, 4]);
  });

  test.each([
    [0, 0],
    [0.5, 0.5204998778],
    [-1, -0.8427007929],
    [3, 0.9999779095],
  ])('erf(%d) is %d within 2e-7', (x, value) => {
    expect(Math.abs(erf(x) - value)).toBeLessThan(2e-7);
  });
});
