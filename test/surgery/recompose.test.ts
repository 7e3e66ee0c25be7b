/** Part of the runnable corpus, cut in two and merged again; `metamorphic.long.test.ts` cuts all of it. */
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { toRng } from '../formats/random.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { hasManyNodes, readCorpus } from './corpus.ts';
import { findRunnable } from './metamorphic.ts';
import { findCutDifference } from './recompose.ts';

/** Every so many cases that have more than one node. */
const STEP = 5;

const hasNode = await importable('onnxruntime-node');

describeWithShared('models cut in two at a random node and merged again', () => {
  if (!hasNode) test.skip('one runnable model in five of many nodes gives the same [needs onnxruntime-node]');
  else
    test('one runnable model in five of many nodes gives the same', async () => {
      const runtime = await openNodeRuntime();
      const corpus = readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz')).filter(hasManyNodes);
      const different: string[] = [];
      let count = 0;
      for (const of of corpus.filter((_, at) => at % STEP === 0)) {
        const runnable = await findRunnable(runtime, of);
        if (runnable === null) continue;
        const difference = await findCutDifference(runtime, runnable, toRng(count++));
        if (difference !== undefined) different.push(`${of.name}: ${difference}`);
      }
      expect(different).toEqual([]);
      expect(count).toBeGreaterThan(50);
    });
});
