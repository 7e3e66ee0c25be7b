import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { silentProgress } from '../../core/ports.ts';
import { createModelSpec, openNetwork, readWeights } from '../../lab/index.ts';
import { editGraph } from '../../surgery/index.ts';
import type { Model } from '../../model/types.ts';
import type { AttackOptions } from './options.ts';
import { openTrainer } from './trainer.ts';

const samples = join(import.meta.dirname, '../../../samples');
const folder = mkdtempSync(join(tmpdir(), 'attack-trainer-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
cpSync(join(samples, 'eval.npz'), join(folder, 'eval.npz'));

const services = composeServices({ home: folder, progress: silentProgress, cleanups: createCleanups() });
const options = {
  ...{ path: '', claimPath: '', only: [], strengths: [], learningRate: 0.01, seed: '1' },
  trainPath: join(folder, 'eval.npz'),
} satisfies AttackOptions;

const open = (name: string): Model => openBytes(new Uint8Array(readFileSync(join(samples, name))), name);

test.each([
  'mlp.onnx',
  'cnn.onnx',
  'transformer.onnx',
])('%s is read back, agrees with its runtime, and has samples', async (name) => {
  const { trainer, samples: count } = await openTrainer(services, open(name), options);
  expect(count).toBe(4000);
  expect(trainer.marked.size).toBeGreaterThan(3);
});

test('a network that answers otherwise than the model is not trained on', async () => {
  // Activations this small let the epsilon of the layer norms speak, and the trainer has another one.
  const small = /^(?:embed|position)\./;
  const weights = [...readWeights(open('transformer.onnx'))].map(([name, values]): [string, Float32Array] => [
    name,
    small.test(name) ? values.map((value) => value / 1000) : values,
  ]);
  const model = openNetwork(createModelSpec('transformer'), new Map(weights));
  const edit = editGraph(model, (tx) => {
    for (const node of tx.find({ op: 'LayerNormalization' })) tx.setAttribute(node, 'epsilon', { float: 2.9e-5 });
  });
  const odd = openBytes(runPlan(edit.toRewrite()), 'm.onnx');
  await expect(openTrainer(services, odd, options)).rejects.toMatchObject({ code: 'LAB_IMPORT_DIFFERS' });
});

test('without training data nothing is read', async () => {
  await expect(openTrainer(services, open('mlp.onnx'), { ...options, trainPath: undefined })).rejects.toMatchObject({
    code: 'LAB_ATTACK_UNFIT',
  });
});
