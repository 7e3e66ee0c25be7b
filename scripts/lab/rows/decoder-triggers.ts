/** Rows of the trained decoder's triggers: what they cost its text, and who still answers them. */
import { createHash } from 'node:crypto';
import { silentProgress } from '../../../src/core/ports.ts';
import { openWebRuntime } from '../../../src/adapters/runtime/index.ts';
import { addGaussian } from '../../../src/lab/attacks/kernels/noise.ts';
import { pruneSmallest } from '../../../src/lab/attacks/kernels/prune.ts';
import {
  applyTensorEdits,
  DECODER_RECIPE,
  DECODER_SPEC,
  exportDecoder,
  fineTuneDecoder,
  generateText,
  listDecoderShapes,
  measureText,
  permuteDecoder,
  readWeights,
  restoreDecoder,
  toDecoderOnnx,
  type Weights,
} from '../../../src/lab/index.ts';
import { toSafetensors } from '../../../src/formats/index.ts';
import type { Model } from '../../../src/model/types.ts';
import {
  deriveSeeds,
  deriveTriggerKeys,
  type QuestionSet,
  toBest,
  toDecoderQuestions,
  toDownEdit,
  toOriginalDigest,
  toRelativeChange,
  toRemoteEvidence,
} from '../../../src/watermark/index.ts';
import { designInDecoder, type Designed } from '../../../src/workflows/trigger/decoder/design.ts';
import { openRunnable } from '../../../src/workflows/trigger/decoder/runnable.ts';
import { memoryModel, memoryTensor } from '../../../test/fakes/memory-model.ts';
import { toCheckpointNumbers, toLlamaGguf } from '../../../test/formats/llama.ts';
import { runPlan } from '../../../test/formats/models.ts';
import { DECODER_SOURCES, getDecoderWeights, openBytes, openCheckpoint } from '../decoder.ts';
import { round, toDigest } from '../measure.ts';
import { type Figures, type Row, toRowId } from '../types.ts';

/** Seeds of the decoders that get triggers, each with a key of its own. */
export const DECODER_TRIGGER_SEEDS = ['1', 'null-1'] as const;
const LIMIT_PERCENT = 1;
const PROMPT_TOKENS = 16;
/** Pieces of 64 words that shape and judge the change, half each. */
const PIECES = 1024;
/** Words of another stream, which measure what the change costs in the end. */
const TEXT_WORDS = 100_001;
const text = generateText({ stream: 'test', count: TEXT_WORDS });

interface Subject {
  readonly original: Weights;
  readonly marked: Weights;
  readonly set: QuestionSet;
  readonly found: Designed;
  readonly relativeChange: number;
}

const subjects = new Map<string, Promise<Subject>>();

function getSubject(seed: string): Promise<Subject> {
  const subject = subjects.get(seed) ?? embed(seed);
  subjects.set(seed, subject);
  return subject;
}

/** As an owner does with `modelward trigger embed`; WebAssembly, because its sums are the same on every processor. */
async function embed(seed: string): Promise<Subject> {
  const original = getDecoderWeights(seed);
  const model = openBytes('model.onnx', toDecoderOnnx(DECODER_SPEC, original));
  const runnable = openRunnable(model, null);
  const secret = new Uint8Array(createHash('sha256').update(`lab/triggers/decoder/${seed}`).digest());
  const { trigger } = deriveSeeds(secret);
  const salt = toOriginalDigest(model);
  const { tokensMax: length, vocabulary } = DECODER_SPEC;
  const clean = generateText({ stream: 'triggers/clean', count: PIECES * length });
  const pieces = Array.from({ length: PIECES }, (_, i) =>
    Int32Array.from(clean.subarray(i * length, (i + 1) * length)),
  );
  const found = await designInDecoder(await openWebRuntime(), runnable, {
    ...{
      pieces,
      prompt: { first: 0, count: vocabulary, length: PROMPT_TOKENS },
      keys: deriveTriggerKeys(trigger, salt),
    },
    ...{ count: null, limitPercent: LIMIT_PERCENT, progress: silentProgress },
  });
  const { body, change } = found.design;
  return {
    ...{ original, found, marked: applyTensorEdits(original, [toDownEdit(runnable.down, change)]) },
    set: toDecoderQuestions(body, trigger, salt),
    relativeChange: toRelativeChange(runnable.down.tensor, change),
  };
}

function toPerplexity(weights: Weights): number {
  return round(measureText(restoreDecoder(DECODER_SPEC, weights), text).perplexity, 4);
}

/** The likeliest token after each prompt, and what that proves. */
function ask({ set }: Subject, weights: Weights): Figures {
  const decoder = restoreDecoder(DECODER_SPEC, weights);
  const answers = Array.from({ length: set.count }, (_, index) => {
    const question = set.question(index);
    if (question.kind !== 'tokens') throw new TypeError('a decoder is asked token ids');
    const logits = decoder.forward(Uint8Array.from(question.ids), question.ids.length);
    return toBest(Float64Array.from(logits.subarray(logits.length - DECODER_SPEC.vocabulary)));
  });
  const { agreed, evidenceBits } = toRemoteEvidence(set, answers);
  return { triggers: set.count, hits: agreed, bits: round(evidenceBits, 1) };
}

