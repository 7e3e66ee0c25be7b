/** The mark across ONNX and TFLite: kernels and flattened values lie in another order there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { markAsAlice } from '../../test/fakes/marked-model.ts';
import { int, memoryModel, memoryTensor, node, seededNumbers } from '../../test/fakes/memory-model.ts';
import { openBytes, runPlan } from '../../test/formats/models.ts';
import { type ConvertOptions, toTflite } from '../../test/formats/onnx-to-tflite.ts';
import { toOnnx } from '../../test/formats/tflite-to-onnx.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { findTopologyFault, toTopology } from '../align/index.ts';
import { toSafetensors } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { detectMark, type DetectResult } from './detect.ts';
import type { EmbeddedMark } from './spread/embed.ts';

const samples = resolve(import.meta.dirname, '../../samples');
const openPath = (path: string): Model => openBytes(new Uint8Array(readFileSync(path)), basename(path));
const seed = new Uint8Array(32).fill(6);

/** A marked copy of `original`, opened by `reopen`, and what reads it. */
function protect(original: Model, reopen: (edits: EmbeddedMark['edits']) => Model) {
  const { model: marked, claim, ownSeed, mark } = markAsAlice({ original, seed, reopen });
  const detect = (suspect: Model, withOriginal = false): DetectResult =>
    detectMark({ suspect, claim, ownSeed, ...(withOriginal ? { original } : {}) });
  return { marked, detect, mark };
}

const protectFile = (original: Model) =>
  protect(original, (edits) => openBytes(runPlan(original.plan(edits)), original.files[0].name));
const convert = (model: Model, options: ConvertOptions = {}): Model =>
  openBytes(toTflite(model, options), 'copy.tflite');

/** Two convolutions, a pool and a flatten of 6 × 6 places into two dense layers, with drawn numbers. */
function toFlattenNetwork(which: number): Model & { readonly weights: ReadonlyMap<string, Float32Array> } {
  const numbers = seededNumbers(which);
  const draw = (name: string, ...shape: readonly number[]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    return [name, shape, Float32Array.from({ length: count }, () => 0.1 * numbers.normal())] as const;
  };
  const drawn = [
    draw('c1', 24, 1, 3, 3),
    draw('b1', 24),
    draw('c2', 32, 24, 3, 3),
    draw('b2', 32),
    draw('f1', 48, 32 * 16),
    draw('b3', 48),
    draw('f2', 10, 48),
    draw('b4', 10),
  ];
  const weights = new Map(drawn.map(([name, , values]) => [name, values]));
  return { ...build(drawn), weights };
}

type Drawn = readonly (readonly [string, readonly number[], Float32Array])[];

function build(drawn: Drawn) {
  return memoryModel(
    drawn.map(([name, shape, values]) => memoryTensor(name, shape, values)),
    {
      inputs: ['x'],
      outputs: ['y'],
      nodes: [
        node('Conv', ['x', 'c1', 'b1'], ['h1']),
        node('Relu', ['h1'], ['r1']),
        node('Conv', ['r1', 'c2', 'b2'], ['h2']),
        node('Relu', ['h2'], ['r2']),
        node('MaxPool', ['r2'], ['p']),
        node('Flatten', ['p'], ['flat']),
        node('Gemm', ['flat', 'f1', 'b3'], ['h3'], { transB: int(1) }),
        node('Relu', ['h3'], ['r3']),
        node('Gemm', ['r3', 'f2', 'b4'], ['y'], { transB: int(1) }),
      ],
    },
  );
}

/** The same network with the channels of its second convolution in another order, flattened runs included. */
function permute(model: Model): Model {
  const order = Array.from({ length: 32 }, (_, c) => (c * 13 + 5) % 32);
  const drawn = model.tensors.map(({ name, shape, byteLength }, i) => {
    const bytes = new Uint8Array(byteLength);
    model.tensors[i].read(0, bytes);
    const values = new Float32Array(bytes.buffer);
    const move = (run: number, rowLength: number): Float32Array =>
      values.map((_, at) => {
        const [row, place] = [Math.floor(at / rowLength), at % rowLength];
        return values[row * rowLength + order[Math.floor(place / run)] * run + (place % run)];
      });
    if (name === 'c2') return [name, shape, move(24 * 9, values.length)] as const;
    if (name === 'b2') return [name, shape, move(1, 32)] as const;
    return [name, shape, name === 'f1' ? move(16, 512) : values] as const;
  });
  return build(drawn);
}

const inputShape = [1, 12, 12] as const;

