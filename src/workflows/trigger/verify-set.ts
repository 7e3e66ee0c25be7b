/** Asks a suspect the triggers of a set that was trained in. */
import { zeroize } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import { findInputs, type LabelledData, readRuntimeModel } from '../../fidelity/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import type { Graph } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  openSetSeed,
  parseTriggerSet,
  type RemoteVerdict,
  type SetSource,
  type SetTriggers,
  toRemoteEvidence,
  toRemoteVerdict,
  toSetFacts,
  toSetStatistic,
  toSetTriggers,
  type TriggerSet,
} from '../../watermark/index.ts';
import { openAnyModel, type OpenAnyOptions } from '../open-model.ts';
import { openEvalData } from '../protect/eval-data.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { toAnswers } from './ask.ts';
import { toSetSource } from './set-data.ts';

export interface VerifySetOptions {
  readonly suspect: OpenAnyOptions;
  /** Absolute path of the trigger-set file. */
  readonly setPath: string;
  /** Absolute path of the data that the set was made of. */
  readonly dataPath: string;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  readonly dataRoot?: string | undefined;
}

export interface SetReport {
  readonly verdict: RemoteVerdict;
  /** -log2 of the probability that a suspect independent of the key agrees so often. */
  readonly evidenceBits: number;
  readonly triggers: number;
  readonly agreed: number;
  readonly classes: number;
  readonly set: { readonly digest: string; readonly ownerId: string };
  /** When the ledger of this home took the set in. */
  readonly recorded: { readonly leafIndex: number; readonly time: string };
  readonly reason: string | null;
  readonly inputs: string | null;
}

/** Clean samples in front of the triggers, on which the scale of the inputs is chosen: labels of triggers must not choose it. */
const CLEAN = 256;

/**
 * @throws WatermarkError WATERMARK_TRIGGER_SET_MALFORMED | WATERMARK_TRIGGER_DATA_OTHER | WATERMARK_SEED_MISMATCH |
 *   WATERMARK_TRIGGERS_UNRECORDED; RuntimeError; FormatError | SourceError
 */
export async function verifyTriggerSet(
  services: Services,
  openSession: () => Session,
  options: VerifySetOptions,
): Promise<SetReport> {
  const session = openSession();
  const set = parseTriggerSet(services.storage.read(options.setPath));
  const recorded = findSetRecord(session, set);
  const data = openEvalData(services, { ...options, evalPath: options.dataPath });
  if (data === null) throw new TypeError('a trigger set needs its data');
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const triggerSeed = openSetSeed(set, seedBox);
  let triggers: SetTriggers | undefined;
  try {
    const source = toSetSource(data);
    triggers = toSetTriggers(set.preimage.body, triggerSeed, { source, facts: toSetFacts(source) });
    const mixed = toMixedData(data, { source, triggers, count: set.preimage.body.count });
    const { answers, words, reason } = await ask(services, openSession, options.suspect, { set, mixed });
    const { count, classes } = set.preimage.body;
    const padded = Array.from({ length: count }, (_, index) => answers.at(index) ?? null);
    const evidence = toRemoteEvidence(toSetStatistic(triggers, set.preimage.body), padded);
    return {
      verdict: toRemoteVerdict('exact', evidence),
      ...{ evidenceBits: evidence.evidenceBits, triggers: count, agreed: evidence.agreed, classes },
      set: { digest: set.digest, ownerId: set.preimage.ownerId },
      ...{ recorded, reason, inputs: words },
    };
  } finally {
    triggers?.forget();
    zeroize(triggerSeed);
    data.close();
  }
}

/** @throws WatermarkError WATERMARK_TRIGGERS_UNRECORDED */
export function findSetRecord({ recorder }: Session, { digest }: TriggerSet): SetReport['recorded'] {
  for (const entry of recorder.reader().entries()) {
    if (entry.type === 'commit' && entry.digests.commitment === digest) return { leafIndex: entry.seq, time: entry.ts };
  }
  throw new WatermarkError('WATERMARK_TRIGGERS_UNRECORDED', { fields: { set: digest } });
}

/** Clean samples, over again where there are few, and then the triggers. */
function toMixedData(
  data: LabelledData,
  { source, triggers, count }: { readonly source: SetSource; readonly triggers: SetTriggers; readonly count: number },
): LabelledData {
  const read = (index: number): Float64Array => {
    if (index < CLEAN) return source.read(index % source.count);
    const sample = triggers.sample(index - CLEAN);
    return data.isBytes ? sample.map((value) => Math.min(255, Math.max(0, Math.round(value)))) : sample;
  };
  const labels = Int32Array.from({ length: CLEAN + count }, (_, index) =>
    index < CLEAN ? source.labels[index % source.count] : triggers.labels[index - CLEAN],
  );
  return {
    ...{ format: data.format, count: CLEAN + count, sampleShape: source.shape, isBytes: data.isBytes },
    ...{ labels: { values: labels, names: null }, read, findImageSize: () => undefined },
    readImage: (index) => read(index),
    close: () => undefined,
  };
}

interface Asked {
  readonly answers: readonly number[];
  readonly words: string | null;
  readonly reason: string | null;
}

async function ask(
  services: Services,
  openSession: () => Session,
  suspect: OpenAnyOptions,
  { set, mixed }: { readonly set: TriggerSet; readonly mixed: LabelledData },
): Promise<Asked> {
  const { model } = await openAnyModel(services, () => openSession().recorder, suspect);
  try {
    const runtime = await services.openRuntime();
    const session = await runtime.load(readRuntimeModel(model));
    try {
      return await askAll(session, { graph: model.graph, set, mixed });
    } catch (error) {
      if (!(error instanceof WatermarkError) || error.code !== 'WATERMARK_TRIGGER_SUSPECT_UNFIT') throw error;
      return { answers: [], words: null, reason: `cannot tell, because ${String(error.fields.reason)}` };
    } finally {
      await session.release();
    }
  } finally {
    model.close();
  }
}

async function askAll(
  session: RuntimeSession,
  { graph, set, mixed }: { readonly graph: Graph | null; readonly set: TriggerSet; readonly mixed: LabelledData },
): Promise<Asked> {
  const { source, words } = await findInputs(session, { graph, data: mixed });
  const { count, classes } = set.preimage.body;
  const answers: number[] = [];
  for (let start = 0; start < count; start += source.step) {
    const taken = Math.min(source.step, count - start);
    const results = await session.run(source.make(CLEAN + start, taken));
    answers.push(...toAnswers(results, { output: null, classes }).slice(0, taken));
  }
  return { answers, words, reason: null };
}
