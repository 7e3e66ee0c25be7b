/** A decoder that is trained for a second or two: enough that its hidden units and its text are those of a language. */
import {
  buildDecoder,
  type DecoderSpec,
  exportDecoder,
  generateText,
  trainOnText,
  type Weights,
} from '../../src/lab/index.ts';

export const SMALL_DECODER: DecoderSpec = {
  ...{ name: 'decoder', vocabulary: 128, width: 32, heads: 2, keyHeads: 1, headWidth: 16 },
  ...{ inner: 96, blocks: 2, tokensMax: 32 },
};

/** @param seed fixes start values and order; other seeds are strangers of the same language */
export function trainSmallDecoder(seed: string): Weights {
  const decoder = buildDecoder(SMALL_DECODER, seed);
  trainOnText(decoder, {
    ...{ steps: 60, batch: 12, learningRate: 0.01, weightDecay: 0.01 },
    ...{ schedule: 'cosine', stream: 'train', seed },
  });
  return exportDecoder(decoder);
}

/** Running text in pieces of `length` words. */
export function cutText(stream: string, count: number, length: number): Int32Array[] {
  const text = generateText({ stream, count: count * length });
  return Array.from({ length: count }, (_, i) => Int32Array.from(text.subarray(i * length, (i + 1) * length)));
}
