/** Copies, mixtures and their directions: what lineage says of models that share a past. */
import { describe, expect, test } from 'vitest';
import {
  cnn,
  compare,
  hide,
  mlp,
  openBytes,
  readSample,
  sample,
  startAnew,
  toBytes,
} from '../../test/fakes/lineage-samples.ts';
import { toCheckpoint, toLlamaGguf } from '../../test/formats/llama.ts';
import { toTflite } from '../../test/formats/onnx-to-tflite.ts';
import { toQuantisedGguf } from '../../test/formats/quantise-gguf.ts';
import { toTorchFile } from '../../test/formats/torch-file.ts';
import { importable } from '../../test/importable.ts';
import { optimise } from '../../test/optimised.ts';
import { reopen } from '../../test/surgery/graphs.ts';
import { toGguf, toSafetensors } from '../formats/index.ts';
import {
  addNoise,
  createModelSpec,
  MODEL_NAMES,
  type ModelName,
  openNetwork,
  prune,
  quantize,
  toOnnx,
  type Weights,
} from '../lab/index.ts';
import type { Model } from '../model/types.ts';
import { optimizeGraph } from '../surgery/index.ts';
import { compareLineage, ORDER_BITS } from './index.ts';

const hasNode = await importable('onnxruntime-node');

const mix = (a: Weights, b: Weights, share = 0.5): Weights =>
  new Map([...a].map(([name, values]) => [name, values.map((v, i) => share * v + (1 - share) * b.get(name)![i])]));

describe('a copy with reordered and rescaled neurons', () => {
  const attacks: readonly (readonly [string, (name: ModelName, weights: Weights) => Weights])[] = [
    ['as it is', (_, weights) => weights],
    ['90 % pruned', (name, weights) => prune(createModelSpec(name), weights, 0.9)],
    ['int4', (name, weights) => quantize(createModelSpec(name), weights, { bits: 4, granularity: 'tensor' })],
    ['with noise', (name, weights) => addNoise(createModelSpec(name), weights, { relativeDeviation: 1, seed: '1' })],
    ['mixed with another model', (name, weights) => mix(weights, startAnew(name, 'other'))],
  ];

  test.each(
    MODEL_NAMES.flatMap((name) => attacks.map(([what, attack]) => [name, what, attack] as const)),
  )('%s, %s: derived by the built-in rule, and not by order', (name, _what, attack) => {
    const result = compare(
      openNetwork(createModelSpec(name), hide(name, attack(name, readSample(name)))),
      sample(`${name}.onnx`),
    );
    expect(result).toMatchObject({ verdict: 'derived', rule: 'built-in', original: 0, code: null });
    expect(result.notes.join()).toMatch(/no direction/);
    expect(result.originals[0].order.evidenceBits).toBeLessThan(ORDER_BITS);
    expect(Math.abs(result.fit.cosines[0])).toBeLessThan(0.3);
  });

  const hidden = openNetwork(createModelSpec('cnn'), hide('cnn', readSample('cnn')));

  test.each<[string, () => Model]>([
    ['safetensors', () => openBytes('s.safetensors', toBytes(toSafetensors(hidden, 's.safetensors')))],
    ['GGUF', () => openBytes('s.gguf', toBytes(toGguf(hidden, 's.gguf')))],
    ['PyTorch', () => openBytes('s.pt', toTorchFile(hidden))],
    ['TFLite', () => openBytes('s.tflite', toTflite(hidden, { inputShape: [1, 12, 12] }))],
    ['GGUF Q8_0', () => openBytes('s.gguf', toQuantisedGguf(hidden, 'q8_0'))],
    ['GGUF Q4_0', () => openBytes('s.gguf', toQuantisedGguf(hidden, 'q4_0'))],
  ])('as %s: derived, and from a file of that kind as original, too', (_format, convert) => {
    expect(compare(convert(), cnn)).toMatchObject({ verdict: 'derived', rule: 'built-in' });
    expect(compare(cnn, convert())).toMatchObject({ verdict: 'derived', rule: 'built-in' });
  });

  test('with batch norm folded into the convolutions: derived', async () => {
    const { edit } = await optimizeGraph(hidden, { passes: ['fuseBatchNorm'] });
    const folded = reopen(edit);
    expect(folded.graph!.nodes.some(({ op }) => op === 'BatchNormalization')).toBe(false);
    expect(compare(folded, cnn)).toMatchObject({ verdict: 'derived', rule: 'built-in' });
    expect(compare(cnn, folded)).toMatchObject({ verdict: 'derived', rule: 'built-in' });
  });

  test.runIf(hasNode).each([
    ['cnn', 'basic'],
    ['cnn', 'extended'],
    ['mlp', 'all'],
    ['transformer', 'all'],
    // Kernels in blocks for this machine's processor.
    ['cnn', 'all'],
    ['cnn-large', 'all'],
  ] as const)(
    '%s as onnxruntime saves it after %s optimisation [needs onnxruntime-node]: derived',
    async (name, level) => {
      const bytes = toOnnx(createModelSpec(name), hide(name, readSample(name)));
      const optimised = openBytes('optimised.onnx', await optimise(bytes, level));
      expect(compare(optimised, sample(`${name}.onnx`))).toMatchObject({ verdict: 'derived', rule: 'built-in' });
    },
  );
});

