import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import { edited } from '../../../test/surgery/graphs.ts';
import { ModelwardError } from '../../core/errors.ts';
import type { Model } from '../../model/types.ts';
import { createTrainer } from '../attacks/index.ts';
import { readWeights } from '../model.ts';
import { createModelSpec, MODEL_NAMES, type ModelName } from '../models.ts';
import { listTensorShapes, restoreNetwork } from '../network.ts';
import type { LayerSpec } from '../spec.ts';
import { generateGlyphs } from '../tasks/glyphs.ts';
import { inferLogits, measureAccuracy } from '../train.ts';
import { importNetwork } from './index.ts';

const samples = join(import.meta.dirname, '../../../samples');
const few = generateGlyphs({ task: 'digits', stream: 'import test', count: 300 });

const readBytes = (name: ModelName): Uint8Array => new Uint8Array(readFileSync(join(samples, `${name}.onnx`)));
const open = (name: ModelName): Model => openBytes(readBytes(name), `${name}.onnx`);

/** Kinds in order, blocks in brackets; names are drawn anew. */
function toKinds(layers: readonly LayerSpec[]): string {
  const words = layers.map((layer) => {
    if (layer.kind === 'residual') return `(${toKinds(layer.body)} | ${toKinds(layer.shortcut)})`;
    return layer.kind === 'dropout' ? '' : layer.kind;
  });
  return words.filter((word) => word !== '').join(' ');
}

describe('a graph read back into the trainer', () => {
  test.each(MODEL_NAMES)('%s: the same layers, and the same answers', (name) => {
    const { spec, weights, placements } = importNetwork(open(name));
    const original = createModelSpec(name);
    expect(toKinds(spec.layers)).toBe(toKinds(original.layers));
    const stored = readWeights(open(name));
    const known = new Map([...listTensorShapes(original).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
    const logits = inferLogits(restoreNetwork(spec, weights), few);
    expect(logits).toEqual(inferLogits(restoreNetwork(original, known), few));
    expect([...placements.values()].map(({ tensor }) => tensor).sort()).toEqual([...known.keys()].sort());
  });

  test('trained weights go back into the same file; nothing else changes', () => {
    const model = open('cnn');
    const network = importNetwork(model);
    const trainer = createTrainer({
      ...{ model, network, samples: few, transfer: null, learningRate: 0.02, batch: 50, seed: 's' },
    });
    expect(runPlan(trainer.toPlan(trainer.marked))).toEqual(readBytes('cnn'));
    const last = openBytes(runPlan(trainer.toPlan(trainer.tune({ epochs: 1, layers: 'last' }))), 'm.onnx');
    const [before, after] = [readWeights(model), readWeights(last)];
    const moved = [...before].filter(([name, values]) => !values.every((value, at) => value === after.get(name)![at]));
    expect(moved.map(([name]) => name).filter((name) => !name.includes('running'))).toEqual(['fc.weight', 'fc.bias']);
    const tuned = importNetwork(
      openBytes(runPlan(trainer.toPlan(trainer.tune({ epochs: 2, layers: 'all' }))), 'm.onnx'),
    );
    expect(measureAccuracy(restoreNetwork(tuned.spec, tuned.weights), few)).toBeGreaterThan(0.85);
  });

  test('what the trainer has no layer for is refused by the name of the node', () => {
    const model = edited(readBytes('cnn'), (tx) => {
      const [relu] = tx.find({ op: 'Relu' });
      tx.insertAfter(relu.outputs[0], { op: 'Tanh', name: 'odd one' });
    });
    const refused = (): unknown => importNetwork(model);
    expect(refused).toThrow(ModelwardError);
    expect(refused).toThrow(
      expect.objectContaining({
        code: 'LAB_NODE_UNREADABLE',
        fields: expect.objectContaining({ node: 'odd one', op: 'Tanh' }),
      }),
    );
  });

  test('a diverged training is told as such', () => {
    const model = open('mlp');
    const network = importNetwork(model);
    const trainer = createTrainer({
      ...{ model, network, samples: few, transfer: null, learningRate: 1e6, batch: 50, seed: 's' },
    });
    expect(() => trainer.tune({ epochs: 2, layers: 'all' })).toThrow(
      expect.objectContaining({ code: 'LAB_ATTACK_UNFIT' }),
    );
    expect(() => trainer.transfer(1)).toThrow(expect.objectContaining({ code: 'LAB_ATTACK_UNFIT' }));
  });
});

test('a batch normalisation with another epsilon answers the same', () => {
  const model = edited(readBytes('cnn'), (tx) => {
    for (const node of tx.find({ op: 'BatchNormalization' })) tx.setAttribute(node, 'epsilon', { float: 1e-3 });
  });
  const { weights, placements } = importNetwork(model);
  const norm = [...placements].find(([, { tensor }]) => tensor === 'bn1.running_var')!;
  const stored = readWeights(model).get('bn1.running_var')!;
  expect(weights.get(norm[0])![0]).toBeCloseTo(stored[0] + 1e-3 - 1e-5, 6);
  const network = importNetwork(model);
  const trainer = createTrainer({
    ...{ model, network, samples: few, transfer: null, learningRate: 0.02, batch: 50, seed: 's' },
  });
  const back = readWeights(openBytes(runPlan(trainer.toPlan(trainer.marked)), 'm.onnx')).get('bn1.running_var')!;
  expect(Math.abs(back[0] - stored[0])).toBeLessThan(1e-6);
});
