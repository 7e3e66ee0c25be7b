import { describe, expect, test } from 'vitest';
import { createRng, shuffledOrder } from './rng.ts';

describe('createRng', () => {
  test('equal seeds give equal streams, different seeds different ones', () => {
    const [a, b, c] = ['x', 'x', 'y'].map((seed) => {
      const rng = createRng(seed);
      return Array.from({ length: 50 }, () => rng.next());
    });
    expect(a).toEqual(b);
    expect(a.filter((value) => c.includes(value))).toEqual([]);
  });

  test('uniform and Gaussian numbers have the moments of their laws', () => {
    const rng = createRng('moments');
    const uniform = Array.from({ length: 40_000 }, () => rng.uniform());
    const normal = Array.from({ length: 40_000 }, () => rng.gaussian());
    const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
    expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(0.01);
    expect(Math.abs(mean(normal))).toBeLessThan(0.02);
    expect(Math.abs(mean(normal.map((value) => value ** 2)) - 1)).toBeLessThan(0.03);
    expect(Math.abs(mean(normal.map((value) => value ** 4)) - 3)).toBeLessThan(0.3);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
  });

  test('a shuffled order holds every index once and moves most', () => {
    const order = [...shuffledOrder(500, createRng('order'))];
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, index) => index));
    expect(order.filter((value, index) => value === index).length).toBeLessThan(10);
  });
});