describe('a copy that kept its order', () => {
  test.each([
    'mlp',
    'cnn',
    'cnn-large',
    'transformer',
  ] as const)('%s as safetensors: derived by order, bound stated', (name) => {
    const result = compare(sample(`${name}.safetensors`), sample(`${name}.onnx`));
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order' });
    expect(result.reason).toMatch(/at most 2\^-\d+\.\d under independent initialisation/);
    expect(result.fit).toMatchObject({ coefficients: [expect.closeTo(1, 6)], residual: expect.closeTo(0, 3) });
  });

  test('without a graph on either side: by the names of tensors, in two layers at least', () => {
    const result = compare(sample('mlp.safetensors'), openBytes('o.gguf', toQuantisedGguf(mlp, 'q4_0')));
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order' });
    expect(result.originals[0]).toMatchObject({ agreement: null, judged: null, order: { basis: 'names' } });
    expect(result.fit.layers[0].likeness[0]).toMatchObject({ tensor: 'fc1.weight', cosine: expect.closeTo(1, 1) });
  });

  test('as TFLite with weights of 8 bits and batch norm folded: derived; codes have no scale, so no distance is told', () => {
    const suspect = openBytes('s.tflite', toTflite(cnn, { weights: 'i8', inputShape: [1, 12, 12] }));
    const { fit, ...result } = compare(suspect, cnn);
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order' });
    const [first] = fit.layers.flatMap(({ likeness }) => likeness);
    expect(first).toMatchObject({ relativeDistance: null });
    expect(first!.cosine).toBeGreaterThan(0.8);
  });
});

