/** Puts last-layer triggers into a copy of a model, and records which they are before the copy gets its name. */
import { basename } from 'node:path';
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import {
  assertFidelity,
  type FidelityOutcome,
  type LabelledData,
  measureFidelity,
  readRuntimeModel,
} from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { assertAbsent } from '../../source/index.ts';
import {
  type Claim,
  COUNT_MIN,
  deriveTriggerKeys,
  designTriggers,
  findHead,
  type Head,
  openSubSeed,
  readHead,
  toHeadEdits,
  toRemoteEvidence,
  toTriggerQuestions,
  TRIGGER_SCHEME,
  type TriggerDesign,
  type TriggerKeys,
} from '../../watermark/index.ts';
import { recordAnnex } from '../annexes.ts';
import { readClaim } from '../claims.ts';
import { openPlainModel } from '../open-model.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput } from '../write-bytes.ts';
import { writeCopy, type WrittenCopy } from '../write-copy.ts';
import { askSession } from './ask.ts';
import { loadExposed, readCandidates, readClean, toCandidateCount } from './features.ts';

export interface EmbedTriggersOptions {
  /** Absolute path of an ONNX classifier: the original, or better its marked copy. */
  readonly path: string;
  readonly claimPath: string;
  /** Absolute path of clean samples. */
  readonly dataPath: string;
  readonly out: string;
  readonly force: boolean;
  /** Triggers to begin with; as many as a flag needs unless told. */
  readonly count?: number | undefined;
  /** Largest accepted loss of accuracy, percentage points. */
  readonly limitPoints: number;
  /** Name of the output with the class scores. */
  readonly output?: string | undefined;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  readonly dataRoot?: string | undefined;
}

export interface EmbedTriggersResult {
  readonly marked: WrittenCopy;
  readonly annex: string;
  readonly leafIndex: number;
  readonly triggers: number;
  /** Triggers that were tried first, when the limit took some away. */
  readonly triggersTried: number;
  readonly candidates: number;
  readonly features: number;
  readonly classes: number;
  /** Triggers that the written copy answers as planned, and what that is worth. */
  readonly agreed: number;
  readonly evidenceBits: number;
  /** On samples that the edit did not see; positive is a loss. */
  readonly lossPoints: number;
  /** Upper end of its one-sided 99 % interval. */
  readonly lossPointsMax: number;
  readonly samplesHeld: number;
  readonly hasLabels: boolean;
  /** Lead of the drawn labels, as a share of the median lead of clean answers. */
  readonly marginShare: number;
  /** ‖change‖ / ‖last layer‖. */
  readonly relativeChange: number;
  readonly fidelity: FidelityOutcome['fidelity'];
  readonly inputs: string;
}

/**
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT | WATERMARK_TRIGGER_TOO_NARROW | WATERMARK_TRIGGER_COST; RuntimeError
 *   FIDELITY_LOSS_ABOVE_LIMIT | RUNTIME_… | DATA_…; WorkflowError MODEL_SEALED; SignError; SourceError WRITE_EXISTS
 */
export async function embedTriggers(
  services: Services,
  session: Session,
  options: EmbedTriggersOptions,
): Promise<EmbedTriggersResult> {
  assertNoInput([options.out], [options.path, options.dataPath, options.claimPath]);
  if (!options.force) assertAbsent(services.storage, options.out);
  const { claim } = readClaim(services, options.claimPath);
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const triggerSeed = openSubSeed(claim, seedBox, 'trigger');
  const model = openPlainModel(options.path, options.dataRoot);
  const data = openEvalData(services, { ...options, evalPath: options.dataPath });
  try {
    if (data === null) throw new TypeError('triggers need data');
    return await embedInto({ services, session, options, claim, triggerSeed, model, data });
  } finally {
    zeroize(triggerSeed);
    data?.close();
    model.close();
  }
}

interface Embedding {
  readonly services: Services;
  readonly session: Session;
  readonly options: EmbedTriggersOptions;
  readonly claim: Claim;
  readonly triggerSeed: Uint8Array;
  readonly model: Model;
  readonly data: LabelledData;
}

async function embedInto(embedding: Embedding): Promise<EmbedTriggersResult> {
  const { services, session, options, claim, triggerSeed, model, data } = embedding;
  const { graph } = model;
  if (graph === null) throw new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason: 'it has no graph' } });
  const head = findHead(graph, options.output ?? null);
  const salt = findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0);
  const keys = deriveTriggerKeys(triggerSeed, salt);
  const found = await design(embedding, head, keys).finally(() => {
    zeroize(keys.inputs);
    zeroize(keys.labels);
  });
  const plan = model.plan(toHeadEdits(head, found.design.change));
  const runtime = await services.openRuntime();
  const files = readRuntimeModel(model, plan);
  const { limitPoints } = options;
  const outcome = await measureFidelity({
    ...{ runtime, original: readRuntimeModel(model), marked: files, graph, data },
    ...{ limitPoints, progress: services.progress },
  });
  assertFidelity(outcome);
  const { body } = found.design;
  const marked = await runtime.load(files);
  const set = toTriggerQuestions(body, triggerSeed, salt);
  let evidence: ReturnType<typeof toRemoteEvidence>;
  try {
    evidence = toRemoteEvidence(set, await askSession(marked, set, services.progress));
  } finally {
    set.forget?.();
    await marked.release();
  }
  const subject = basename(options.out);
  const annex = await recordAnnex(services, session, { claim, type: 'triggers', body, subject });
  const written = writeCopy(services, options, plan);
  return {
    ...{ marked: written, annex: annex.path, leafIndex: annex.leafIndex },
    ...{ triggers: body.indices.length, triggersTried: found.design.firstCount, candidates: body.candidates },
    ...{ features: head.features, classes: head.classes },
    ...{ agreed: evidence.agreed, evidenceBits: evidence.evidenceBits },
    ...{ lossPoints: found.design.lossPoints, lossPointsMax: found.design.lossPointsMax },
    ...{ samplesHeld: found.design.counts.samples, hasLabels: found.hasLabels, marginShare: found.design.marginShare },
    ...{ relativeChange: found.design.relativeChange, fidelity: outcome.fidelity, inputs: found.words },
  };
}

async function design(
  { services, options, model, data }: Embedding,
  head: Head,
  keys: TriggerKeys,
): Promise<{ readonly design: TriggerDesign; readonly words: string; readonly hasLabels: boolean }> {
  const { progress } = services;
  const graph = model.graph!;
  const runtime = await services.openRuntime();
  const exposed = await loadExposed(runtime, { files: readRuntimeModel(model), graph, head });
  try {
    const { clean, labels, input, words } = await readClean(exposed, { graph, head, data, progress });
    if (clean.count < 2 * COUNT_MIN) {
      throw new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason: 'there are too few clean samples' } });
    }
    const count = toCandidateCount(input, head, clean.count);
    const candidates = await readCandidates(exposed, { head, input, inputsKey: keys.inputs, count, progress });
    const { output, classes } = head;
    const found = designTriggers({
      ...{ head: readHead(head), clean, labels, candidates, labelsKey: keys.labels },
      frame: { v: 1, scheme: TRIGGER_SCHEME, input, output, classes, candidates: count },
      ...{ count: options.count ?? null, limitPoints: options.limitPoints },
    });
    return { design: found, words, hasLabels: labels !== null };
  } finally {
    await exposed.release();
  }
}
