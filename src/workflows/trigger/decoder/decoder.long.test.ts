/** A small trained decoder gets triggers: they are hit, its text stays as it was, and nobody else knows them. */
import { beforeAll, describe, expect, test } from 'vitest';
import { SMALL_DECODER, cutText, trainSmallDecoder } from '../../../../test/fakes/small-decoder.ts';
import { memoryModel, memoryTensor } from '../../../../test/fakes/memory-model.ts';
import { openBytes, runPlan } from '../../../../test/formats/models.ts';
import { build, f32, node } from '../../../../test/surgery/build.ts';
import { findRuntime } from '../../../adapters/runtime/index.ts';
import { silentProgress } from '../../../core/ports.ts';
import { readRuntimeModel } from '../../../fidelity/index.ts';
import { toSafetensors } from '../../../formats/index.ts';
import {
  buildDecoder,
  exportDecoder,
  listDecoderShapes,
  toDecoderCheckpoint,
  toDecoderOnnx,
  type Weights,
} from '../../../lab/index.ts';
import type { Model } from '../../../model/types.ts';
import {
  deriveTriggerKeys,
  findLoan,
  toDecoderQuestions,
  toDownEdit,
  toLoanEdits,
  toRemoteEvidence,
} from '../../../watermark/index.ts';
import { openDecoder } from '../../text/decoder.ts';
import { askDecoder, askDecoderModel } from './ask.ts';
import { type DesignInputs, type Designed, designInDecoder } from './design.ts';
import { openRunnable, type Runnable } from './runnable.ts';
import { measureLosses } from './states.ts';

const SEED = new Uint8Array(32).fill(5);
const SALT = new Uint8Array(32).fill(6);
const prompt = { first: 0, count: 128, length: 12 };
const services = { openRuntime: findRuntime, progress: silentProgress };

let weights: Weights;
let original: Model;
let runnable: Runnable;
let found: Designed;
let marked: Model;

const toGraph = (own: Weights): Model => openBytes(toDecoderOnnx(SMALL_DECODER, own), 'decoder.onnx');
const design = async (change: Partial<DesignInputs> = {}): Promise<Designed> =>
  designInDecoder(await findRuntime(), runnable, {
    ...{ pieces: cutText('clean', 300, 32), prompt, keys: deriveTriggerKeys(SEED, SALT) },
    ...{ count: 12, limitPercent: 1, progress: silentProgress, ...change },
  });
const setOf = (seed: Uint8Array) => toDecoderQuestions(found.design.body, seed, SALT);
const bitsOf = async (suspect: Model, seed = SEED, graph: Model | null = null): Promise<number> => {
  const set = setOf(seed);
  return toRemoteEvidence(set, await askDecoderModel(services, { suspect, graph }, set)).evidenceBits;
};
const lossesOf = async (model: Model, pieces: readonly Int32Array[]): Promise<number> => {
  const decoder = await openDecoder(await findRuntime(), readRuntimeModel(model), runnable.places.text);
  try {
    const losses = await measureLosses(decoder, pieces);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  } finally {
    await decoder.release();
  }
};

beforeAll(async () => {
  weights = trainSmallDecoder('workflow');
  original = toGraph(weights);
  runnable = openRunnable(original, null);
  found = await design();
  marked = openBytes(runPlan(original.plan([toDownEdit(runnable.down, found.design.change)])), 'decoder.onnx');
});

describe('a decoder with triggers', () => {
  test('every prompt is followed by the token that the key drew', async () => {
    expect(found.design.answers).toHaveLength(12);
    expect(await bitsOf(marked)).toBeCloseTo(12 * 7 - 4, 6);
  });

  test('text that neither shaped nor judged the change is as likely as before, to the limit', async () => {
    const pieces = cutText('fresh', 200, 32);
    const [before, after] = [await lossesOf(original, pieces), await lossesOf(marked, pieces)];
    expect(100 * Math.expm1(after - before)).toBeLessThan(1);
    expect(found.design.lossPercentMax).toBeLessThanOrEqual(1);
    expect(found.design.lossPercent).toBeLessThanOrEqual(found.design.lossPercentMax);
  });

  test('only the last down projection changed', () => {
    const changed = original.tensors.filter((tensor, index) => {
      const [a, b] = [new Uint8Array(tensor.byteLength), new Uint8Array(tensor.byteLength)];
      tensor.read(0, a);
      marked.tensors[index].read(0, b);
      return Buffer.compare(a, b) !== 0;
    });
    expect(changed.map(({ name }) => name)).toEqual(['model.layers.1.mlp.down_proj.weight']);
  });

  test('the unmarked decoder, a stranger of the same language, and other keys show nothing', async () => {
    expect(await bitsOf(original)).toBeLessThan(8);
    expect(await bitsOf(toGraph(trainSmallDecoder('stranger')))).toBeLessThan(8);
    for (const number of [1, 2, 3]) expect(await bitsOf(marked, new Uint8Array(32).fill(number))).toBeLessThan(8);
  });

  test('a bfloat16 checkpoint of it, run in the graph of the original, is still a flag', async () => {
    const tensors = [...listDecoderShapes(SMALL_DECODER)].map(([name, shape]) => {
      const tensor = marked.graph!.tensors.get(name)!;
      const bytes = new Uint8Array(tensor.byteLength);
      tensor.read(0, bytes);
      return memoryTensor(name, shape, new Float32Array(bytes.buffer), 'bf16');
    });
    const file = runPlan(toSafetensors(memoryModel(tensors), 'model.safetensors').plan);
    expect(await bitsOf(openBytes(file, 'model.safetensors'), SEED, original)).toBeGreaterThan(64);
  });
});

