import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toSafetensors } from '../../src/formats/convert.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { createRng, readWeights } from '../../src/lab/index.ts';
import { toMemoryTensor } from '../../src/model/tensors.ts';
import { readRewrite } from '../../src/source/rewrite.ts';
import { addMarkGradient, type TrainPlan } from '../../src/watermark/plan/index.ts';
import type { PlanMarkResult } from '../../src/workflows/plan/plan-mark.ts';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const STRENGTH = 3;

describeWithProgram('the recipe of a train plan, in numpy', PYTHON, ['-c', 'import numpy, safetensors'], () => {
  let place: Workplace;
  beforeAll(() => {
    place = createWorkplace();
  });
  afterAll(() => {
    place.remove();
  });

  /** The written plan, as trainers without automatic gradients take it. */
  function readPlan(path: string, tau: number): Pick<TrainPlan, 'layers' | 'bits' | 'counts' | 'tau'> {
    const model = openModelPath(path);
    const read = (name: string): Uint8Array => {
      const tensor = model.tensors.find((one) => one.name === name)!;
      const bytes = new Uint8Array(tensor.byteLength);
      tensor.read(0, bytes);
      return bytes;
    };
    const bits = new Int8Array(read('bits').buffer);
    const counts = new Uint32Array(bits.length);
    const layers = model.tensors
      .filter(({ name }) => name.endsWith('.chip'))
      .map(({ name, shape }) => {
        const stem = name.slice(0, -'.chip'.length);
        const block = new Int32Array(read(`${stem}.block`).buffer);
        for (const bit of block) counts[bit]++;
        return { name: stem, shape, block, chip: new Int8Array(read(name).buffer) };
      });
    model.close();
    return { layers, bits, counts, tau };
  }

  test('term and gradient are those that our trainer uses', () => {
    const plan = place.json<PlanMarkResult>(['mark', 'plan', join(samples, 'mlp.onnx'), '--out', 'plan']);
    const model = openModelPath(join(samples, 'mlp.safetensors'));
    const weights = readWeights(model);
    model.close();
    const own = readPlan(plan.plan.path, plan.tau);
    const rng = createRng('train-plan/direction');
    const arrays = own.layers.map(({ name }) => {
      const values = weights.get(name)!;
      const direction = Float32Array.from(values, () => 0.05 * rng.gaussian());
      return { name, values, gradient: new Float32Array(values.length), direction };
    });
    const term = addMarkGradient(own as TrainPlan, arrays, STRENGTH);
    const slope = arrays.reduce(
      (sum, { gradient, direction }) => sum + gradient.reduce((part, value, j) => part + value * direction[j], 0),
      0,
    );
    const tensors = arrays.map(({ name, direction }, i) =>
      toMemoryTensor({ name, dtype: 'f32', shape: own.layers[i].shape, bytes: new Uint8Array(direction.buffer) }),
    );
    const file = join(place.folder, 'direction.safetensors');
    writeFileSync(
      file,
      readRewrite(toSafetensors({ tensors, metadata: new Map() }, 'direction.safetensors').plan.files[0]),
    );
    const script = join(import.meta.dirname, 'train_plan.py');
    const args = [script, plan.plan.path, join(samples, 'mlp.safetensors'), file, String(STRENGTH), String(plan.tau)];
    const found = JSON.parse(execFileSync(PYTHON, args).toString()) as {
      term: number;
      slope: number;
      wrong: number;
      counts: number;
    };
    expect(found.counts).toBe(plan.bits);
    expect(found.term).toBeCloseTo(term, 4);
    expect(found.slope).toBeCloseTo(slope, 3);
    // The sample was not trained with this plan: about half of the bits are wrong.
    expect(Math.abs(found.wrong - plan.bits / 2)).toBeLessThan(plan.bits / 8);
  });

  test('the printed lines give that term from any folder and either format, and name the weights that a model lacks', () => {
    const mark = ['mark', 'plan', join(samples, 'mlp.onnx'), '--out'];
    const plan = place.json<PlanMarkResult>([...mark, 'printed']);
    const file = join(samples, 'mlp.safetensors');
    const model = openModelPath(file);
    const weights = readWeights(model);
    model.close();
    const own = readPlan(plan.plan.path, plan.tau);
    const arrays = own.layers.map(({ name }) => {
      const values = weights.get(name)!;
      return { name, values, gradient: new Float32Array(values.length) };
    });
    const [, strength] = /strength=([\d.]+)/.exec(readFileSync(plan.recipe, 'utf8'))!;
    const term = addMarkGradient(own as TrainPlan, arrays, Number(strength));
    const script = join(import.meta.dirname, 'train_recipe.py');
    // One seed for each owner and original: the second plan is the first in other files.
    const inArrays = place.json<PlanMarkResult>([...mark, 'arrays', '--format', 'npy']);
    expect(inArrays.plan).toEqual({ path: join(place.folder, 'arrays'), sha256: plan.plan.sha256 });
    for (const { recipe } of [plan, inArrays]) {
      const said = execFileSync(PYTHON, [script, recipe, file], { cwd: '/' }).toString();
      const found = JSON.parse(said) as { term: number; said: string };
      expect(found.term).toBeCloseTo(term, 6);
      expect(found.said).toBe("no parameters of these names in the planned shapes: ['fc1.weight', 'fc2.weight']");
    }
  });
});
