/** A sample of the runnable corpus through every metamorphosis; `metamorphic.long.test.ts` runs all of it. */
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { readCorpus } from './corpus.ts';
import { findDifference, findRunnable, METAMORPHOSES, type RunnableCase } from './metamorphic.ts';

/** Every so many cases of the archive. */
const STEP = 23;

const hasNode = await importable('onnxruntime-node');

describeWithShared('edits that must not change what a model computes', () => {
  if (!hasNode) test.skip('one runnable model in 23 of the suite gives the same [needs onnxruntime-node]');
  else
    test('one runnable model in 23 of the suite gives the same', async () => {
      const runtime = await openNodeRuntime();
      const runnable: RunnableCase[] = [];
      const corpus = readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz'));
      for (const of of corpus.filter((_, at) => at % STEP === 0)) {
        const found = await findRunnable(runtime, of);
        if (found !== null) runnable.push(found);
      }
      expect(runnable.length).toBeGreaterThan(50);
      for (const [name, act] of Object.entries(METAMORPHOSES)) {
        const different: string[] = [];
        for (const of of runnable) {
          const difference = await findDifference(runtime, of, act);
          if (difference !== undefined) different.push(of.name);
        }
        expect([name, different]).toEqual([name, []]);
      }
    });
});
