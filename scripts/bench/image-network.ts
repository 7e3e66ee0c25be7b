/** A network that makes images, for rows about them: the sub-pixel network of the ONNX model zoo, with weights that are not trained. */
import { writeFileSync } from 'node:fs';
import { createRng } from '../../src/lab/index.ts';
import { addLayer, createModel, editGraph, type TensorJson, toModelBytes } from '../../src/surgery/index.ts';

const SIDE = 224;
const SCALE = 3;
/** Channels out, and side of the kernel, of each convolution. */
const LAYERS = [
  [64, 5],
  [64, 3],
  [32, 3],
  [SCALE * SCALE, 3],
] as const;

/** Writes it: f32 [1, 1, 224, 224] becomes f32 [1, 1, 672, 672]. @see https://arxiv.org/abs/1609.05158 */
export function writeImageNetwork(path: string): void {
  const rng = createRng('bench/image-network');
  const edit = editGraph(createModel(), (tx) => {
    tx.addInput({ name: 'input', dtype: 'f32', shape: [1, 1, SIDE, SIDE] });
    let [value, channels]: [string, number] = ['input', 1];
    LAYERS.forEach(([outputs, kernel], index) => {
      const shape = [outputs, channels, kernel, kernel];
      const scale = Math.sqrt(2 / (channels * kernel * kernel));
      const values = Array.from({ length: outputs * channels * kernel * kernel }, () => scale * rng.gaussian());
      const weight: TensorJson = { dtype: 'f32', shape, values };
      const pads = { ints: Array.from({ length: 4 }, () => (kernel - 1) / 2) };
      [value] = addLayer(tx, { op: 'Conv', inputs: [value, weight], attributes: { pads } });
      if (index < LAYERS.length - 1) [value] = addLayer(tx, { op: 'Relu', inputs: [value] });
      channels = outputs;
    });
    const blocksize = { blocksize: { int: SCALE }, mode: { string: 'CRD' } };
    [value] = addLayer(tx, { op: 'DepthToSpace', inputs: [value], attributes: blocksize });
    addLayer(tx, { op: 'Sigmoid', inputs: [value], outputs: ['output'] });
    tx.addOutput('output', { dtype: 'f32', shape: [1, 1, SCALE * SIDE, SCALE * SIDE] });
  });
  writeFileSync(path, toModelBytes(edit));
}