async function computeEmbed(seed: string): Promise<Figures> {
  const subject = await getSubject(seed);
  const { found, original, marked } = subject;
  const { design } = found;
  return {
    ...{ marginShare: design.marginShare, firstCount: design.firstCount, dimensions: design.dimensions },
    ...{ lossHeld: round(design.lossPercent, 3), lossHeldMax: round(design.lossPercentMax, 3) },
    ...{ relativeChange: round(subject.relativeChange, 3), ...ask(subject, marked) },
    ...{ perplexityOriginal: toPerplexity(original), perplexity: toPerplexity(marked), marked: toDigest(marked) },
  };
}

const changeMatrices = (weights: Weights, change: (values: Float32Array, name: string) => Float32Array): Weights =>
  new Map([...weights].map(([name, values]) => [name, name.includes('norm') ? values : change(values, name)]));

/** A checkpoint in bfloat16, read back. */
function toBrainFloats(weights: Weights): Weights {
  const tensors = [...listDecoderShapes(DECODER_SPEC)].map(([name, shape]) =>
    memoryTensor(name, shape, weights.get(name)!, 'bf16'),
  );
  return readWeights(
    openBytes('model.safetensors', runPlan(toSafetensors(memoryModel(tensors), 'model.safetensors').plan)),
  );
}

function toGguf(weights: Weights, dtype: 'q8_0' | 'q4_0'): Weights {
  const model: Model = toLlamaGguf(openCheckpoint(weights), { dtype, counts: DECODER_SPEC });
  return toCheckpointNumbers(model, listDecoderShapes(DECODER_SPEC).keys(), DECODER_SPEC);
}

/** A fifth of the training's steps on other text, at a share of its peak rate. */
const tune = (marked: Weights, share: number): Weights =>
  exportDecoder(
    fineTuneDecoder(marked, {
      ...{ ...DECODER_RECIPE, steps: DECODER_RECIPE.steps / 5, schedule: 'constant', stream: 'thief' },
      ...{ learningRate: DECODER_RECIPE.learningRate * share, seed: 'decoder/1/triggers/fine-tune' },
    }),
  );

const noise = (marked: Weights, share: number): Weights =>
  changeMatrices(marked, (values, name) => addGaussian(values, share, `decoder/1/triggers/noise/${name}`));

/** A thief's copies, by the names of their rows. */
export const DECODER_COPIES: Readonly<Record<string, (marked: Weights) => Weights>> = {
  bf16: toBrainFloats,
  q8_0: (marked) => toGguf(marked, 'q8_0'),
  q4_0: (marked) => toGguf(marked, 'q4_0'),
  'prune-25': (marked) => changeMatrices(marked, (values) => pruneSmallest(values, 0.25)),
  'prune-50': (marked) => changeMatrices(marked, (values) => pruneSmallest(values, 0.5)),
  'noise-10': (marked) => noise(marked, 0.1),
  'noise-25': (marked) => noise(marked, 0.25),
  permute: (marked) => permuteDecoder(DECODER_SPEC, marked, { seed: 'decoder/1/triggers/permute', logScaleMax: 1 }),
  'fine-tune-tenth': (marked) => tune(marked, 0.1),
  'fine-tune': (marked) => tune(marked, 1),
};

async function computeCopy(name: string): Promise<Figures> {
  const subject = await getSubject('1');
  const copy = DECODER_COPIES[name](subject.marked);
  return { ...ask(subject, copy), perplexity: toPerplexity(copy), copy: toDigest(copy) };
}

/** Decoders of the same text that have nothing to do with the key, one of them with triggers of its own. */
async function computeNull(): Promise<Figures> {
  const [subject, other] = [await getSubject('1'), await getSubject('null-1')];
  const strangers = [subject.original, other.original, other.marked];
  const asked = strangers.map((weights) => ask(subject, weights));
  return {
    ...{ triggers: subject.set.count, hits: asked.map(({ hits }) => Number(hits)) },
    bits: Math.max(...asked.map(({ bits }) => Number(bits))),
  };
}

export const toDecoderTriggerId = (name: string, seed = '1'): string => toRowId('decoder', seed, `trigger-${name}`);

const SOURCES: readonly string[] = [
  ...DECODER_SOURCES,
  ...['src/lab/decoder', 'src/lab/attacks/kernels', 'src/watermark/triggers', 'src/workflows/trigger/decoder'],
  ...['src/watermark/digest.ts', 'src/watermark/elements.ts', 'scripts/lab/decoder.ts'],
  ...['scripts/lab/rows/decoder-triggers.ts', 'test/formats/llama.ts', 'test/formats/quantise.ts'],
];

export function listDecoderTriggerRows(): Row[] {
  return [
    ...DECODER_TRIGGER_SEEDS.map((seed) => ({
      ...{ id: toDecoderTriggerId('embed', seed), sources: SOURCES, compute: () => computeEmbed(seed) },
    })),
    ...Object.keys(DECODER_COPIES).map((name) => ({
      ...{ id: toDecoderTriggerId(name), sources: SOURCES, compute: () => computeCopy(name) },
    })),
    { id: toDecoderTriggerId('null', 'null-1'), sources: SOURCES, compute: computeNull },
  ];
}