describe('marked in ONNX, converted to TFLite', () => {
  const original = openPath(join(samples, 'cnn.onnx'));
  const { marked, detect } = protectFile(original);

  test.each([
    ['f32', true],
    ['f32', false],
    ['i8', true],
    ['i8', false],
  ] as const)('a CNN with folded batch norms, weights as %s, names kept: %s', (weights, keepsNames) => {
    const suspect = convert(marked, { weights, keepsNames });
    expect(detect(suspect).verdict).toBe('claim');
    const aligned = detect(suspect, true);
    expect(aligned.verdict).toBe('claim');
    expect(detect(convert(original, { weights, keepsNames }), true).verdict).toBe('none');
  });

  test('and to safetensors from there, in the order of TFLite', () => {
    const tflite = convert(marked, { keepsNames: true });
    const plain = openBytes(runPlan(toSafetensors(tflite, 'm.safetensors').plan), 'm.safetensors');
    expect(detect(plain).verdict).toBe('claim');
  });
});

describe('a flatten of many places', () => {
  const original = toFlattenNetwork(1);
  const { marked, detect } = protect(original, (edits) => {
    const values = new Map([...original.weights].map(([name, numbers]) => [name, numbers.slice()]));
    for (const edit of edits) edit.apply(0, new Uint8Array(values.get(edit.tensor)!.buffer));
    return build(original.tensors.map(({ name, shape }) => [name, shape, values.get(name)!] as const));
  });

  test.each([
    'weights',
    'transpose',
  ] as const)('kept by %s: read as it lies, and aligned after a permutation', (flatten) => {
    const suspect = convert(marked, { flatten, inputShape });
    expect(detect(suspect).schemes[0]).toMatchObject({ bitErrors: 0 });
    expect(detect(suspect).verdict).toBe('claim');
    const moved = convert(permute(marked), { flatten, inputShape });
    expect(detect(moved).evidenceBits).toBeLessThan(detect(suspect).evidenceBits / 2);
    const aligned = detect(moved, true).schemes.filter((scheme) => scheme.aligned);
    expect(aligned.map(({ bitErrors }) => bitErrors)).toEqual([0, 0]);
  });

  test('the topology says that channels are interleaved, and is whole', () => {
    const topology = toTopology(convert(original, { inputShape }));
    expect(findTopologyFault(topology)).toBeUndefined();
    expect(topology.layers.map(({ outAxis, inAxis }) => [outAxis, inAxis])).toEqual([
      [0, 3],
      [0, 3],
      [0, 1],
      [0, 1],
    ]);
    expect(topology.layers[2].in).toMatchObject({ inner: 16, isInterleaved: true });
    expect(topology.spaces.map(({ isPermutable }) => isPermutable)).toEqual([true, true, true, false]);
    expect(toTopology(convert(original, { inputShape, flatten: 'transpose' })).layers[2].in).not.toHaveProperty(
      'isInterleaved',
    );
  });
});

describe('marked in TFLite, converted to ONNX', () => {
  test('a CNN with a flatten, without names', () => {
    const original = convert(toFlattenNetwork(2), { inputShape });
    const { marked, detect } = protectFile(original);
    const suspect = openBytes(toOnnx(marked), 'copy.onnx');
    for (const result of [detect(marked), detect(suspect), detect(suspect, true)]) {
      expect(result.verdict).toBe('claim');
      expect(result.schemes[0]).toMatchObject({ bitErrors: 0 });
    }
    expect(detect(openBytes(toOnnx(original), 'copy.onnx'), true).verdict).toBe('none');
  });
});

describeWithShared('published TFLite models', () => {
  const present = existsSync(sharedData('models')) ? readdirSync(sharedData('models')) : [];
  const names = present.filter((name) => name.endsWith('.tflite') && !name.startsWith('keyword'));

  test.each(names)('%s (int8 per axis): codes move by whole steps, nothing else does, and the mark is read', (name) => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', name)));
    const original = openBytes(bytes, name);
    const { marked, detect, mark } = protectFile(original);
    const edited = new Set(mark.edits.map(({ tensor }) => tensor));
    const after = new Map(marked.tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of original.tensors) {
      const [before, now] = [tensor, after.get(tensor.name)!].map((item) => {
        const read = new Uint8Array(item.byteLength);
        item.read(0, read);
        return read;
      });
      if (!edited.has(tensor.name)) expect(Buffer.compare(before, now)).toBe(0);
      expect(after.get(tensor.name)!.quantization?.read()).toEqual(tensor.quantization?.read());
    }
    expect(detect(marked, true).verdict).toBe('claim');
    expect(detect(marked).schemes[0]).toMatchObject({ bitErrors: 0 });
    expect(detect(original).verdict).toBe('none');
  });
});
