import * as ort from 'onnxruntime-web';
import { beforeAll, describe, expect, test } from 'vitest';
import { openModel } from '../../formats/index.ts';
import { openBufferSource } from '../../source/index.ts';
import { readWeights } from '../model.ts';
import { toDecoderCheckpoint, toDecoderOnnx } from './export.ts';
import { generateText } from './language.ts';
import { buildDecoder, exportDecoder } from './network.ts';
import { DECODER_SPEC } from './spec.ts';

const decoder = buildDecoder(DECODER_SPEC, 'export');
// Start values of 1 would hide a norm that is left out.
for (const { name, values } of decoder.parameters) {
  if (name.endsWith('norm.weight')) for (let at = 0; at < values.length; at += 1) values[at] = 0.5 + at / values.length;
}
const weights = exportDecoder(decoder);
const open = (bytes: Uint8Array, name: string) =>
  openModel({ source: openBufferSource(name, bytes), name, folder: null });

beforeAll(() => {
  ort.env.wasm.numThreads = 1;
});

describe('decoder export', () => {
  test.each([
    [1, 64],
    [3, 17],
  ])('onnxruntime gives our logits within 1e-4 for %d sequences of %d words', async (items, tokens) => {
    const ids = generateText({ stream: 'export', count: items * tokens });
    const session = await ort.InferenceSession.create(toDecoderOnnx(DECODER_SPEC, weights));
    const feed = new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [items, tokens]);
    const { logits } = await session.run({ input_ids: feed });
    expect(logits.dims).toEqual([items, tokens, DECODER_SPEC.vocabulary]);
    const own = decoder.forward(ids, tokens);
    const theirs = logits.data as Float32Array;
    expect(Math.max(...own.map((value, at) => Math.abs(value - theirs[at])))).toBeLessThan(1e-4);
    expect(Math.max(...own)).toBeGreaterThan(0.5);
  });

  test('graph and checkpoint hold the same weights under the names of a Llama checkpoint', () => {
    const checkpoint = open(toDecoderCheckpoint(DECODER_SPEC, weights), 'model.safetensors');
    expect(readWeights(checkpoint)).toEqual(weights);
    const graph = readWeights(open(toDecoderOnnx(DECODER_SPEC, weights), 'model.onnx'));
    for (const [name, values] of weights) expect(graph.get(name), name).toEqual(values);
  });
});
