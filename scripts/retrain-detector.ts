/**
 * Trains a copy of the sample detector on, as somebody might who wants it to pass for his own: all of it on new scenes, or
 * on scenes of his own kind. Nodes behind the network, marks among them, stay.
 *
 *     npx tsx scripts/retrain-detector.ts COPY.onnx RETRAINED.onnx
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { openModel } from '../src/formats/index.ts';
import { exportWeights, restoreNetwork } from '../src/lab/index.ts';
import { openBufferSource } from '../src/source/index.ts';
import { editGraph, toModelBytes } from '../src/surgery/index.ts';
import { readDetectorWeights } from './detector/model.ts';
import { createDetectorSpec, trainDetector } from './detector/network.ts';
import { drawScenes } from './detector/scenes.ts';

const [from, to] = process.argv.slice(2);
const source = openBufferSource(basename(from), readFileSync(from));
const model = openModel({ source, name: basename(from), folder: null });
const network = restoreNetwork(createDetectorSpec(), readDetectorWeights(model));
trainDetector(network, { scenes: drawScenes('retrain', 300), steps: 300, learningRate: 3e-4, seed: 'retrain' });
const edit = editGraph(model, (tx) => {
  for (const [name, values] of exportWeights(network)) {
    const shape = tx.tensor(name)?.shape ?? [values.length];
    tx.setTensor(name, { dtype: 'f32', shape: [...shape], data: new Uint8Array(values.buffer) });
  }
});
writeFileSync(to, toModelBytes(edit));
console.log(`trained on 300 scenes: ${to}`);
