import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyEdits,
  type MemoryGraph,
  type MemoryModel,
  memoryModel,
  memoryTensor,
  node,
  seededNumbers,
  withTensors,
} from '../../../test/fakes/memory-model.ts';
import { WatermarkError } from '../../core/errors.ts';
import type { DType } from '../../model/dtype.ts';
import { decodeElements } from '../elements.ts';
import { type Claim, createClaim } from '../claim.ts';
import { detectMark } from '../detect.ts';
import { toOriginalDigest } from '../digest.ts';
import { deriveSeeds } from '../seeds.ts';
import { embedMark, type EmbeddedMark } from './embed.ts';

const numRuns = process.env.SLOW === '1' ? 100 : 5;
const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

function gaussianModel(shapes: readonly (readonly number[])[], dtype: DType = 'f32', number = 1): MemoryModel {
  const random = seededNumbers(number);
  const tensors = shapes.map((shape, i) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const isCode = /^[iu]/.test(dtype);
    const range = dtype.endsWith('4') ? 7 : 127;
    const values = Array.from({ length: count }, () => {
      const value = random.normal() * (isCode ? range / 3 : 0.05 * (i + 1));
      const offset = dtype.startsWith('u') ? range + 1 : 0;
      return isCode ? Math.round(Math.max(-range, Math.min(range, value))) + offset : value;
    });
    return memoryTensor(`layer${i}.weight`, shape, values, dtype);
  });
  if (!dtype.startsWith('u')) return memoryModel(tensors);
  return memoryModel([...tensors, memoryTensor('head', [8, 4], new Float32Array(32))], toQuantizedGraph(shapes.length));
}

/** Unsigned codes are weights only where an operator says so. */
function toQuantizedGraph(layers: number): MemoryGraph {
  const nodes = Array.from({ length: layers }, (_, i) =>
    node('MatMulInteger', [`x${i}`, `layer${i}.weight`], [`x${i + 1}`]),
  );
  return { inputs: ['x0'], outputs: ['y'], nodes: [...nodes, node('MatMul', [`x${layers}`, 'head'], ['y'])] };
}

interface Marked {
  readonly mark: EmbeddedMark;
  readonly model: MemoryModel;
  readonly claim: Claim;
  readonly ownSeed: Uint8Array;
}

function protect(original: MemoryModel, ownerId = 'alice', byte = 7, tau?: number): Marked {
  const originalDigest = toOriginalDigest(original);
  const seeds = deriveSeeds(seed(byte));
  const mark = embedMark({ model: original, ownSeed: seeds.own, ownerId, originalDigest, ...(tau ? { tau } : {}) });
  const model = applyEdits(original, mark.edits);
  const claim = createClaim({
    seed: seed(byte),
    seedBox: { sealSeed: () => 'box', openSeed: () => seed(byte) },
    ownerKey: 'key',
    ownerId,
    originalDigest,
    markedDigest: toOriginalDigest(model),
    mark,
  });
  return { mark, model, claim, ownSeed: seeds.own };
}

const small = [
  [128, 96],
  [256, 128],
] as const;

