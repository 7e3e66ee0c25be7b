import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findCode, openBytes, runPlan } from '../../../../../test/formats/models.ts';
import { openWebRuntime } from '../../../../adapters/runtime/index.ts';
import type { Model } from '../../../../model/types.ts';
import type { RewritePlan } from '../../../../source/rewrite.ts';
import { range, toBatch } from '../../../data.ts';
import { MODEL_NAMES, type ModelName } from '../../../models.ts';
import { generateGlyphs } from '../../../tasks/glyphs.ts';
import { addDummies, cutChannels, moveChannels } from './moves.ts';
import { findRegions } from './region.ts';

const samples = join(import.meta.dirname, '../../../../../samples');
const { data } = toBatch(generateGlyphs({ task: 'digits', stream: 'channels', count: 16 }), range(0, 16));
const runtime = await openWebRuntime();

function open(name: ModelName): Model {
  return openBytes(new Uint8Array(readFileSync(join(samples, `${name}.onnx`))), `${name}.onnx`);
}

async function infer(bytes: Uint8Array): Promise<Float32Array> {
  const session = await runtime.load({ main: bytes, external: [] });
  try {
    const [input] = session.inputs;
    const feed = { dtype: 'f32', shape: [16, 1, 12, 12], data: new Uint8Array(data.buffer) } as const;
    const outputs = await session.run(new Map([[input.name, feed]]));
    return new Float32Array([...outputs.values()][0].data.slice().buffer);
  } finally {
    await session.release();
  }
}

async function toDifference(model: Model, plan: RewritePlan): Promise<number> {
  const [before, after] = [await infer(runPlan(model.plan([]))), await infer(runPlan(plan))];
  return before.reduce((worst, value, at) => Math.max(worst, Math.abs(value - after[at])), 0);
}

/** How far every constant of the regions moved, relative to its norm; new shapes count as moved. */
function listMoved(model: Model, plan: RewritePlan): string[] {
  const after = openBytes(runPlan(plan), 'm.onnx');
  const read = (from: Model, name: string): Buffer => {
    const tensor = from.tensors.find((one) => one.name === name)!;
    const bytes = Buffer.alloc(tensor.byteLength);
    tensor.read(0, bytes);
    return bytes;
  };
  return model.tensors.map(({ name }) => name).filter((name) => !read(model, name).equals(read(after, name)));
}

describe('regions of the sample models', () => {
  test('the first hidden layer of the MLP reaches the second, whose channels reach the last', () => {
    const found = findRegions(open('mlp')).map(({ channels, passes, parts }) => [channels, passes, parts.length]);
    expect(found).toEqual([
      [256, 'positive scales', 3],
      [192, 'positive scales', 3],
    ]);
  });

  test('channels of residual sums are tied and left alone; those inside a block are not', () => {
    const regions = findRegions(open('cnn'));
    expect(regions.map(({ channels }) => channels)).toEqual([24, 208]);
    expect(regions.every(({ epsilon }) => epsilon !== null)).toBe(true);
  });

  test('a feed-forward layer behind GELU may change its order only', () => {
    const regions = findRegions(open('transformer'));
    expect(regions.map(({ channels, passes }) => [channels, passes])).toEqual([
      [192, 'order only'],
      [192, 'order only'],
    ]);
  });
});

describe('attacks that cost nothing leave the answers as they were', () => {
  const moves = [
    ['order', { order: true, scale: false, sign: false }],
    ['order and scale', { order: true, scale: true, sign: false }],
    ['everything', { order: true, scale: true, sign: true }],
  ] as const;
  test.each(
    MODEL_NAMES.flatMap((name) => moves.map(([title, how]) => [name, title, how] as const)),
  )('%s: %s', async (name, _title, how) => {
    const model = open(name);
    const plan = moveChannels(model, { ...how, seed: 'x' });
    expect(await toDifference(model, plan)).toBeLessThan(2e-4);
    expect(listMoved(model, plan).length).toBeGreaterThanOrEqual(findRegions(model).length);
  });

  test('signs alone: batch normalisation absorbs them, and a rectifier behind a Gemm does not', async () => {
    const model = open('cnn');
    const plan = moveChannels(model, { order: false, scale: false, sign: true, seed: 'x' });
    expect(await toDifference(model, plan)).toBeLessThan(2e-4);
    expect(listMoved(model, plan)).toContain('conv1.weight');
    const refused = (): unknown => moveChannels(open('mlp'), { order: false, scale: false, sign: true, seed: 'x' });
    expect(findCode(refused)).toBe('LAB_ATTACK_UNFIT');
  });

  test.each(
    MODEL_NAMES.flatMap((name) => (['zero', 'clique', 'split'] as const).map((kind) => [name, kind] as const)),
  )('%s with %s neurons added', async (name, kind) => {
    const model = open(name);
    const plan = addDummies(model, { kind, share: 0.25, seed: 'x' });
    expect(await toDifference(model, plan)).toBeLessThan(5e-4);
    const [region] = findRegions(model);
    const grown = openBytes(runPlan(plan), 'm.onnx');
    expect(findRegions(grown)[0].channels).toBe(region.channels * 1.25);
  });
});

test('channels taken out make the file smaller and still run', async () => {
  const model = open('cnn');
  const bytes = runPlan(cutChannels(model, 0.25));
  expect(bytes.length).toBeLessThan(model.files[0].source.size);
  expect((await infer(bytes)).every(Number.isFinite)).toBe(true);
  expect(findRegions(openBytes(bytes, 'm.onnx')).map(({ channels }) => channels)).toEqual([18, 156]);
});

test('a format without a graph is told', () => {
  const path = join(samples, 'mlp.safetensors');
  const model = openBytes(new Uint8Array(readFileSync(path)), 'mlp.safetensors');
  expect(findCode(() => cutChannels(model, 0.5))).toBe('LAB_ATTACK_UNFIT');
});
