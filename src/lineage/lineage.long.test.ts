/** Lineage of real small models: what a thief makes of a copy, in which file, and models that were trained apart. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toCheckpoint, toLlamaGguf } from '../../test/formats/llama.ts';
import { toTflite } from '../../test/formats/onnx-to-tflite.ts';
import { toQuantisedGguf } from '../../test/formats/quantise-gguf.ts';
import { toTorchFile } from '../../test/formats/torch-file.ts';
import { importable } from '../../test/importable.ts';
import { optimise } from '../../test/optimised.ts';
import { reopen } from '../../test/surgery/graphs.ts';
import { concatBytes } from '../core/bytes.ts';
import { openModel, toGguf, toSafetensors } from '../formats/index.ts';
import {
  addNoise,
  buildNetwork,
  createModelSpec,
  exportWeights,
  listTensorShapes,
  MODEL_NAMES,
  type ModelName,
  type NetworkSpec,
  openNetwork,
  permute,
  prune,
  quantize,
  readWeights,
  toOnnx,
  type Weights,
} from '../lab/index.ts';
import { toMemoryTensor } from '../model/tensors.ts';
import type { Model } from '../model/types.ts';
import { applyRewrite, openBufferSource } from '../source/index.ts';
import { optimizeGraph } from '../surgery/index.ts';
import { compareLineage, type LineageOptions, type LineageResult, ORDER_BITS } from './index.ts';

const samples = resolve(import.meta.dirname, '../../samples');
const hasNode = await importable('onnxruntime-node');

function openBytes(name: string, bytes: Uint8Array): Model {
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

const openPath = (path: string): Model => openBytes(basename(path), readFileSync(path));
const sample = (name: string): Model => openPath(join(samples, name));

/** What a plan writes as its one file. */
function toBytes({ plan }: ReturnType<typeof toGguf | typeof toSafetensors>): Uint8Array {
  const parts: Uint8Array[] = [];
  applyRewrite(plan.files[0].ops, { write: (chunk) => parts.push(chunk.slice()) });
  return concatBytes(...parts);
}

