/** Puts triggers into a copy of a decoder, and records which they are before the copy gets its name. */
import { basename } from 'node:path';
import { findHexBytes, zeroize } from '../../../core/bytes.ts';
import { WatermarkError } from '../../../core/errors.ts';
import { readRuntimeModel } from '../../../fidelity/index.ts';
import type { Model } from '../../../model/types.ts';
import { ownerSeedBox } from '../../../sign/index.ts';
import { assertAbsent, type RewritePlan } from '../../../source/index.ts';
import {
  type Claim,
  deriveTriggerKeys,
  openSubSeed,
  type PromptRange,
  toDecoderQuestions,
  toDownEdit,
  toRelativeChange,
  toRemoteEvidence,
} from '../../../watermark/index.ts';
import { recordAnnex } from '../../annexes.ts';
import { readClaim } from '../../claims.ts';
import { gatherPlainModels } from '../../open-model.ts';
import type { Services } from '../../services.ts';
import type { Session } from '../../session.ts';
import { openDecoder } from '../../text/decoder.ts';
import { assertNoInput } from '../../write-bytes.ts';
import { writeCopy, type WrittenCopy } from '../../write-copy.ts';
import { askDecoder } from './ask.ts';
import { designInDecoder } from './design.ts';
import { openChanged, openRunnable, type Runnable } from './runnable.ts';
import { readTexts, type TextOptions } from './texts.ts';

export interface EmbedDecoderOptions extends TextOptions {
  /** Absolute path of the file that is changed: an ONNX decoder, or a checkpoint. */
  readonly path: string;
  /** Absolute path of the same model as ONNX, where `path` is a checkpoint. */
  readonly graphPath?: string | undefined;
  readonly claimPath: string;
  readonly out: string;
  readonly force: boolean;
  /** Triggers to begin with; as many as a claim needs unless told. */
  readonly count?: number | undefined;
  /** Largest accepted rise of perplexity, per cent. */
  readonly limitPercent: number;
  /** Tokens of a prompt. */
  readonly promptTokens: number;
  /** First and last token that prompts and answers are made of; all of the vocabulary unless told. */
  readonly tokens?: readonly [number, number] | undefined;
  readonly dataRoot?: string | undefined;
}

export interface EmbedDecoderResult {
  readonly kind: 'decoder';
  readonly marked: WrittenCopy;
  readonly annex: string;
  readonly leafIndex: number;
  readonly triggers: number;
  /** Triggers that were tried first, when the limit took some away. */
  readonly triggersTried: number;
  readonly candidates: number;
  /** The tensor that was changed. */
  readonly tensor: string;
  /** Hidden units, and directions of their space that clean text hardly uses. */
  readonly units: number;
  readonly dimensions: number;
  readonly promptTokens: number;
  /** Tokens that answers are drawn from. */
  readonly answerTokens: number;
  /** Triggers that the written copy answers as planned, and what that is worth. */
  readonly agreed: number;
  readonly evidenceBits: number;
  readonly texts: 'given' | 'written by the model';
  /** Of held-out text, before the change. */
  readonly perplexity: number;
  /** Rise of perplexity on text that the change did not see, per cent, and the upper end of its one-sided 99 % interval. */
  readonly lossPercent: number;
  readonly lossPercentMax: number;
  readonly tokensHeld: number;
  readonly marginShare: number;
  /** ‖change‖ / ‖down projection‖. */
  readonly relativeChange: number;
}

/**
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT | WATERMARK_TRIGGER_COST | WATERMARK_TEXT_MALFORMED; RuntimeError RUNTIME_…;
 *   WorkflowError MODEL_SEALED; SignError; SourceError WRITE_EXISTS
 */
export async function embedDecoderTriggers(
  services: Services,
  session: Session,
  options: EmbedDecoderOptions,
): Promise<EmbedDecoderResult> {
  const { path, graphPath, claimPath, dataPath, wordsPath, dataRoot, out } = options;
  assertNoInput([out], [path, claimPath, ...[graphPath, dataPath, wordsPath].filter((one) => one !== undefined)]);
  if (!options.force) assertAbsent(services.storage, out);
  const { claim } = readClaim(services, claimPath);
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const triggerSeed = openSubSeed(claim, seedBox, 'trigger');
  const plain = gatherPlainModels(dataRoot);
  try {
    const model = plain.open(path);
    const graph = graphPath === undefined ? null : plain.open(graphPath);
    if (model.graph === null && graph === null) throw unfit(NO_GRAPH);
    return await embedInto({ services, session, options, claim, triggerSeed, model, graph });
  } finally {
    zeroize(triggerSeed);
    plain.close();
  }
}

