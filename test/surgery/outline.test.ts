import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openNodeRuntime } from '../../src/adapters/runtime/index.ts';
import { editGraph, findSampleFeeds, openEdited, toModelBytes } from '../../src/surgery/index.ts';
import { openBytes } from '../formats/models.ts';
import { importable } from '../importable.ts';
import { isClose, runModel } from './metamorphic.ts';

const hasNode = await importable('onnxruntime-node');

test.runIf(hasNode).each(['cnn', 'transformer', 'mlp'])(
  'any five nodes in a row of a sample, outlined and inlined again, give the same: %s',
  async (name) => {
    const bytes = new Uint8Array(readFileSync(new URL(`../../samples/${name}.onnx`, import.meta.url)));
    const model = openBytes(bytes, 'model.onnx');
    const runtime = await openNodeRuntime();
    const feeds = [...findSampleFeeds(model.graph!.inputs)!.values()];
    const { outputs } = await runModel(runtime, bytes, feeds);
    const count = model.graph!.nodes.length;
    for (let first = 0; first < count; first += 3) {
      const outlined = editGraph(model, (tx) => {
        tx.outline(tx.scope().nodes.slice(first, first + 5), 'Part');
      });
      const inlined = editGraph(openEdited(outlined), (tx) => {
        tx.inlineAll();
      });
      expect(inlined.document.graph.nodes).toHaveLength(count);
      for (const edit of [outlined, inlined]) {
        const after = await runModel(runtime, toModelBytes(edit), feeds);
        expect(after.problem).toBeNull();
        expect(isClose(outputs!, after.outputs!)).toBe(true);
      }
    }
  },
);