function readSample(name: ModelName): Weights {
  const stored = readWeights(sample(`${name}.safetensors`));
  return new Map([...listTensorShapes(createModelSpec(name)).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
}

/** Fresh start values: a model that has nothing to do with any sample. */
const startAnew = (name: ModelName, seed: string): Weights => exportWeights(buildNetwork(createModelSpec(name), seed));

const hide = (name: ModelName, weights: Weights): Weights =>
  permute(createModelSpec(name), weights, { seed: 'test', logScaleMax: 1 });

const mix = (a: Weights, b: Weights, share = 0.5): Weights =>
  new Map([...a].map(([name, values]) => [name, values.map((v, i) => share * v + (1 - share) * b.get(name)![i])]));

function compare(suspect: Model, original: Model, more: Partial<LineageOptions> = {}): LineageResult {
  return compareLineage({ suspect, originals: [original], ...more });
}

const mlp = sample('mlp.onnx');
const cnn = sample('cnn.onnx');

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

describe('models that share a front end and nothing else', () => {
  /** Fresh start values, but for some layers, which are those of the sample, changed by a share of their size. */
  function share(name: ModelName, prefix: string, relativeDeviation: number): Model {
    const spec = createModelSpec(name);
    const given = addNoise(spec, readSample(name), { relativeDeviation, seed: 'front' });
    const fresh = [...startAnew(name, 'apart')];
    return openNetwork(spec, new Map(fresh.map(([key, own]) => [key, key.startsWith(prefix) ? given.get(key)! : own])));
  }

  test.each([
    // A table of most of the neurons, number by number.
    ['mlp', 'fc1', 0],
    // A small share of the neurons, however alike.
    ['cnn-large', 'conv2', 0.05],
  ] as const)('%s, %s: cannot tell, and the layer is named', (name, prefix, noise) => {
    const result = compare(share(name, prefix, noise), sample(`${name}.onnx`));
    expect(result).toMatchObject({ verdict: 'inconclusive', code: 'few-layers', original: null });
    expect(result.reason).toContain(`only these agree: ${prefix}.weight; a fixed table or a shared front end?`);
    expect(result.originals[0].order).toMatchObject({ decisive: [`${prefix}.weight`], isNarrow: true });
  });

  test('without a graph, tables are known by their names', () => {
    const stream = (seed: string): Float32Array => startAnew('mlp', seed).get('fc2.weight')!;
    const table = stream('table');
    const open = (seed: string, names: readonly [string, string]): Model => {
      const weights = {
        [names[0]]: table,
        [names[1]]: table,
        'conv.weight': stream(seed),
        'fc.weight': stream(`${seed}2`),
      };
      const tensors = Object.entries(weights).map(([name, { buffer }]) =>
        toMemoryTensor({ name, dtype: 'f32', shape: [192, 256], bytes: new Uint8Array(buffer) }),
      );
      return openBytes('m.safetensors', toBytes(toSafetensors({ tensors, metadata: new Map() }, 'm.safetensors')));
    };
    const pair = (names: readonly [string, string]) => compare(open('a', names), open('b', names)).originals[0].order;
    const known = pair(['stft.real.weight', 'melW']);
    expect(known.layers.map(({ name }) => name)).toEqual(['conv.weight', 'fc.weight']);
    expect(known.evidenceBits).toBeLessThan(10);
    const unknown = pair(['front.real.weight', 'front.imaginary.weight']);
    expect(unknown.evidenceBits).toBeGreaterThan(ORDER_BITS);
    expect(unknown).toMatchObject({ isNarrow: true, decisive: ['front.real.weight', 'front.imaginary.weight'] });
  });

  test('a copy whose first layer was frozen in tuning is derived: its other layers kept their order, too', () => {
    const spec = createModelSpec('mlp');
    const tuned = addNoise(spec, readSample('mlp'), { relativeDeviation: 0.5, seed: 'tuned' });
    const frozen = new Map([...tuned, ['fc1.weight', readSample('mlp').get('fc1.weight')!]]);
    const result = compare(openNetwork(spec, frozen), mlp);
    expect(result).toMatchObject({ verdict: 'derived', rule: 'file-order' });
    expect(result.reason).toContain('above chance: fc1.weight, fc2.weight');
  });
});

describe('what strong weight decay leaves', () => {
  const spec = createModelSpec('mlp');
  const [inputs, hidden] = [144, 256];

  /** Neurons of the first layer from `kept` on do the same, nearly; those before shrank until only their direction is left. */
  function collapse(weights: Weights, kept: number): Weights {
    const noise = addNoise(spec, startAnew('mlp', 'collapsed'), { relativeDeviation: 0.1, seed: 'collapsed' });
    const common = startAnew('mlp', 'collapsed');
    const change = (name: string, toNeuron: (at: number) => number, toCommon: (at: number) => number) => {
      const values = weights.get(name)!.map((value, at) => {
        if (toNeuron(at) < kept) return 1e-15 * value;
        return common.get(name)![toCommon(at)] + noise.get(name)![at] - common.get(name)![at];
      });
      return [name, values] as const;
    };
    const fc1 = change(
      'fc1.weight',
      (at) => Math.floor(at / inputs),
      (at) => at % inputs,
    );
    const fc2 = change(
      'fc2.weight',
      (at) => at % hidden,
      (at) => Math.floor(at / hidden) * hidden,
    );
    return new Map([...weights, fc1, fc2]);
  }

  test('a reordered copy is known by the neurons that died: they keep their direction', () => {
    const result = compare(openNetwork(spec, hide('mlp', collapse(readSample('mlp'), 64))), mlp);
    expect(result).toMatchObject({ verdict: 'derived', rule: 'built-in' });
    expect(result.reason).toMatch(/\d+ more cannot be told from another neuron of their model/);
    const [fc1, fc2] = result.originals[0].agreement!.layers;
    expect(fc1).toMatchObject({ layer: 'fc1.weight', neurons: 64, alike: hidden - 64 });
    expect(fc1.agreed).toBeGreaterThan(60);
    expect(fc2.agreed).toBeGreaterThan(0.9 * fc2.neurons);
    expect(fc2.neurons).toBeGreaterThan(64);
  });

  test('of another model: not derived', () => {
    const result = compare(openNetwork(spec, collapse(startAnew('mlp', 'apart'), 64)), mlp);
    expect(result.verdict).not.toBe('derived');
    expect(result.originals[0].agreement!.share).toBeLessThan(0.2);
  });

  test('with most neurons alike and none that agree: cannot tell, where it would have been "unrelated"', () => {
    const result = compare(openNetwork(spec, collapse(startAnew('mlp', 'apart'), 8)), mlp);
    expect(result).toMatchObject({ verdict: 'inconclusive', rule: null, code: 'neurons-alike' });
    expect(result.reason).toMatch(/^cannot tell, because \d+ of 448 neurons are copies of one another/);
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

describe('models that have nothing in common', () => {
  test.each(MODEL_NAMES)('%s from other start values: unrelated, whatever the format', (name) => {
    const spec = createModelSpec(name);
    for (const format of ['onnx', 'safetensors'] as const) {
      const result = compare(openNetwork(spec, startAnew(name, 'apart'), format), sample(`${name}.onnx`));
      expect(result).toMatchObject({ verdict: 'unrelated', rule: 'built-in', original: null });
      expect(result.notes.join()).toMatch(/distilled/);
      expect(result.originals[0].order.evidenceBits).toBeLessThan(10);
    }
  });

  test('set the bars where there are enough of them; those that cannot be compared do not count', () => {
    const spec = createModelSpec('cnn');
    let closed = 0;
    const nulls = Array.from({ length: 21 }, (_, i) => () => {
      const model = i === 20 ? sample('mlp.onnx') : openNetwork(spec, startAnew('cnn', `null ${i}`));
      const close = (): void => {
        closed++;
      };
      return { ...model, close };
    });
    const copy = openNetwork(spec, hide('cnn', prune(spec, readSample('cnn'), 0.9)));
    const result = compare(copy, cnn, { nulls });
    expect(result).toMatchObject({ verdict: 'derived', rule: 'nulls' });
    expect(result.originals[0].judged?.nulls).toMatchObject({ models: 20, rankP: 1 / 21 });
    expect(result.reason).toMatch(/20 independent models .* rank p = 0\.048/);
    expect(closed).toBe(21);
  });
});

describe('what cannot be told', () => {
  test.each<[string, () => [Model, Model], string]>([
    ['another architecture', () => [cnn, mlp], 'architectures-differ'],
    ['the same without graphs', () => [sample('cnn.safetensors'), sample('mlp.safetensors')], 'architectures-differ'],
    [
      'a reordered copy, and no graph on either side',
      () => [
        openNetwork(createModelSpec('mlp'), hide('mlp', readSample('mlp')), 'safetensors'),
        sample('mlp.safetensors'),
      ],
      'neurons-unknown',
    ],
    ['a file without weights', () => [{ ...mlp, tensors: [], graph: null }, mlp], 'architectures-differ'],
    ['an original without weights', () => [mlp, { ...mlp, tensors: [], graph: null }], 'architectures-differ'],
    ['a reordered copy of 80 neurons', () => openSmallPair(), 'too-few-neurons'],
    [
      'a reordered copy under noise of 2.5 times its weights',
      () => {
        const noisy = addNoise(createModelSpec('mlp'), readSample('mlp'), { relativeDeviation: 2.5, seed: 'much' });
        return [openNetwork(createModelSpec('mlp'), hide('mlp', noisy)), mlp];
      },
      'between',
    ],
  ])('%s', (_what, open, code) => {
    const [suspect, original] = open();
    const result = compare(suspect, original);
    expect(result).toMatchObject({ verdict: 'inconclusive', rule: null, original: null, code });
    expect(result.reason).toMatch(/^cannot tell, because /);
  });
});

/** Two hidden layers of 40 neurons, and the same in another order. */
function openSmallPair(): [Model, Model] {
  const dense = (name: string, inputs: number, outputs: number) =>
    ({ kind: 'dense', name, inputs, outputs, layout: 'outIn' }) as const;
  const relu = { kind: 'relu' } as const;
  const hidden = [dense('a', 144, 40), relu, dense('b', 40, 40), relu];
  const spec: NetworkSpec = {
    ...{ name: 'small', side: 12, classes: 10 },
    layers: [{ kind: 'flatten' }, ...hidden, dense('c', 40, 10)],
  };
  const weights = exportWeights(buildNetwork(spec, 'small'));
  return [openNetwork(spec, permute(spec, weights, { seed: 'test', logScaleMax: 1 })), openNetwork(spec, weights)];
}

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
