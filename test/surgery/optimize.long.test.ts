/** The runnable corpus through inference, folding and every pass. `optimize.test.ts` runs real models. */
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import type { PassId } from '../../src/surgery/index.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { readCorpus } from './corpus.ts';
import { AgreementCount } from './infer.ts';
import { findRunnable, type RunnableCase } from './metamorphic.ts';
import { addRealTypes, optimizeCase } from './optimize-corpus.ts';

const hasNode = await importable('onnxruntime-node');
const needs = hasNode ? '' : ' [needs onnxruntime-node]';

/** Every so many cases; all of them unless told. */
const STEP = Number(process.env.STEP ?? 1);

/** Grids of sines, whose zeros are differences of numbers that f16 rounds: beyond 1e-3 of the f32 results. */
const BEYOND_HALF = ['2d_align_corners', '3d_align_corners', '2d', '3d'].map(
  (n) => `node/test_affine_grid_${n}_expanded`,
);

describeWithShared(`the runnable corpus${needs}`, () => {
  test.runIf(hasNode)('inferred types are those of a run, and every pass keeps outputs', async () => {
    const runtime = await openNodeRuntime();
    const runnable: RunnableCase[] = [];
    const corpus = readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz'));
    for (const of of corpus.filter((_, at) => at % STEP === 0)) {
      const found = await findRunnable(runtime, of);
      if (found !== null) runnable.push(found);
    }
    const count = new AgreementCount();
    for (const of of runnable) addRealTypes(count, of);
    process.stderr.write(`${runnable.length} runnable; ${count.toString()}\n`);
    expect(count.differences).toEqual([]);
    const chains: readonly (readonly PassId[])[] = [
      ['fold'],
      ['fold', 'cleanup', 'fuseBatchNorm', 'deduplicate'],
      ['half'],
    ];
    for (const passes of chains) {
      const invalid: string[] = [];
      const different: string[] = [];
      let changed = 0;
      for (const of of runnable) {
        const outcome = await optimizeCase(runtime, of, passes);
        if (outcome.invalid !== undefined) invalid.push(`${of.name}: ${outcome.invalid}`);
        else if (!outcome.same) different.push(of.name);
        if (outcome.changed) changed++;
      }
      process.stderr.write(
        `${passes.join()}: ${changed} changed, ${different.length} differ, ${invalid.length} invalid\n`,
      );
      expect([passes, invalid]).toEqual([passes, []]);
      expect([passes, different]).toEqual([passes, passes.includes('half') ? BEYOND_HALF : []]);
    }
  });
});