describe('a mixture', () => {
  const spec = createModelSpec('mlp');
  const [a, b] = [readSample('mlp'), startAnew('mlp', 'second')];
  const other = openNetwork(spec, b);

  test('is told by its shares, in total and by layer', () => {
    const { fit, ...result } = compare(openNetwork(spec, mix(a, b, 0.7)), mlp, { originals: [mlp, other] });
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order', original: 0 });
    for (const { coefficients, residual } of [fit, ...fit.layers]) {
      expect(coefficients).toEqual([expect.closeTo(0.7, 3), expect.closeTo(0.3, 3)]);
      expect(residual).toBeLessThan(0.01);
    }
  });

  test('of whole layers names whose layer each is', () => {
    const spliced = new Map([...a].map(([name, values]) => [name, name.startsWith('fc2') ? b.get(name)! : values]));
    const { fit } = compare(openNetwork(spec, spliced), mlp, { originals: [mlp, other] });
    expect(
      fit.layers.map(({ name, coefficients }) => [name, ...coefficients.map((c) => Math.round(Math.abs(c!)))]),
    ).toEqual([
      ['fc1.weight', 1, 0],
      ['fc2.weight', 0, 1],
      ['fc3.weight', 1, 0],
    ]);
  });

  test('with the base that both come from: the one whose changes it has', () => {
    const noise = (seed: string): Weights => addNoise(spec, a, { relativeDeviation: 0.05, seed });
    const [mine, theirs] = [noise('mine'), noise('theirs')];
    const originals = [mlp, openNetwork(spec, mine)];
    const fromMine = compare(openNetwork(spec, addNoise(spec, mine, { relativeDeviation: 0.02, seed: 'x' })), mlp, {
      originals,
    });
    const fromBase = compare(openNetwork(spec, theirs), mlp, { originals });
    expect(fromMine.fit.coefficients).toEqual([expect.closeTo(0, 1), expect.closeTo(1, 1)]);
    expect(fromBase.fit.coefficients).toEqual([expect.closeTo(1, 1), expect.closeTo(0, 1)]);
  });

  test('of one original given twice: the second says nothing', () => {
    const { fit } = compare(mlp, mlp, { originals: [mlp, sample('mlp.safetensors')] });
    expect(fit.coefficients).toEqual([expect.closeTo(1, 6), null]);
  });

  test('finds a layer that stands elsewhere', () => {
    const { tensors } = sample('transformer.safetensors');
    const swap = (name: string): string => name.replace(/^layer([12])/, (_, n: string) => `layer${n === '1' ? 2 : 1}`);
    const renamed = {
      ...sample('transformer.safetensors'),
      tensors: tensors.map((t) => ({
        ...t,
        name: swap(t.name),
        read: t.read.bind(t),
        shape: t.shape,
        dtype: t.dtype,
        elementCount: t.elementCount,
        byteLength: t.byteLength,
      })),
    } as Model;
    const { fit } = compare(renamed, sample('transformer.onnx'));
    const up = fit.layers.find(({ name }) => name === 'layer1.ffn.up.weight')!;
    expect(up.likeness[0]).toMatchObject({
      tensor: 'layer2.ffn.up.weight',
      isMoved: true,
      cosine: expect.closeTo(1, 3),
    });
  });
});

describe('whose copy it is', () => {
  test('is never said: both directions give one verdict, and the note that none is claimed', () => {
    const copy = openNetwork(
      createModelSpec('mlp'),
      hide('mlp', prune(createModelSpec('mlp'), readSample('mlp'), 0.5)),
    );
    const [there, back] = [compare(copy, mlp), compare(mlp, copy)];
    for (const { verdict, notes, reason } of [there, back]) {
      expect(verdict).toBe('derived');
      expect(notes).toEqual([expect.stringMatching(/no direction.*cannot be told from weights/)]);
      expect(reason).not.toMatch(/stolen|theft|thief|copied|copy of|comes from|owner/i);
    }
  });

  test('an original is needed', () => {
    expect(() => compareLineage({ suspect: mlp, originals: [] })).toThrow(TypeError);
  });
});

describe('a language model without a graph', () => {
  test('as llama.cpp holds it: derived by order, rows of heads found where they were moved to', () => {
    const checkpoint = toCheckpoint();
    const result = compare(toLlamaGguf(checkpoint, { dtype: 'q8_0' }), checkpoint);
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order' });
    expect(result.fit.coverage[0]).toBe(1);
    for (const { likeness } of result.fit.layers) expect(likeness[0]?.cosine).toBeGreaterThan(0.99);
  });

  test('trained apart: not derived', () => {
    expect(compare(toLlamaGguf(toCheckpoint(2), { dtype: 'q8_0' }), toCheckpoint()).verdict).not.toBe('derived');
  });
});

test('aligned cosines show a reordered copy layer by layer', () => {
  const suspect = openNetwork(createModelSpec('mlp'), hide('mlp', readSample('mlp')));
  const [{ aligned }] = compare(suspect, mlp, { detail: 'layers' }).originals;
  expect(aligned.map(({ name }) => name)).toEqual(['fc1.weight', 'fc2.weight', 'fc3.weight']);
  for (const { cosine } of aligned) expect(cosine).toBeGreaterThan(0.999);
});
