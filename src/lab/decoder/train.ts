/** Trains the decoder on the seeded language, and measures how well it predicts the next word. */
import { crossEntropy } from '../loss.ts';
import { createAdam } from '../optimizers/adam.ts';
import { cosineRate } from '../optimizers/optimizer.ts';
import { createRng } from '../rng.ts';
import type { Weights } from '../spec.ts';
import { generateText } from './language.ts';
import { buildDecoder, type Decoder, restoreDecoder } from './network.ts';
import { DECODER_SPEC } from './spec.ts';

export interface DecoderTraining {
  readonly steps: number;
  /** Sequences of `tokensMax` words in a step. */
  readonly batch: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly schedule: 'cosine' | 'constant';
  /** Names the stream of words, and the order. */
  readonly stream: string;
  readonly seed: string;
}

/** Words of the training text: sequences begin anywhere in it. */
const TRAIN_WORDS = 400_000;

export const DECODER_RECIPE: Omit<DecoderTraining, 'seed'> = {
  ...{ steps: 500, batch: 24, learningRate: 0.006, weightDecay: 0.01, schedule: 'cosine', stream: 'train' },
};

/** Trains in place; returns the loss of each step, in nats per word. */
export function trainOnText(decoder: Decoder, options: DecoderTraining): number[] {
  const { batch, steps, learningRate, weightDecay } = options;
  const { tokensMax: tokens, vocabulary } = decoder.spec;
  const text = generateText({ stream: options.stream, count: TRAIN_WORDS });
  const rng = createRng(`${options.seed}/order`);
  const optimizer = createAdam(decoder.parameters, { weightDecay });
  const losses: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    const ids = new Uint8Array(batch * tokens);
    const targets = new Uint8Array(batch * tokens);
    for (let item = 0; item < batch; item += 1) {
      const from = rng.below(text.length - tokens);
      ids.set(text.subarray(from, from + tokens), item * tokens);
      targets.set(text.subarray(from + 1, from + tokens + 1), item * tokens);
    }
    const logits = { data: decoder.forward(ids, tokens), shape: [ids.length, vocabulary] };
    const { value, gradient } = crossEntropy(logits, targets);
    decoder.backward(gradient.data);
    optimizer.step(options.schedule === 'cosine' ? cosineRate(learningRate, step, steps) : learningRate);
    losses.push(value);
  }
  return losses;
}

/** The sample decoder; `seed` fixes start values and order. */
export function trainDecoder(seed: string, recipe: Omit<DecoderTraining, 'seed'> = DECODER_RECIPE): Decoder {
  const decoder = buildDecoder(DECODER_SPEC, `decoder/${seed}`);
  trainOnText(decoder, { ...recipe, seed: `decoder/${seed}` });
  return decoder;
}

/** A copy of `weights` trained on. */
export function fineTuneDecoder(weights: Weights, options: DecoderTraining): Decoder {
  const decoder = restoreDecoder(DECODER_SPEC, weights);
  trainOnText(decoder, options);
  return decoder;
}

export interface TextFigures {
  readonly words: number;
  /** Mean over all predicted words, in nats. */
  readonly loss: number;
  /** exp(loss). */
  readonly perplexity: number;
  /** Share of words that have the largest logit. */
  readonly accuracy: number;
}

const EVALUATION_BATCH = 32;

/** Predicts the words of a text in sequences of `tokensMax`, the first of each from nothing but itself. */
export function measureText(decoder: Decoder, text: Uint8Array): TextFigures {
  const { tokensMax: tokens, vocabulary } = decoder.spec;
  const sequences = Math.floor((text.length - 1) / tokens);
  let [loss, hits] = [0, 0];
  for (let from = 0; from < sequences; from += EVALUATION_BATCH) {
    const count = Math.min(EVALUATION_BATCH, sequences - from) * tokens;
    const ids = text.subarray(from * tokens, from * tokens + count);
    const targets = text.slice(from * tokens + 1, from * tokens + 1 + count);
    const logits = decoder.forward(ids, tokens);
    for (const [row, target] of targets.entries()) {
      const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
      hits += Number(own.every((value, id) => value < own[target] || id === target));
    }
    loss += count * crossEntropy({ data: logits, shape: [count, vocabulary] }, targets).value;
  }
  const words = sequences * tokens;
  return { words, loss: loss / words, perplexity: Math.exp(loss / words), accuracy: hits / words };
}