const NO_GRAPH = 'a checkpoint cannot be run: pass the same model as ONNX with --graph FILE';

interface Embedding {
  readonly services: Services;
  readonly session: Session;
  readonly options: EmbedDecoderOptions;
  readonly claim: Claim;
  readonly triggerSeed: Uint8Array;
  readonly model: Model;
  readonly graph: Model | null;
}

async function embedInto(embedding: Embedding): Promise<EmbedDecoderResult> {
  const { model, graph } = embedding;
  const runnable = openRunnable(model, graph);
  try {
    return await embedRunnable(embedding, runnable);
  } finally {
    if (runnable.model !== model) runnable.model.close();
  }
}

async function embedRunnable(embedding: Embedding, runnable: Runnable): Promise<EmbedDecoderResult> {
  const { services, session, options, claim, triggerSeed, model } = embedding;
  const prompt = toPromptRange(runnable, options);
  const runtime = await services.openRuntime();
  const { pieces, texts } = await readTexts(runtime, runnable, options);
  const salt = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const keys = deriveTriggerKeys(triggerSeed, salt);
  const { count = null, limitPercent } = options;
  const inputs = { pieces, prompt, keys, count, limitPercent, progress: services.progress };
  const found = await designInDecoder(runtime, runnable, inputs).finally(() => {
    zeroize(keys.inputs);
    zeroize(keys.labels);
  });
  const { body, change } = found.design;
  const plan = model.plan([toDownEdit(runnable.down, change)]);
  const evidence = await ask(embedding, { plan, runnable, set: toDecoderQuestions(body, triggerSeed, salt) });
  const subject = basename(options.out);
  const annex = await recordAnnex(services, session, { claim, type: 'triggers', body, subject });
  const written = writeCopy(services, options, plan);
  const { lossPercent, lossPercentMax, marginShare, dimensions, firstCount } = found.design;
  const { perplexity, tokensHeld } = found;
  return {
    ...{ kind: 'decoder', marked: written, annex: annex.path, leafIndex: annex.leafIndex },
    ...{ triggers: body.indices.length, triggersTried: firstCount, candidates: body.candidates },
    ...{ tensor: runnable.down.tensor.name, units: runnable.places.units, dimensions },
    ...{ promptTokens: prompt.length, answerTokens: prompt.count },
    ...{ agreed: evidence.agreed, evidenceBits: evidence.evidenceBits },
    ...{ texts, perplexity, tokensHeld, lossPercent, lossPercentMax, marginShare },
    relativeChange: toRelativeChange(runnable.down.tensor, change),
  };
}

/** @throws WatermarkError WATERMARK_TRIGGER_UNFIT when prompts do not fit the model */
function toPromptRange({ places }: Runnable, { promptTokens, tokens }: EmbedDecoderOptions): PromptRange {
  const { text, fixedTokens } = places;
  const [first, last] = tokens ?? [0, text.vocabulary - 1];
  if (last >= text.vocabulary || last <= first) {
    throw unfit(`tokens ${first} to ${last} are not in its vocabulary of ${text.vocabulary}`);
  }
  if (fixedTokens !== null && promptTokens > fixedTokens) {
    throw unfit(`prompts of ${promptTokens} tokens do not fit into the ${fixedTokens} that it takes`);
  }
  return { first, count: last - first + 1, length: promptTokens };
}

/** What the copy answers as it will be written: in the type of its file, with the weights of the file in the graph. */
async function ask(
  { services, model, graph }: Embedding,
  { plan, runnable, set }: { plan: RewritePlan; runnable: Runnable; set: ReturnType<typeof toDecoderQuestions> },
): Promise<ReturnType<typeof toRemoteEvidence>> {
  const changed = openChanged(model, graph, plan);
  const decoder = await openDecoder(await services.openRuntime(), readRuntimeModel(changed), runnable.places.text);
  try {
    return toRemoteEvidence(set, await askDecoder(decoder, set, services.progress));
  } finally {
    set.forget?.();
    await decoder.release();
    changed.close();
  }
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
