/** Models that share a front end or nothing: what lineage says of strangers, and what it cannot tell. */
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
import { toSafetensors } from '../formats/index.ts';
import {
  addNoise,
  buildNetwork,
  createModelSpec,
  exportWeights,
  MODEL_NAMES,
  type ModelName,
  type NetworkSpec,
  openNetwork,
  permute,
  prune,
  type Weights,
} from '../lab/index.ts';
import { toMemoryTensor } from '../model/tensors.ts';
import type { Model } from '../model/types.ts';
import { ORDER_BITS } from './index.ts';

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
