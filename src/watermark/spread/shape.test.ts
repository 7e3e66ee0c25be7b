import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededNumbers } from '../../../test/fakes/memory-model.ts';
import type { Layer } from '../../align/index.ts';
import type { LayerCalibration } from '../calibration/types.ts';
import type { Layout } from './layout.ts';
import { shapeChange, toShapes } from './shape.ts';

function toLayer(name: string, shape: readonly number[], outAxis: number, groups = 1): Layer {
  const kind = shape.length > 2 ? 'conv' : 'dense';
  const axes = { outAxis, inAxis: outAxis === 0 ? 1 : 0, groups, out: null, in: null };
  return { name, kind, dtype: 'f32', storedShape: [...shape], shape: [...shape], isOutput: false, ...axes };
}

function toLayoutOf(layers: readonly Layer[], totalFactor = 1): Layout {
  let start = 0;
  const placed = layers.map((layer) => {
    const elementCount = layer.shape.reduce((a, b) => a * b, 1);
    start += elementCount;
    return { layer, elementCount, start: start - elementCount };
  });
  return { bits: 256, layers: placed, total: start * totalFactor, sampled: start, tiles: new Float64Array(0) };
}

const scaleOf = (deviation: number) => ({ mean: 0, deviation, count: 1, badCount: 0 });

/** One direction: the constant one, with nearly all of the power. */
function constantCalibration(features: number, groups: number, outputVariance = 1): LayerCalibration {
  return {
    ...{ features, groups, rank: 1, outputVariance },
    directions: new Float32Array(groups * features).fill(1 / Math.sqrt(features)),
    powers: new Float64Array(groups).fill(1e9),
    meanPowers: new Float64Array(groups).fill(1),
  };
}

function noise(length: number): Float32Array {
  const random = seededNumbers(11);
  return Float32Array.from({ length }, () => random.normal());
}

describe('shaping', () => {
  test('rows lose the direction that inputs use, whichever axis the outputs are on', () => {
    for (const [shape, outAxis] of [
      [[12, 30], 0],
      [[30, 12], 1],
    ] as const) {
      const layer = toLayer('w', shape, outAxis);
      const calibration = {
        samples: 1,
        inputs: '',
        isProbed: false,
        layers: new Map([['w', constantCalibration(30, 1)]]),
      };
      const [shaped] = toShapes(toLayoutOf([layer]), [scaleOf(1)], calibration)!;
      const change = noise(360);
      shapeChange(shaped, change);
      for (let output = 0; output < 12; output++) {
        let sum = 0;
        for (let i = 0; i < 30; i++) sum += change[outAxis === 0 ? output * 30 + i : i * 12 + output];
        expect(Math.abs(sum)).toBeLessThan(1e-4);
      }
    }
  });

  test('each group of a convolution has directions of its own', () => {
    const layer = toLayer('w', [8, 3, 3, 3], 0, 2);
    const calibration = constantCalibration(27, 2);
    calibration.directions.fill(0, 27);
    calibration.directions[27] = 1;
    const layers = new Map([['w', calibration]]);
    const [shaped] = toShapes(toLayoutOf([layer]), [scaleOf(1)], { samples: 1, inputs: '', isProbed: false, layers })!;
    const change = new Float32Array(216).fill(1);
    shapeChange(shaped, change);
    const sumOf = (row: number): number => change.subarray(row * 27, (row + 1) * 27).reduce((a, b) => a + b, 0);
    expect(Math.abs(sumOf(0))).toBeLessThan(1e-4);
    expect(Math.abs(change[4 * 27])).toBeLessThan(1e-4);
    expect(change[4 * 27 + 1]).toBeGreaterThan(0.9);
  });

  test('a position keeps, in the mean over all layers, the change that was asked for along its own sign', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), fc.double({ min: 0.1, max: 10, noNaN: true }), (width, variance) => {
        const layers = [toLayer('a', [24, width], 0), toLayer('b', [width, 24], 1), toLayer('c', [24, width], 0)];
        const known = new Map([
          ['a', constantCalibration(width, 1, variance)],
          ['b', constantCalibration(width, 1)],
        ]);
        const shapes = toShapes(
          toLayoutOf(layers),
          layers.map(() => scaleOf(0.5)),
          {
            ...{ samples: 1, inputs: '', isProbed: false, layers: known },
          },
        )!;
        let kept = 0;
        for (const shape of shapes) {
          for (let i = 0; i < 24 * width; i++) {
            const change = new Float32Array(24 * width);
            change[i] = 1;
            shapeChange(shape, change);
            kept += change[i];
          }
        }
        expect(kept / (3 * 24 * width)).toBeCloseTo(1, 4);
      }),
      { numRuns: 10 },
    );
  });

  test('a layer whose output feels little takes more, within the bound; a mark of chosen tiles is left as it is', () => {
    const layers = [toLayer('calm', [16, 16], 0), toLayer('tender', [16, 16], 0)];
    const known = new Map([
      ['calm', constantCalibration(16, 1, 1e6)],
      ['tender', constantCalibration(16, 1, 1e-6)],
    ]);
    const calibration = { samples: 1, inputs: '', isProbed: false, layers: known };
    const [calm, tender] = toShapes(toLayoutOf(layers), [scaleOf(1), scaleOf(1)], calibration)!;
    expect(calm.strength / tender.strength).toBeCloseTo(2.5 ** 2, 6);
    expect(toShapes(toLayoutOf(layers, 1e6), [scaleOf(1), scaleOf(1)], calibration)).toBeNull();
  });
});

