/** Rows of the text mark: what it costs the texts of the trained decoder, and how much of it is read back. */
import { createHash } from 'node:crypto';
import {
  createRng,
  type Decoder,
  DECODER_SPEC,
  generateText,
  measureText,
  restoreDecoder,
  type Rng,
} from '../../../src/lab/index.ts';
import { createGreenList, type GreenList, readText } from '../../../src/watermark/text/index.ts';
import { DECODER_SOURCES, getDecoderWeights } from '../decoder.ts';
import { round } from '../measure.ts';
import { type Figures, type Row, toRowId } from '../types.ts';

/** Nats; 0 writes without the mark. */
export const BIASES = [0, 1, 2, 4] as const;
const SEED = '1';
/** Texts of so many words each. */
const TEXTS = 96;
const KEYS = 1000;
/** Shares of words that somebody replaces by others. */
export const REPLACED = [0.1, 0.3, 0.5] as const;

function createGreen(key: string, bias: number): GreenList {
  const names = { tokens: 'input_ids', logits: 'logits' };
  const strength = { buckets: 256, share: 0.25, bias: Math.max(bias, 1e-9), wordsDigest: null } as const;
  const { vocabulary } = DECODER_SPEC;
  const bytes = new Uint8Array(createHash('sha256').update(`lab/text/${key}`).digest());
  return createGreenList(bytes, { scheme: 'green-list/1', ...names, vocabulary, ...strength });
}

function draw(scores: Float64Array, rng: Rng): number {
  const largest = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - largest));
  let left = rng.uniform() * weights.reduce((a, b) => a + b, 0);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? scores.length - 1 : found;
}

/** Texts that the decoder writes with `bias` on green words, each drawn from its probabilities. */
function writeTexts(decoder: Decoder, green: GreenList, bias: number): Uint8Array[] {
  const { vocabulary, tokensMax } = DECODER_SPEC;
  const rng = createRng(`lab/text/write/${bias}`);
  const texts = Array.from({ length: TEXTS }, () => Uint8Array.of(rng.below(vocabulary)));
  for (let length = 1; length < tokensMax; length++) {
    const logits = decoder.forward(Uint8Array.from(texts.flatMap((text) => [...text])), length);
    texts.forEach((text, item) => {
      const from = ((item + 1) * length - 1) * vocabulary;
      const bucket = green.buckets[text[length - 1]];
      const scores = Float64Array.from({ length: vocabulary }, (_, token) => {
        return logits[from + token] + (green.isGreen(bucket, token) ? bias : 0);
      });
      texts[item] = Uint8Array.of(...text, draw(scores, rng));
    });
  }
  return texts;
}

const written = new Map<number, readonly Uint8Array[]>();

function getTexts(bias: number): readonly Uint8Array[] {
  const decoder = restoreDecoder(DECODER_SPEC, getDecoderWeights(SEED));
  const texts = written.get(bias) ?? writeTexts(decoder, createGreen('owner', bias), bias);
  written.set(bias, texts);
  return texts;
}

const bitsOf = (texts: readonly Uint8Array[], green: GreenList): number => readText(texts, green, 1).evidenceBits;

/** Words of running texts until so much evidence is there; -1 when it never is. */
function countWordsFor(bits: number, texts: readonly Uint8Array[], green: GreenList): number {
  const count = texts.findIndex((_, index) => bitsOf(texts.slice(0, index + 1), green) >= bits);
  return count < 0 ? -1 : (count + 1) * DECODER_SPEC.tokensMax;
}

function replace(texts: readonly Uint8Array[], share: number): Uint8Array[] {
  const rng = createRng(`lab/text/replace/${share}`);
  return texts.map((text) => text.map((word) => (rng.uniform() < share ? rng.below(DECODER_SPEC.vocabulary) : word)));
}

/** How likely the unmarked decoder finds texts; each is measured by itself. */
function toPerplexity(texts: readonly Uint8Array[]): number {
  const decoder = restoreDecoder(DECODER_SPEC, getDecoderWeights(SEED));
  const { tokensMax } = DECODER_SPEC;
  // A text has no word after its last one, so the last prediction of each would be the first word of the next: it is left out.
  const losses = texts.map((text) => {
    const logits = decoder.forward(text.subarray(0, tokensMax - 1), tokensMax - 1);
    const { vocabulary } = DECODER_SPEC;
    return Array.from({ length: tokensMax - 1 }, (_, at) => {
      const row = logits.subarray(at * vocabulary, (at + 1) * vocabulary);
      const largest = row.reduce((a, b) => Math.max(a, b));
      const sum = row.reduce((total, score) => total + Math.exp(score - largest), 0);
      return Math.log(sum) + largest - row[text[at + 1]];
    }).reduce((a, b) => a + b, 0);
  });
  return Math.exp(losses.reduce((a, b) => a + b, 0) / (texts.length * (tokensMax - 1)));
}

function computeBias(bias: number): Figures {
  const [texts, green] = [getTexts(bias), createGreen('owner', bias)];
  const { tokens, pairs, green: hits, z, evidenceBits } = readText(texts, green, 1);
  return {
    ...{ bias, words: tokens, pairs, greenShare: round(hits / pairs, 4), z: round(z, 1) },
    evidenceBits: round(evidenceBits, 1),
    wordsFor64: countWordsFor(64, texts, green),
    wordsFor128: countWordsFor(128, texts, green),
    perplexity: round(toPerplexity(texts), 3),
    afterReplacing: REPLACED.map((share) => round(bitsOf(replace(texts, share), green), 1)),
  };
}

/** Other owners' keys on marked texts, and on texts that nobody's model wrote. */
function computeKeys(): Figures {
  const human = generateText({ stream: 'test', count: TEXTS * DECODER_SPEC.tokensMax });
  const strangers = Array.from({ length: KEYS }, (_, i) => createGreen(`stranger ${i}`, 2));
  const largest = (texts: readonly Uint8Array[]): number => Math.max(...strangers.map((key) => bitsOf(texts, key)));
  const { perplexity } = measureText(restoreDecoder(DECODER_SPEC, getDecoderWeights(SEED)), human);
  return {
    ...{ keys: KEYS, markedBitsMax: round(largest(getTexts(2)), 1), humanBitsMax: round(largest([human]), 1) },
    humanPerplexity: round(perplexity, 3),
  };
}

export const toBiasRowId = (bias: number): string => toRowId('decoder', SEED, `text-bias-${bias}`);
export const TEXT_KEYS_ROW_ID = toRowId('decoder', SEED, 'text-keys');

export function listTextRows(): Row[] {
  const sources = [...DECODER_SOURCES, 'scripts/lab/rows/text.ts', 'scripts/lab/decoder.ts', 'src/watermark/text'];
  return [
    ...BIASES.map((bias) => ({
      id: toBiasRowId(bias),
      sources,
      compute: () => Promise.resolve(computeBias(bias)),
    })),
    { id: TEXT_KEYS_ROW_ID, sources, compute: () => Promise.resolve(computeKeys()) },
  ];
}
