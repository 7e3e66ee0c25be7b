import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import {
  applyEditPlan,
  formatEditPlan,
  findSampleFeeds,
  OPTIMIZE_PASSES,
  optimizeGraph,
  type PassId,
} from '../../src/surgery/index.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { readCorpus } from './corpus.ts';
import { AgreementCount } from './infer.ts';
import { findRunnable } from './metamorphic.ts';
import { addRealTypes, optimizeCase } from './optimize-corpus.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';

/** Lengths that models do not declare, but need. */
const DIMS: ReadonlyMap<string, number> = new Map([['sequence', 512]]);

async function optimize(path: string, passes: readonly PassId[]) {
  const bytes = new Uint8Array(readFileSync(path));
  const model = openBytes(bytes, 'model.onnx');
  const runtime = await openNodeRuntime();
  const session = await runtime.load({ main: bytes, external: [] });
  const feeds = [0, 1, 2].map((index) => findSampleFeeds(session.inputs, { index, dims: DIMS })!);
  await session.release();
  const { edit, report } = await optimizeGraph(model, { passes, runtime, feeds });
  const again = applyEditPlan(model, formatEditPlan(edit.plan));
  expect(Buffer.compare(runPlan(again.toRewrite()), runPlan(edit.toRewrite()))).toBe(0);
  return report;
}

const counts = (report: Awaited<ReturnType<typeof optimize>>, id: PassId): Readonly<Record<string, number>> =>
  report.passes.find((pass) => pass.id === id)!.counts;

const samples = (name: string): string => new URL(`../../samples/${name}`, import.meta.url).pathname;

test.runIf(hasNode).each(['cnn.onnx', 'mlp.onnx', 'transformer.onnx'])(
  `%s in f16 weighs half${needs}`,
  async (name) => {
    const report = await optimize(samples(name), ['half']);
    expect(report.comparison).toMatchObject({ agreed: true, runs: 3, tolerance: 0.02 });
    expect(report.after.bytes / report.before.bytes).toBeLessThan(0.6);
  },
);

describeWithShared(`the optimiser on the backend suite${needs}`, () => {
  test.runIf(hasNode)('one runnable model in 23 keeps its outputs in every pass', async () => {
    const runtime = await openNodeRuntime();
    const corpus = readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz')).filter((_, at) => at % 23 === 0);
    const count = new AgreementCount();
    const wrong: string[] = [];
    for (const of of corpus) {
      const found = await findRunnable(runtime, of);
      if (found === null) continue;
      addRealTypes(count, found);
      const { invalid, same } = await optimizeCase(runtime, found, OPTIMIZE_PASSES);
      if (!same) wrong.push(`${of.name} ${invalid ?? 'other outputs'}`);
    }
    expect(wrong).toEqual([]);
    expect(count.differences).toEqual([]);
    expect(count.dims).toBeGreaterThan(100);
  });
});

describeWithShared(`the optimiser on real models${needs}`, () => {
  const path = (name: string): string => sharedData('models', name);

  test.runIf(hasNode)('ultraface: all passes keep the outputs', async () => {
    const report = await optimize(path('ultraface_rfb320.onnx'), ['fold', 'cleanup', 'fuseBatchNorm', 'deduplicate']);
    expect(report.comparison).toMatchObject({ agreed: true });
    expect(report.after.bytes).toBeLessThanOrEqual(report.before.bytes);
  });

  test.runIf(hasNode)('residual_block: the batch normalisations go into the convolutions', async () => {
    const report = await optimize(path('residual_block.onnx'), ['fold', 'fuseBatchNorm', 'deduplicate']);
    expect(counts(report, 'fuseBatchNorm')).toMatchObject({ fused: 5, left: 0 });
    expect(report.comparison).toMatchObject({ agreed: true });
  });

  test.runIf(hasNode).each(['mnist.onnx', 'ultraface_rfb320.onnx', 'silero_vad_op18_ifless.onnx'])(
    '%s in f16 agrees within two hundredths, and weighs half',
    async (name) => {
      const report = await optimize(path(name), ['fold', 'half']);
      expect(report.comparison).toMatchObject({ agreed: true });
      // A quarter of silero's file is text.
      expect(report.after.bytes / report.before.bytes).toBeLessThan(0.65);
    },
  );
});
