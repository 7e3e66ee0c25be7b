import { describe, expect, test } from 'vitest';
import { createModelSpec, openNetwork, type Weights } from '../lab/index.ts';
import { createPrfStream } from '../core/prf.ts';
import { testOrder } from './order-test.ts';
import { toFrame } from './pairs.ts';

const spec = createModelSpec('mlp');

/** Weights of the sample architecture; of each hidden layer, every `deadEvery`-th neuron is dead. */
function draw(seed: number, deadEvery: number): Weights {
  const stream = createPrfStream(new Uint8Array(32).fill(seed), { domain: 0, index: 0 });
  const fill = (rows: number, columns: number): Float32Array =>
    Float32Array.from({ length: rows * columns }, (_, i) =>
      Math.floor(i / columns) % deadEvery === 0 ? 0 : stream.u32() / 2 ** 31 - 1,
    );
  return new Map([
    ['fc1.weight', fill(256, 144)],
    ['fc1.bias', new Float32Array(256)],
    ['fc2.weight', fill(192, 256)],
    ['fc2.bias', new Float32Array(192)],
    ['fc3.weight', fill(10, 192)],
    ['fc3.bias', new Float32Array(10)],
  ]);
}

const toBits = (a: Weights, b: Weights): number =>
  testOrder(toFrame(openNetwork(spec, a)), toFrame(openNetwork(spec, b))).evidenceBits;

describe('neurons in their place', () => {
  test('has the rate that its bound allows, whatever neurons are dead', () => {
    // With half of all neurons dead in both models, ties are everywhere: they must not count as order.
    const bits = Array.from({ length: 6 }, (_, i) => toBits(draw(2 * i, 2), draw(2 * i + 1, 2)));
    expect(Math.max(...bits)).toBeLessThan(10);
    expect(bits.filter((value) => value > 2).length).toBeLessThan(4);
  });

  test('of a copy is far beyond any chance, also where half of it is dead', () => {
    expect(toBits(draw(1, 2), draw(1, 2))).toBeGreaterThan(500);
    expect(toBits(draw(1, 1000), draw(1, 1000))).toBeGreaterThan(2000);
  });
});