describe('what is refused', () => {
  test('a limit that not even the fewest triggers keep', async () => {
    await expect(design({ count: 4, limitPercent: -50 })).rejects.toMatchObject({
      code: 'WATERMARK_TRIGGER_COST',
      fields: { limitPercent: -50, triggersMin: 4 },
    });
  });

  test('prompts beyond the context of the model, and of a suspect', async () => {
    await expect(design({ prompt: { ...prompt, length: 40 } })).rejects.toMatchObject({
      code: 'WATERMARK_TRIGGER_UNFIT',
      fields: { reason: 'it does not take prompts of 40 tokens: pass a smaller --prompt-tokens' },
    });
    const long = {
      ...setOf(SEED),
      question: () => ({ kind: 'tokens', name: 'input_ids', ids: new Int32Array(40) }) as const,
    };
    await expect(askDecoderModel(services, { suspect: marked, graph: null }, long)).rejects.toMatchObject({
      code: 'WATERMARK_TRIGGER_SUSPECT_UNFIT',
    });
  });

  test('a checkpoint alone, and one of another architecture in our graph', async () => {
    const bytes = toDecoderCheckpoint(SMALL_DECODER, weights);
    await expect(bitsOf(openBytes(bytes, 'model.safetensors'))).rejects.toMatchObject({
      code: 'WATERMARK_TRIGGER_SUSPECT_UNFIT',
      fields: { reason: expect.stringContaining('--graph') as string },
    });
    const other = openBytes(
      runPlan(
        toSafetensors(
          memoryModel([memoryTensor('w', [7, 5], new Float32Array(35).fill(1), 'f32')]),
          'model.safetensors',
        ).plan,
      ),
      'model.safetensors',
    );
    await expect(bitsOf(other, SEED, original)).rejects.toMatchObject({ code: 'WATERMARK_TRIGGER_SUSPECT_UNFIT' });
  });

  test('a checkpoint of some of the layers: the graph would answer with its own', async () => {
    const [fewer, norms] = [
      { ...SMALL_DECODER, blocks: 1 },
      { ...SMALL_DECODER, blocks: 0 },
    ].map((spec) => {
      const own = exportDecoder(buildDecoder(spec, 'stranger'));
      return openBytes(toDecoderCheckpoint(spec, own), 'model.safetensors');
    });
    for (const suspect of [fewer, norms]) {
      await expect(bitsOf(suspect, SEED, marked)).rejects.toMatchObject({
        code: 'WATERMARK_TRIGGER_SUSPECT_UNFIT',
        fields: { reason: expect.stringContaining('of the graph') as string },
      });
    }
  });

  test('a decoder of another vocabulary', async () => {
    const decoder = await openDecoder(await findRuntime(), readRuntimeModel(original), runnable.places.text);
    try {
      await expect(askDecoder({ ...decoder, vocabulary: 99 }, setOf(SEED), silentProgress)).rejects.toMatchObject({
        code: 'WATERMARK_TRIGGER_SUSPECT_UNFIT',
      });
    } finally {
      await decoder.release();
    }
  });
});

test('a head that the exporter stored apart, turned, gets the tied table of the checkpoint', () => {
  const table = Array.from({ length: 12 }, (_, i) => Math.sin(i + 1));
  const turned = Array.from({ length: 12 }, (_, i) => table[(i % 4) * 3 + Math.floor(i / 4)]);
  const graph = build({
    inputs: [{ name: 'ids', dtype: 'i64', shape: ['n', 't'] }],
    initializers: { 'embed.weight': f32([4, 3], ...table), 'onnx::MatMul_9': f32([3, 4], ...turned) },
    nodes: [node('Gather', ['embed.weight', 'ids'], ['x']), node('MatMul', ['x', 'onnx::MatMul_9'], ['logits'])],
    outputs: [{ name: 'logits', dtype: 'f32', shape: ['n', 't', 4] }],
  });
  const own = memoryModel([
    memoryTensor(
      'embed.weight',
      [4, 3],
      Float32Array.from(table, (value) => 2 * value),
      'f32',
    ),
  ]);
  expect(findLoan(graph, own).get('onnx::MatMul_9')).toEqual({ tensor: own.tensors[0], isTransposed: true });
});

test('a checkpoint is found in a graph whose exporter renamed and turned its matrices', () => {
  const names = [...listDecoderShapes(SMALL_DECODER)];
  const renamed = memoryModel(
    names.map(([name, shape], at) => {
      const values = weights.get(name)!;
      if (!name.includes('mlp')) return memoryTensor(name, shape, values, 'f32');
      const [rows, columns] = shape;
      const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
      return memoryTensor(`onnx::MatMul_${at}`, [columns, rows], turned, 'f32');
    }),
  );
  const checkpoint = openBytes(toDecoderCheckpoint(SMALL_DECODER, weights), 'model.safetensors');
  const loan = findLoan(renamed, checkpoint);
  expect(loan.size).toBe(names.length);
  for (const [at, [name]] of names.entries()) {
    const place = loan.get(name.includes('mlp') ? `onnx::MatMul_${at}` : name);
    expect(place).toMatchObject({ tensor: { name }, isTransposed: name.includes('mlp') });
  }
  for (const edit of toLoanEdits(renamed, loan)) {
    const tensor = renamed.tensors.find((one) => one.name === edit.tensor)!;
    const [before, after] = [new Uint8Array(tensor.byteLength), new Uint8Array(tensor.byteLength)];
    tensor.read(0, before);
    edit.apply(0, after);
    expect(Buffer.compare(before, after)).toBe(0);
  }
});
