/** The runnable corpus through every metamorphosis. `metamorphic.test.ts` runs a sample of it. */
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { toRng } from '../formats/random.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { hasManyNodes, readCorpus } from './corpus.ts';
import { findDifference, findRunnable, METAMORPHOSES, type RunnableCase } from './metamorphic.ts';
import { findCutDifference } from './recompose.ts';

/** Identity takes sequences from opset 14 on; these models import 11 to 13. */
const SEQUENCES = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `simple/test_sequence_model${n}`);

const hasNode = await importable('onnxruntime-node');

describeWithShared('edits that must not change what a model computes', () => {
  if (!hasNode)
    test.skip('every runnable model of the suite gives the same, but for those named [needs onnxruntime-node]');
  else
    test('every runnable model of the suite gives the same, but for those named', async () => {
      const runtime = await openNodeRuntime();
      const runnable: RunnableCase[] = [];
      for (const of of readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
        const found = await findRunnable(runtime, of);
        if (found !== null) runnable.push(found);
      }
      expect(runnable.length).toBeGreaterThan(1500);
      for (const [name, act] of Object.entries(METAMORPHOSES)) {
        const different: string[] = [];
        for (const of of runnable) {
          const difference = await findDifference(runtime, of, act);
          if (difference !== undefined) different.push(of.name);
        }
        expect([name, different.sort()]).toEqual([name, name === 'insert Identity on every edge' ? SEQUENCES : []]);
      }
    });

  if (!hasNode)
    test.skip('every runnable model of many nodes, cut at random and merged, gives the same [needs onnxruntime-node]');
  else
    test('every runnable model of many nodes, cut at random and merged, gives the same', async () => {
      const runtime = await openNodeRuntime();
      const different: string[] = [];
      let count = 0;
      for (const of of readCorpus(sharedData('onnx-backend-v1.21.0.tar.gz')).filter(hasManyNodes)) {
        const runnable = await findRunnable(runtime, of);
        if (runnable === null) continue;
        for (let seed = 0; seed < 3; seed++) {
          const difference = await findCutDifference(runtime, runnable, toRng(3 * count + seed));
          if (difference !== undefined) different.push(`${of.name}: ${difference}`);
        }
        count++;
      }
      expect(different).toEqual([]);
      expect(count).toBeGreaterThan(300);
    });
});
