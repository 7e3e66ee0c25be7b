/** Graphs that onnxruntime saved for one kind of processor, with the kernels of convolutions in blocks of channels. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { markAsAlice } from '../../test/fakes/marked-model.ts';
import { int, memoryModel, memoryTensor, node, seededNumbers } from '../../test/fakes/memory-model.ts';
import { openBytes, runPlan } from '../../test/formats/models.ts';
import { importable } from '../../test/importable.ts';
import { optimise } from '../../test/optimised.ts';
import { toPlainKernels } from '../align/index.ts';
import { compareLineage } from '../lineage/index.ts';
import type { Model } from '../model/types.ts';
import { detectMark } from './detect.ts';

const BLOCKED = 'com.microsoft.nchwc';
const numbers = seededNumbers(77);

type Shape = readonly [outputs: number, inputs: number, height: number, width: number];

/** Filters of different sizes, as trained ones are. */
function drawKernel([outputs, inputs, height, width]: Shape): Float32Array {
  const each = inputs * height * width;
  const sizes = Array.from({ length: outputs }, () => Math.exp(numbers.normal()));
  return Float32Array.from({ length: outputs * each }, (_, at) => sizes[Math.floor(at / each)] * numbers.normal());
}

const roundUp = (count: number, block: number): number => Math.ceil(count / block) * block;

/** Laid out as the runtime does: blocks of outputs, blocks of inputs, places, inputs of a block, outputs of a block. */
function block(plain: Float32Array, [outputs, inputs, height, width]: Shape, size: number) {
  const inSize = inputs < size ? 1 : size;
  const shape: Shape = [roundUp(outputs, size), roundUp(inputs, inSize), height, width];
  const values: number[] = [];
  for (let outs = 0; outs < shape[0]; outs += size) {
    for (let ins = 0; ins < shape[1]; ins += inSize) {
      for (let place = 0; place < height * width; place++) {
        for (let input = ins; input < ins + inSize; input++) {
          for (let out = outs; out < outs + size; out++) {
            const isFilled = out < outputs && input < inputs;
            values.push(isFilled ? plain[(out * inputs + input) * height * width + place] : 0);
          }
        }
      }
    }
  }
  return { shape, values };
}

const SHAPES: Readonly<Record<'first' | 'second' | 'third', Shape>> = {
  first: [24, 3, 3, 3],
  second: [48, 24, 3, 3],
  third: [64, 48, 1, 1],
};

function toBlockedModel(size: number, shapes = SHAPES) {
  const kernels = Object.entries(shapes).map(([name, shape]) => ({ name, shape, plain: drawKernel(shape) }));
  const tensors = kernels.map(({ name, shape, plain }) => {
    const stored = block(plain, shape, size);
    return memoryTensor(name, stored.shape, stored.values);
  });
  const conv = (from: string, name: string, to: string) => ({
    ...node('Conv', [from, name], [to], { group: int(1) }),
    domain: BLOCKED,
  });
  const model = memoryModel(tensors, {
    inputs: ['x'],
    outputs: ['y'],
    nodes: [
      conv('x', 'first', 'a'),
      conv('a', 'second', 'b'),
      conv('b', 'third', 'c'),
      { ...node('ReorderOutput', ['c'], ['y'], { channels: int(64) }), domain: BLOCKED },
    ],
  });
  return { model, kernels };
}

describe('kernels in blocks', () => {
  test.each([
    ['16 channels', 16, SHAPES],
    ['8 channels, which not all divide by 16', 8, SHAPES],
    ['16 channels, all of which 8 divides, too', 16, { ...SHAPES, first: [32, 3, 3, 3], second: [48, 32, 3, 3] }],
    ['8 channels, all of which 16 divides, too', 8, { ...SHAPES, first: [32, 3, 3, 3], second: [48, 32, 3, 3] }],
  ] as const)('of %s: are read in their plain order, without what fills a block up', (_, size, shapes) => {
    const { model, kernels } = toBlockedModel(size, shapes);
    const plain = toPlainKernels(model);
    for (const { name, shape, plain: values } of kernels) {
      const tensor = plain.tensors.find((item) => item.name === name)!;
      expect(tensor.shape, name).toEqual(shape);
      const half = new Uint8Array(tensor.byteLength / 2);
      tensor.read(tensor.byteLength / 2, half);
      expect(new Float32Array(half.buffer), name).toEqual(values.subarray(values.length / 2));
    }
    expect(plain.graph!.nodes.map(({ op }) => op)).toEqual(['FusedConv', 'FusedConv', 'FusedConv', 'Identity']);
    expect(toPlainKernels(model)).toBe(plain);
  });

  test('where a count is no whole number of blocks, and without blocks, the model stays as it is', () => {
    const odd = memoryModel([memoryTensor('w', [12, 3, 1, 1], drawKernel([12, 3, 1, 1]))], {
      ...{ inputs: ['x'], outputs: ['y'] },
      nodes: [{ ...node('Conv', ['x', 'w'], ['y']), domain: BLOCKED }],
    });
    expect(toPlainKernels(odd)).toBe(odd);
    const none = memoryModel([memoryTensor('w', [16, 3, 1, 1], drawKernel([16, 3, 1, 1]))]);
    expect(toPlainKernels(none)).toBe(none);
  });
});

describe.runIf(await importable('onnxruntime-node'))(
  'saved by onnxruntime at level "all" [needs onnxruntime-node]',
  () => {
    test.each(['cnn', 'cnn-large'])('%s: mark and lineage are read; an unmarked copy has no mark', async (name) => {
      const bytes = readFileSync(join(import.meta.dirname, `../../samples/${name}.onnx`));
      const original = openBytes(bytes, 'o.onnx');
      const { model, claim, ownSeed } = markAsAlice({
        original,
        seed: new Uint8Array(32).fill(4),
        reopen: (edits) => openBytes(runPlan(original.plan(edits)), 'm.onnx'),
      });
      const save = async (from: Model): Promise<Model> =>
        openBytes(await optimise(runPlan(from.plan([])), 'all'), 'optimised.onnx');
      const suspect = await save(model);
      expect(suspect.graph!.nodes.some(({ domain }) => domain === BLOCKED)).toBe(true);
      const result = detectMark({ suspect, claim, ownSeed, original, readings: 'all' });
      expect(result.schemes.filter(({ name: scheme }) => scheme.endsWith('/hard')).at(-1)!.bitErrors).toBe(0);
      expect(result).toMatchObject({ verdict: 'claim', coverage: 1 });
      expect(detectMark({ suspect: await save(original), claim, ownSeed, original }).verdict).toBe('none');
      expect(compareLineage({ suspect, originals: [original] }).verdict).toBe('derived');
    });
  },
);
