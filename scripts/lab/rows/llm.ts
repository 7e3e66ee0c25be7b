/** Rows of the trained decoder: what the mark costs its text, and what is left of it in other files and after attacks. */
import { createHash } from 'node:crypto';
import { openWebRuntime } from '../../../src/adapters/runtime/index.ts';
import { alignSuspect, toTopology } from '../../../src/align/index.ts';
import { toSafetensors } from '../../../src/formats/index.ts';
import { addGaussian } from '../../../src/lab/attacks/kernels/noise.ts';
import { pruneSmallest } from '../../../src/lab/attacks/kernels/prune.ts';
import {
  applyTensorEdits,
  changeHeads,
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
import { compareLineage } from '../../../src/lineage/index.ts';
import type { Model } from '../../../src/model/types.ts';
import {
  calibrate,
  type Calibration,
  deriveSeeds,
  detectMark,
  type DetectMarkOptions,
  embedMark,
  type EmbeddedMark,
  createClaim,
  createOrderEdits,
  deriveRecipientKeys,
  identifyRecipient,
  planOrder,
  toOriginalDigest,
  toPlaces,
  toRecipientOrderKey,
  toSuspectOrder,
} from '../../../src/watermark/index.ts';
import { memoryModel, memoryTensor } from '../../../test/fakes/memory-model.ts';
import { toCheckpointNumbers, toLlamaGguf } from '../../../test/formats/llama.ts';
import { runPlan } from '../../../test/formats/models.ts';
import { DECODER_SOURCES, getDecoderWeights, openBytes, openCheckpoint } from '../decoder.ts';
import { round, toDigest } from '../measure.ts';
import { type Figures, type Row, toRowId } from '../types.ts';

const OWNER = 'lab owner';
export const TEXT_WORDS = 100_001;
const CALIBRATION_SEQUENCES = 256;

const text = generateText({ stream: 'test', count: TEXT_WORDS });

interface Marked {
  readonly original: Weights;
  readonly model: Model;
  readonly mark: EmbeddedMark;
  readonly detect: (suspect: Model) => ReturnType<typeof detectMark>;
}

/** Marks a model as its owner would; `original` are its weights, as they are measured. */
function mark(seed: string, original: Weights, model: Model, calibration: Calibration | null = null): Marked {
  const secret = new Uint8Array(createHash('sha256').update(`lab/owner/decoder/${seed}`).digest());
  const originalDigest = toOriginalDigest(model);
  const ownSeed = deriveSeeds(secret).own;
  const found = embedMark({ model, ownSeed, ownerId: OWNER, originalDigest, calibration });
  const claim = createClaim({
    seed: secret,
    seedBox: { sealSeed: () => 'lab', openSeed: () => secret },
    ...{ ownerKey: 'lab', ownerId: OWNER, originalDigest, markedDigest: originalDigest, mark: found },
  });
  const options: Omit<DetectMarkOptions, 'suspect'> = { claim, ownSeed, original: model, readings: 'all' };
  return { original, model, mark: found, detect: (suspect) => detectMark({ ...options, suspect }) };
}

const subjects = new Map<string, Marked>();

/** The checkpoint in float32, marked without any calibration: nothing runs a file without a graph. */
function getSubject(seed: string): Marked & { readonly marked: Weights } {
  const known = subjects.get(seed);
  const original = getDecoderWeights(seed);
  const subject = known ?? mark(seed, original, openCheckpoint(original));
  subjects.set(seed, subject);
  return { ...subject, marked: applyTensorEdits(original, subject.mark.edits) };
}

function toText(weights: Weights): { readonly perplexity: number; readonly accuracy: number } {
  const { perplexity, accuracy } = measureText(restoreDecoder(DECODER_SPEC, weights), text);
  return { perplexity: round(perplexity, 4), accuracy: round(accuracy, 5) };
}

/** Text and mark of a suspect; its weights are measured as they are read from its file. */
function judge(subject: Marked, suspect: Model, weights: Weights): Figures {
  const { verdict, evidenceBits, schemes } = subject.detect(suspect);
  const hard = schemes.filter(({ name }) => name.endsWith('/hard'));
  return {
    ...{ verdict, evidenceBits: round(evidenceBits, 1), bits: hard[0].bits },
    bitErrors: Math.min(...hard.map(({ bitErrors }) => bitErrors)),
    ...toText(weights),
    suspect: toDigest(weights),
  };
}

function compare(subject: Marked, marked: Weights): Figures {
  const [before, after] = [toText(subject.original), toText(marked)];
  const { record } = subject.mark;
  return {
    ...{ words: TEXT_WORDS - 1, perplexityOriginal: before.perplexity, perplexityMarked: after.perplexity },
    ...{ accuracyOriginal: before.accuracy, accuracyMarked: after.accuracy, tau: record.tau, weights: record.weights },
    relativeDistortion: round(record.relativeDistortion, 4),
    ...{ original: toDigest(subject.original), marked: toDigest(marked) },
  };
}

/** WebAssembly, because its sums are the same on every processor. */
async function calibrateDecoder(original: Weights, model: Model): Promise<Calibration> {
  const tokens = DECODER_SPEC.tokensMax;
  const ids = generateText({ stream: 'train', count: CALIBRATION_SEQUENCES * tokens });
  return calibrate({
    runtime: await openWebRuntime(),
    model: { main: toDecoderOnnx(DECODER_SPEC, original), external: [] },
    graph: model.graph!,
    feeds: {
      ...{ samples: CALIBRATION_SEQUENCES, step: 32, isFree: true },
      make: (start, count) => {
        const part = BigInt64Array.from(ids.subarray(start * tokens, (start + count) * tokens), BigInt);
        const tensor = { dtype: 'i64', shape: [count, tokens], data: new Uint8Array(part.buffer) } as const;
        return new Map([['input_ids', tensor]]);
      },
    },
    words: 'training text',
  });
}

async function computeGraph(seed: string): Promise<Figures> {
  const original = getDecoderWeights(seed);
  const model = openBytes('model.onnx', toDecoderOnnx(DECODER_SPEC, original));
  const subject = mark(seed, original, model, await calibrateDecoder(original, model));
  const marked = applyTensorEdits(original, subject.mark.edits);
  const { verdict, evidenceBits } = subject.detect(openCheckpoint(marked));
  return { ...compare(subject, marked), verdict, evidenceBits: round(evidenceBits, 1) };
}

/** A checkpoint in bfloat16, as language models are published. */
function toBrainFloats(weights: Weights): Model {
  const tensors = [...listDecoderShapes(DECODER_SPEC)].map(([name, shape]) =>
    memoryTensor(name, shape, weights.get(name)!, 'bf16'),
  );
  const bytes = runPlan(toSafetensors(memoryModel(tensors), 'model.safetensors').plan);
  return { ...openBytes('model.safetensors', bytes), readSettings: openCheckpoint(weights).readSettings! };
}

function computeBrainFloats(seed: string): Figures {
  const model = toBrainFloats(getDecoderWeights(seed));
  const subject = mark(seed, readWeights(model), model);
  const marked = { ...openBytes('model.safetensors', runPlan(model.plan(subject.mark.edits))) };
  const weights = readWeights(marked);
  return { ...compare(subject, weights), ...judge(subject, marked, weights) };
}

const toGguf = (weights: Weights, dtype: 'q8_0' | 'q4_0'): Model =>
  toLlamaGguf(openCheckpoint(weights), { dtype, counts: DECODER_SPEC });

/** Converted as llama.cpp's converter does, quantised; the unmarked model in the same type is what text is compared with. */
function computeGguf(seed: string, dtype: 'q8_0' | 'q4_0', toSuspect: (marked: Weights) => Weights): Figures {
  const subject = getSubject(seed);
  const toNumbers = (model: Model): Weights =>
    toCheckpointNumbers(model, listDecoderShapes(DECODER_SPEC).keys(), DECODER_SPEC);
  const suspect = toGguf(toSuspect(subject.marked), dtype);
  const unmarked = toText(toNumbers(toGguf(subject.original, dtype)));
  return { ...judge(subject, suspect, toNumbers(suspect)), perplexityUnmarked: unmarked.perplexity };
}

const permuted = (seed: string, marked: Weights): Weights =>
  permuteDecoder(DECODER_SPEC, marked, { seed: `decoder/${seed}/permute`, logScaleMax: 1 });

/** Values, rotary pairs and query heads changed inside the heads, norms rescaled, signs turned. */
const changed = (seed: string, marked: Weights): Weights =>
  changeHeads(DECODER_SPEC, marked, {
    ...{ seed: `decoder/${seed}/heads`, values: 'general', pairs: true, queries: true, norms: true, signs: true },
  });

/** And then everything moves. */
const mixed = (seed: string, marked: Weights): Weights => permuted(seed, changed(seed, marked));

const changeMatrices = (weights: Weights, change: (values: Float32Array, name: string) => Float32Array): Weights =>
  new Map([...weights].map(([name, values]) => [name, name.includes('norm') ? values : change(values, name)]));

/** Weights of a thief's copy. */
const ATTACKS: Readonly<Record<string, (seed: string, marked: Weights) => Weights>> = {
  none: (_, marked) => marked,
  permute: permuted,
  'prune-50': (_, marked) => changeMatrices(marked, (values) => pruneSmallest(values, 0.5)),
  'noise-100': (seed, marked) =>
    changeMatrices(marked, (values, name) => addGaussian(values, 1, `decoder/${seed}/noise/${name}`)),
  'fine-tune': (seed, marked) => tune(seed, marked),
  'fine-tune-permute': (seed, marked) => permuted(seed, tune(seed, marked)),
  heads: mixed,
  'fine-tune-heads': (seed, marked) => mixed(seed, tune(seed, marked)),
};

/** A fifth of the training's steps on other text, at its peak rate throughout. */
function tune(seed: string, marked: Weights): Weights {
  const options = {
    ...DECODER_RECIPE,
    steps: DECODER_RECIPE.steps / 5,
    schedule: 'constant',
    stream: 'thief',
  } as const;
  return exportDecoder(fineTuneDecoder(marked, { ...options, seed: `decoder/${seed}/fine-tune` }));
}

function computeAttack(seed: string, attack: string): Figures {
  const subject = getSubject(seed);
  const weights = ATTACKS[attack](seed, subject.marked);
  return judge(subject, openCheckpoint(weights), weights);
}

/** Another decoder of the same text, which nobody marked. */
function computeNull(seed: string, toSuspect = (weights: Weights): Weights => weights): Figures {
  const weights = toSuspect(getDecoderWeights(seed));
  return judge(getSubject('1'), openCheckpoint(weights), weights);
}

/** Number of the recipient whose copy leaks, and how many there are. */
const LEAKER = 4711;
const RECIPIENTS = Array.from({ length: 10_000 }, (_, index) => index + 1);

/** A recipient's copy of the marked checkpoint, by its order alone: what it costs, and who is named in a suspect made of it. */
function computeOrder(seed: string, toSuspect: (copy: Weights) => Model): Figures {
  const { marked, model } = getSubject(seed);
  const own = openCheckpoint(marked);
  const plan = planOrder(own, toTopology(own));
  const secret = new Uint8Array(createHash('sha256').update(`lab/recipient/decoder/${seed}`).digest());
  const keys = deriveRecipientKeys(secret, toOriginalDigest(model));
  const key = toRecipientOrderKey(keys.order, LEAKER);
  const places = new Map(plan.coded.map((space) => [space.space, toPlaces(key, space)]));
  const copy = applyTensorEdits(marked, createOrderEdits(plan.parts, places));
  const { channelMaps } = alignSuspect({ topology: toTopology(model), original: model, suspect: toSuspect(copy) });
  const order = toSuspectOrder(plan.coded, channelMaps);
  const found = identifyRecipient({ order, payloads: [] }, keys, { order: RECIPIENTS, payload: [] });
  return {
    ...{ verdict: found.verdict, named: found.number ?? 'nobody', leaker: LEAKER, recipients: RECIPIENTS.length },
    ...{ orderBits: round(found.order!.evidenceBits, 1), agreements: found.order!.agreements },
    ...{ channels: found.order!.channels, perplexityMarked: toText(marked).perplexity, ...toText(copy) },
    copy: toDigest(copy),
  };
}

/** Lineage of a copy that nobody marked, against the checkpoint that it comes from or does not. */
function computeLineage(suspect: Model): Figures {
  const original = openCheckpoint(getDecoderWeights('1'));
  const result = compareLineage({ suspect, originals: [original] });
  const [{ agreement, order }] = result.originals;
  return {
    ...{ verdict: result.verdict, rule: result.rule ?? 'none', share: round(agreement?.share ?? 0, 4) },
    orderBits: round(order.evidenceBits, 1),
  };
}

const unmarked = getDecoderWeights;

const SOURCES: readonly string[] = [
  ...DECODER_SOURCES,
  ...['src/lab/decoder', 'src/lab/attacks/kernels', 'src/align', 'scripts/lab/decoder.ts', 'scripts/lab/rows/llm.ts'],
  ...['spread', 'calibration', 'detect.ts', 'digest.ts', 'elements.ts', 'reference.ts'].map(
    (name) => `src/watermark/${name}`,
  ),
  ...['test/formats/llama.ts', 'test/formats/quantise.ts'],
];

const ORDER_SOURCES: readonly string[] = [...SOURCES, 'src/watermark/order', 'src/watermark/recipient'];

const LINEAGE_SOURCES: readonly string[] = [...SOURCES, 'src/lineage'];

const MODEL = 'decoder';

const ROWS: readonly (readonly [seed: string, measurement: string, compute: () => Figures | Promise<Figures>])[] = [
  ['1', 'fidelity', () => compare(getSubject('1'), getSubject('1').marked)],
  ['1', 'fidelity-graph', () => computeGraph('1')],
  ['1', 'bf16', () => computeBrainFloats('1')],
  ['1', 'q8_0', () => computeGguf('1', 'q8_0', (marked) => marked)],
  ['1', 'q4_0', () => computeGguf('1', 'q4_0', (marked) => marked)],
  ['1', 'permute-q8_0', () => computeGguf('1', 'q8_0', (marked) => permuted('1', marked))],
  ['1', 'heads-q4_0', () => computeGguf('1', 'q4_0', (marked) => mixed('1', marked))],
  ['1', 'permute-q4_0', () => computeGguf('1', 'q4_0', (marked) => permuted('1', marked))],
  ...Object.keys(ATTACKS).map((name) => ['1', name, () => computeAttack('1', name)] as const),
  ['1', 'order', () => computeOrder('1', openCheckpoint)],
  ['1', 'order-q4_0', () => computeOrder('1', (copy) => toGguf(copy, 'q4_0'))],
  ['1', 'order-fine-tune', () => computeOrder('1', (copy) => openCheckpoint(tune('1', copy)))],
  ['1', 'order-heads', () => computeOrder('1', (copy) => openCheckpoint(changed('1', copy)))],
  ['null-1', 'null', () => computeNull('null-1')],
  ['1', 'lineage-q4_0', () => computeLineage(toGguf(unmarked('1'), 'q4_0'))],
  ['1', 'lineage-permute', () => computeLineage(openCheckpoint(permuted('1', unmarked('1'))))],
  ['1', 'lineage-permute-q4_0', () => computeLineage(toGguf(permuted('1', unmarked('1')), 'q4_0'))],
  ['1', 'lineage-heads', () => computeLineage(openCheckpoint(mixed('1', unmarked('1'))))],
  ['1', 'lineage-fine-tune-permute', () => computeLineage(openCheckpoint(permuted('1', tune('1', unmarked('1')))))],
  ['null-1', 'lineage-null', () => computeLineage(openCheckpoint(unmarked('null-1')))],
  ['null-1', 'lineage-null-q4_0', () => computeLineage(toGguf(permuted('null-1', unmarked('null-1')), 'q4_0'))],
  ['null-1', 'null-heads', () => computeNull('null-1', (weights) => mixed('null-1', weights))],
];

function toSources(measurement: string): readonly string[] {
  if (measurement.startsWith('lineage')) return LINEAGE_SOURCES;
  return measurement.startsWith('order') ? ORDER_SOURCES : SOURCES;
}

export function listLlmRows(): Row[] {
  return ROWS.map(([seed, measurement, compute]) => ({
    ...{ id: toRowId(MODEL, seed, measurement), sources: toSources(measurement) },
    compute: () => Promise.resolve().then(compute),
  }));
}
