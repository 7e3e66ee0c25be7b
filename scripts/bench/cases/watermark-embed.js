/** Marks four float32 layers of 2.5 M weights in memory, one thread of work; prints the CPU seconds of planning and applying. */
import { createPrfStream } from '../../../dist/core/prf.js';
import { embedMark } from '../../../dist/watermark/index.js';

const SHAPE = [2500, 1000];
const stream = createPrfStream(new Uint8Array(32), { domain: 1, index: 1 });
const values = Float32Array.from({ length: SHAPE[0] * SHAPE[1] }, () => (stream.u32() + stream.u32()) / 2 ** 32 - 1);
const tensors = Array.from({ length: 4 }, (_, i) => {
  const data = new Uint8Array(values.slice().buffer);
  return {
    name: `layer${i}.weight`,
    dtype: 'f32',
    shape: SHAPE,
    elementCount: values.length,
    byteLength: data.length,
    read: (offset, into) => into.set(data.subarray(offset, offset + into.length)),
    data,
  };
});
const model = { graph: null, tensors };
const before = process.cpuUsage();
const { edits, record } = embedMark({
  model,
  ownSeed: new Uint8Array(32).fill(2),
  ownerId: 'bench',
  originalDigest: new Uint8Array(32),
});
for (const edit of edits) {
  const { data } = tensors.find((tensor) => tensor.name === edit.tensor);
  for (let at = 0; at < data.length; at += 2 ** 20) edit.apply(at, data.subarray(at, at + 2 ** 20));
}
const used = process.cpuUsage(before);
console.log(JSON.stringify({ cpuSeconds: (used.user + used.system) / 1e6, weights: record.weights }));