describe('ownership mark', () => {
  test.each([
    'f32',
    'f64',
    'f16',
    'bf16',
    'f8e4m3fn',
    'f8e5m2',
    'i8',
    'u8',
    'i4',
  ] as const)('is read without an error after embedding in %s', (dtype) => {
    const marked = protect(gaussianModel(small, dtype, 3));
    expect(marked.mark.record.marginMin).toBeGreaterThanOrEqual(0.95);
    const result = detectMark({ suspect: marked.model, claim: marked.claim, ownSeed: marked.ownSeed });
    expect(result.schemes[0]).toMatchObject({ name: 'spread/hard', bits: 256, bitErrors: 0, aligned: false });
    expect(result.verdict).toBe('claim');
    expect(result.evidenceBits).toBeGreaterThan(245);
  });

  test('is not found before embedding, by another owner, or with another seed', () => {
    const original = gaussianModel(small);
    const marked = protect(original);
    const before = detectMark({ suspect: original, claim: marked.claim, ownSeed: marked.ownSeed });
    expect(before.verdict).toBe('none');
    expect(before.evidenceBits).toBeLessThan(20);
    const stranger = protect(original, 'mallory', 9);
    const cross = detectMark({ suspect: marked.model, claim: stranger.claim, ownSeed: stranger.ownSeed });
    expect(cross.verdict).toBe('none');
  });

  test('bits follow from the owner: the same seed under another name reads as noise', () => {
    const original = gaussianModel(small);
    const marked = protect(original, 'alice');
    const other = protect(original, 'bob');
    const result = detectMark({ suspect: marked.model, claim: other.claim, ownSeed: other.ownSeed });
    expect(result.schemes[0].bitErrors).toBeGreaterThan(80);
    expect(result.verdict).toBe('none');
  });

  test('edits do not depend on how a writer cuts the tensor', () => {
    fc.assert(
      fc.property(fc.constantFrom<DType>('f32', 'f16', 'i8', 'i4'), fc.integer({ min: 1, max: 5000 }), (dtype, cut) => {
        const original = gaussianModel(
          [
            [131, 97],
            [64, 128],
          ],
          dtype,
          5,
        );
        const originalDigest = toOriginalDigest(original);
        const { edits } = embedMark({ model: original, ownSeed: seed(1), ownerId: 'x', originalDigest });
        const whole = applyEdits(original, edits);
        const cutUp = applyEdits(original, edits, cut * 8);
        expect(toOriginalDigest(cutUp)).toEqual(toOriginalDigest(whole));
      }),
      { numRuns },
    );
  });

  test('survives 50 % pruning, 8-bit rounding and noise as large as a third of the weights', () => {
    const marked = protect(gaussianModel(small));
    const random = seededNumbers(77);
    const change = (apply: (values: Float64Array) => void): MemoryModel =>
      withTensors(
        marked.model,
        marked.model.data.map((tensor) => {
          const values = new Float64Array(tensor.data.length / 4);
          decodeElements('f32', tensor.data, values);
          apply(values);
          return memoryTensor(tensor.name, tensor.shape, values);
        }),
      );
    const pruned = change((values) => {
      const cut = [...values].map(Math.abs).sort((a, b) => a - b)[values.length >> 1];
      for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) < cut) values[i] = 0;
    });
    const rounded = change((values) => {
      const step = Math.max(...values) / 127;
      for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i] / step) * step;
    });
    const noisy = change((values) => {
      const size = Math.sqrt(values.reduce((a, b) => a + b * b, 0) / values.length) / 3;
      for (let i = 0; i < values.length; i++) values[i] += size * random.normal();
    });
    for (const suspect of [pruned, rounded, noisy]) {
      const result = detectMark({ suspect, claim: marked.claim, ownSeed: marked.ownSeed });
      expect(result.schemes[0].bitErrors).toBeLessThanOrEqual(2);
      expect(result.verdict).toBe('claim');
    }
  });

  test('a suspect with renamed, reordered and transposed tensors is matched by shape', () => {
    const marked = protect(
      gaussianModel([
        [128, 96],
        [256, 128],
        [128, 96],
      ]),
    );
    const transposed = marked.model.data.map((tensor, i) => {
      const [rows = 0, columns = 0] = tensor.shape;
      const values = new Float64Array(rows * columns);
      decodeElements('f32', tensor.data, values);
      const turned = Float64Array.from(
        { length: values.length },
        (_, k) => values[(k % rows) * columns + Math.floor(k / rows)],
      );
      return memoryTensor(`onnx::MatMul_${i}`, [columns, rows], turned);
    });
    const result = detectMark({
      suspect: memoryModel([transposed[2], transposed[1], transposed[0]]),
      claim: marked.claim,
      ownSeed: marked.ownSeed,
    });
    expect(result.verdict).toBe('claim');
    expect(result.schemes.find((scheme) => scheme.name === 'spread/best-match/hard')).toMatchObject({ bitErrors: 0 });
    expect(result.trials).toBeGreaterThan(8);
  });

  test('a re-initialised layer is left out, and the trials are counted', () => {
    const marked = protect(
      gaussianModel([
        [128, 96],
        [256, 128],
        [100, 256],
      ]),
    );
    const other = gaussianModel(
      [
        [128, 96],
        [256, 128],
        [100, 256],
      ],
      'f32',
      99,
    );
    const suspect = withTensors(marked.model, [marked.model.data[0], marked.model.data[1], other.data[2]]);
    const result = detectMark({ suspect, claim: marked.claim, ownSeed: marked.ownSeed });
    expect(result.verdict).toBe('claim');
    expect(Math.max(...result.schemes.map((scheme) => scheme.evidenceBits))).toBe(result.evidenceBits);
    expect(result.trials).toBe(2 * 5);
  });

  test('layers that are gone give "inconclusive" with the reason, never "none"', () => {
    const marked = protect(gaussianModel(small));
    const gone = detectMark({
      suspect: gaussianModel([[33, 77]]),
      claim: marked.claim,
      ownSeed: marked.ownSeed,
    });
    expect(gone.verdict).toBe('inconclusive');
    expect(gone.reason).toContain('no tensor of the suspect');
  });

  test('too small: a coded error with the size needed, exit 4', () => {
    const original = gaussianModel([[64, 64]]);
    const attempt = (): unknown =>
      embedMark({ model: original, ownSeed: seed(1), ownerId: 'x', originalDigest: toOriginalDigest(original) });
    expect(attempt).toThrow(WatermarkError);
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'WATERMARK_TOO_SMALL',
        exit: 4,
        fields: { weights: 4096, weightsNeeded: 16384 },
      });
    }
  });

  test('weights that are not finite are refused by name', () => {
    const good = gaussianModel(small);
    const values = new Float64Array(128 * 96).fill(0.5).map((v, i) => v * Math.sin(i));
    values[5000] = Number.NaN;
    const bad = withTensors(good, [memoryTensor('layer0.weight', [128, 96], values), good.data[1]]);
    expect(() =>
      embedMark({ model: bad, ownSeed: seed(1), ownerId: 'x', originalDigest: toOriginalDigest(bad) }),
    ).toThrow(
      expect.objectContaining({
        code: 'WATERMARK_WEIGHTS_NOT_FINITE',
        fields: { tensor: 'layer0.weight', count: 1 },
      }) as Error,
    );
  });

  test('a type without room for the margins is refused, not half marked', () => {
    const codes = memoryModel([
      memoryTensor(
        'w',
        [128, 256],
        new Float64Array(128 * 256).fill(0).map((_, i) => (i % 5 === 0 ? 7 : -8)),
        'i4',
      ),
    ]);
    expect(() =>
      embedMark({ model: codes, ownSeed: seed(1), ownerId: 'x', originalDigest: toOriginalDigest(codes), tau: 1 }),
    ).toThrow(expect.objectContaining({ code: 'WATERMARK_NOT_EMBEDDED' }) as Error);
  });

  test('masks and tables of few values stay untouched', () => {
    const good = gaussianModel(small);
    const mask = memoryTensor(
      'mask',
      [64, 64],
      Array.from({ length: 4096 }, (_, i) => (i % 65 >= i / 64 ? 0 : -10000)),
    );
    const marked = protect(withTensors(good, [...good.data, mask]));
    expect(marked.mark.record.perLayer.map((layer) => layer.name)).toEqual(['layer0.weight', 'layer1.weight']);
  });
});