describe('without inputs of the user', () => {
  const shapesOf = (layers: readonly Layer[]) =>
    toShapes(
      toLayoutOf(layers),
      layers.map(() => scaleOf(1)),
      null,
    )!;

  test('a small layer takes less than a large one: by the 0.6th power of its size, within four times the mean', () => {
    const [large, small, tiny] = shapesOf([
      toLayer('large', [256, 256], 0),
      toLayer('small', [128, 256], 0),
      toLayer('depthwise', [64, 1, 3, 3], 0, 64),
    ]);
    expect(large.strength / small.strength).toBeCloseTo(2 ** 0.6, 6);
    expect(large.strength / tiny.strength).toBeGreaterThan(4);
    expect(large.strength / tiny.strength).toBeLessThanOrEqual(16);
  });

  test('the places of a kernel: a change that alternates stays, one of equal signs shrinks, in the order of any format', () => {
    for (const [shape, outAxis, inAxis, at] of [
      // ONNX: out, in, kernel; TFLite: out, kernel, in.
      [[4, 8, 3, 3], 0, 1, (channel: number, place: number) => channel * 9 + place],
      [[4, 3, 3, 8], 0, 3, (channel: number, place: number) => place * 8 + channel],
    ] as const) {
      const [shaped] = shapesOf([{ ...toLayer('w', shape, outAxis), inAxis }]);
      const lengthAfter = (sign: (channel: number, place: number) => number): number => {
        const change = new Float32Array(4 * 72);
        for (let i = 0; i < 72; i++) change[at(Math.floor(i / 9), i % 9)] = sign(Math.floor(i / 9), i % 9);
        shapeChange({ ...shaped, strength: 1 }, change);
        return (
          Math.hypot(...change) / Math.hypot(...Array.from({ length: 72 }, (_, i) => sign(Math.floor(i / 9), i % 9)))
        );
      };
      // Signs of channels cancel, so that the constant direction is not what is measured.
      const checkered = lengthAfter((channel, place) => (channel % 2 ? 1 : -1) * (place % 2 ? 1 : -1));
      const even = lengthAfter((channel) => (channel % 2 ? 1 : -1));
      expect(checkered).toBeGreaterThan(3 * even);
    }
  });

  test('a position keeps, in the mean over all layers, the change that was asked for', () => {
    const shapes = shapesOf([toLayer('a', [8, 4, 3, 3], 0), toLayer('b', [8, 32], 0), toLayer('c', [32, 8], 1)]);
    let kept = 0;
    let count = 0;
    for (const shape of shapes) {
      const size = shape.outputs * shape.features;
      for (let i = 0; i < size; i++) {
        const change = new Float32Array(size);
        change[i] = 1;
        shapeChange(shape, change);
        kept += change[i];
        count++;
      }
    }
    expect(kept / count).toBeCloseTo(1, 4);
  });

  test('probes show directions and strengths; what holds of most layers is added', () => {
    const layers = [toLayer('a', [16, 64], 0), toLayer('b', [16, 16], 0)];
    const known = new Map([
      ['a', constantCalibration(64, 1)],
      ['b', constantCalibration(16, 1, 16 / 64)],
    ]);
    const strengthsOf = (isProbed: boolean): number => {
      const calibration = { samples: 1, inputs: '', isProbed, layers: known };
      const [a, b] = toShapes(toLayoutOf(layers), [scaleOf(1), scaleOf(1)], calibration)!;
      return a.strength / b.strength;
    };
    expect(strengthsOf(true) / strengthsOf(false)).toBeCloseTo(4 ** 0.6, 4);
  });
});
