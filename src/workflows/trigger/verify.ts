/** Asks a suspect the triggers of a claim, or reads its recorded answers, and says what that proves. */
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { ModelwardError, RemoteError, WatermarkError, WorkflowError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  openSubSeed,
  openTriggerQuestions,
  type QuestionSet,
  type RemoteEvidence,
  type RemoteVerdict,
  toOriginalDigest,
  toRemoteEvidence,
  toRemoteVerdict,
} from '../../watermark/index.ts';
import { type AnnexTimeOptions, findAnnexTime, toJudge } from '../annex-time.ts';
import { listAnnexes, readAnnex, type StoredAnnex } from '../annexes.ts';
import { chooseClaims, type StoredClaim } from '../claims.ts';
import { parseDisclosedSeed } from '../disclose.ts';
import { openAnyModel, type OpenAnyOptions, openPlainModel } from '../open-model.ts';
import { readRecording } from '../output-mark/read.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { askSession, toAnswers } from './ask.ts';
import { askDecoderModel } from './decoder/ask.ts';

export interface ChooseTriggersOptions extends AnnexTimeOptions {
  readonly claimPath?: string | undefined;
  /** Absolute path of one annex; every one of the home is tried without it. Needs `claimPath`. */
  readonly annexPath?: string | undefined;
}

export interface VerifyTriggersOptions extends ChooseTriggersOptions {
  /** The suspect itself, or recorded answers: scores [triggers, classes] or classes [triggers]. */
  readonly suspect:
    | {
        readonly kind: 'model';
        readonly open: OpenAnyOptions;
        /** Absolute path of an ONNX decoder, where the suspect is a checkpoint of the same architecture. */
        readonly graphPath?: string | undefined;
      }
    | { readonly kind: 'answers'; readonly path: string };
}

export interface TriggersReport {
  readonly verdict: RemoteVerdict;
  /** -log2 of the probability that a suspect independent of the key agrees so often, after all trials. */
  readonly evidenceBits: number;
  readonly triggers: number;
  readonly agreed: number;
  readonly unanswered: number;
  readonly classes: number;
  /** Sets of triggers that were tried. */
  readonly trials: number;
  /** Bits taken off for draws of labels and, where nobody saw the time, for choices tried against the suspect. */
  readonly choiceBits: number;
  readonly claim: { readonly path: string; readonly commitment: string; readonly ownerId: string };
  readonly annex: { readonly path: string; readonly digest: string };
  /** When the ledger took the annex in; null where a judge passed no proof of it. */
  readonly recorded: { readonly leafIndex: number; readonly time: string } | null;
  /** Why the verdict is "inconclusive"; null otherwise. */
  readonly reason: string | null;
  readonly notes: readonly string[];
  readonly leafIndex: number | null;
  readonly notRecorded: string | null;
}

/** A set of triggers, ready to be asked. */
export interface OpenedTriggers {
  readonly stored: StoredClaim;
  readonly annex: StoredAnnex;
  readonly set: QuestionSet;
  readonly recorded: TriggersReport['recorded'];
}

/**
 * Opens every set that was meant, and zeroes the keys of all when `use` is done or fails.
 * @throws WorkflowError CLAIM_NOT_FOUND | TRIGGERS_NOT_FOUND | SEED_…; WatermarkError WATERMARK_TRIGGERS_UNRECORDED |
 *   WATERMARK_ANNEX_… | WATERMARK_SEED_MISMATCH; RemoteError REMOTE_ANNEX_…; LedgerError for a proof; SignError for an annex
 *   that was changed
 */
export async function withTriggers<T>(
  services: Services,
  openSession: () => Session,
  options: ChooseTriggersOptions,
  use: (sets: readonly [OpenedTriggers, ...OpenedTriggers[]]) => T | Promise<T>,
): Promise<T> {
  const opened: OpenedTriggers[] = [];
  try {
    const claims = chooseClaims(services, options.claimPath);
    for (const stored of claims) openOf(services, openSession, { stored, options, opened });
    if (opened.length === 0) throw new WorkflowError('TRIGGERS_NOT_FOUND', { fields: { claims: claims.length } });
    const [first, ...others] = opened;
    return await use([first, ...others]);
  } finally {
    for (const { set } of opened) set.forget?.();
  }
}

function openOf(
  services: Services,
  openSession: () => Session,
  given: {
    readonly stored: StoredClaim;
    readonly options: ChooseTriggersOptions;
    /** Taken up one by one, so that the keys of the first are zeroed when a later one cannot be opened. */
    readonly opened: OpenedTriggers[];
  },
): void {
  const { stored, options, opened } = given;
  const { annexPath, seedPath } = options;
  const { claim } = stored;
  const annexes =
    annexPath === undefined
      ? listAnnexes(services, claim, 'triggers')
      : [readAnnex(services, { path: annexPath, claim, type: 'triggers' })];
  if (annexes.length === 0) return;
  const triggerSeed =
    seedPath === undefined
      ? openSubSeed(claim, ownerSeedBox({ secrets: openSession().owner.secrets, random: services.random }), 'trigger')
      : parseDisclosedSeed(services.storage.read(seedPath), claim.commitment.digest, 'trigger');
  try {
    for (const annex of annexes) {
      const recorded = findRecord(services, openSession, annex, options);
      const judge = toJudge(options, recorded);
      const set = openTriggerQuestions({ claim, annex: annex.annex, triggerSeed, judge });
      opened.push({ stored, annex, set, recorded });
    }
  } finally {
    zeroize(triggerSeed);
  }
}

/** An owner's ledger that lacks the annex has its own code: it shows that the triggers are not those that were put in. */
function findRecord(
  services: Services,
  openSession: () => Session,
  annex: StoredAnnex,
  options: ChooseTriggersOptions,
): TriggersReport['recorded'] {
  try {
    return findAnnexTime(services, openSession, annex, options);
  } catch (error) {
    const isOwner = options.seedPath === undefined && options.proof === undefined;
    if (!isOwner || !(error instanceof RemoteError) || error.code !== 'REMOTE_ANNEX_NOT_RECORDED') throw error;
    throw new WatermarkError('WATERMARK_TRIGGERS_UNRECORDED', { fields: { annex: annex.digest }, cause: error });
  }
}

/** Every set is one trial more. @throws as `withTriggers`; RuntimeError; FormatError | SourceError */
export function verifyTriggers(
  services: Services,
  openSession: () => Session,
  options: VerifyTriggersOptions,
): Promise<TriggersReport> {
  return withTriggers(services, openSession, options, async (sets) => {
    const asked =
      options.suspect.kind === 'answers'
        ? readAnswers(services, options.suspect.path, sets)
        : await askModel(services, openSession, options.suspect, sets);
    const judged = sets.map((opened, index) => judge(opened, asked.answers[index], sets.length));
    const found = judged.reduce((a, b) => (isBetter(b, a) ? b : a));
    const isLent = options.suspect.kind === 'model' && options.suspect.graphPath !== undefined;
    const best = isLent ? { ...found, notes: [...found.notes, LENT_GRAPH] } : found;
    if (options.seedPath !== undefined) return { ...best, leafIndex: null, notRecorded: 'read with a disclosed seed' };
    return { ...best, ...(await record(openSession(), asked, best)) };
  });
}

const LENT_GRAPH =
  'A graph that was passed in ran the checkpoint: one can be made to answer as it likes, so a judge exports his own.';

interface Asked {
  readonly subject: string;
  /** Of a model's weights, or of the recorded answers, hex. */
  readonly suspectDigest: string;
  /** Of each set, or why it could not be asked. */
  readonly answers: readonly (readonly number[] | WatermarkError)[];
}

async function askModel(
  services: Services,
  openSession: () => Session,
  { open, graphPath }: Extract<VerifyTriggersOptions['suspect'], { kind: 'model' }>,
  sets: readonly OpenedTriggers[],
): Promise<Asked> {
  const { model, name } = await openAnyModel(services, () => openSession().recorder, open);
  let graph: Model | null = null;
  try {
    if (graphPath !== undefined) graph = openPlainModel(graphPath, open.dataRoot);
    const answers = await askSets(services, { suspect: model, graph }, sets);
    return { subject: name, suspectDigest: toHex(toOriginalDigest(model, services.progress)), answers };
  } finally {
    graph?.close();
    model.close();
  }
}

/** Prompts go to a decoder, tensors to whatever takes them; the model is loaded once for those. */
async function askSets(
  services: Services,
  models: { readonly suspect: Model; readonly graph: Model | null },
  sets: readonly OpenedTriggers[],
): Promise<Asked['answers']> {
  let session: RuntimeSession | undefined;
  try {
    const answers: (readonly number[] | WatermarkError)[] = [];
    for (const { set } of sets) {
      if (set.question(0).kind === 'tokens') {
        answers.push(await orUnfit(() => askDecoderModel(services, models, set)));
        continue;
      }
      session ??= await (await services.openRuntime()).load(readRuntimeModel(models.suspect));
      const asked = session;
      answers.push(await orUnfit(() => askSession(asked, set, services.progress)));
    }
    return answers;
  } finally {
    await session?.release();
  }
}

/** What does not fit the triggers is no failure: the verdict says that nothing can be told. */
async function orUnfit(ask: () => Promise<number[]>): Promise<number[] | WatermarkError> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof WatermarkError && error.code === 'WATERMARK_TRIGGER_SUSPECT_UNFIT') return error;
    throw error;
  }
}

function readAnswers(services: Services, path: string, sets: readonly OpenedTriggers[]): Asked {
  const recording = readRecording(services, path);
  const answers = sets.map(({ set }) => toAnswers(recording, set).slice(0, set.count));
  return { subject: 'recorded answers', suspectDigest: toHex(sha256(utf8(JSON.stringify(answers)))), answers };
}

type Judged = Omit<TriggersReport, 'leafIndex' | 'notRecorded'>;

function judge(
  { stored, annex, set, recorded }: OpenedTriggers,
  answers: readonly number[] | WatermarkError,
  trials: number,
): Judged {
  const isUnfit = answers instanceof WatermarkError;
  const given = isUnfit ? [] : answers;
  // What was not answered counts as wrong: nobody may choose which answers count.
  const padded = Array.from({ length: set.count }, (_, i) => given.at(i) ?? null);
  const all: RemoteEvidence = toRemoteEvidence(set, padded);
  const evidenceBits = Math.max(0, all.evidenceBits - Math.log2(trials));
  const verdict = toRemoteVerdict('exact', { ...all, evidenceBits });
  const { digest, preimage } = stored.claim.commitment;
  return {
    ...{ verdict, evidenceBits, triggers: set.count, agreed: all.agreed, unanswered: all.unanswered, trials },
    ...{ classes: set.classes ?? 0, choiceBits: set.statistic.log2Trials },
    claim: { path: stored.path, commitment: digest, ownerId: preimage.ownerId },
    annex: { path: annex.path, digest: annex.digest },
    recorded,
    reason: verdict === 'inconclusive' ? toReason(isUnfit ? answers : null) : null,
    notes: set.notes,
  };
}

function toReason(error: WatermarkError | null): string {
  const why = error?.fields.reason;
  return `cannot tell, because ${typeof why === 'string' ? `the suspect does not fit: ${why}` : 'too few triggers were answered'}`;
}

function isBetter(a: Judged, b: Judged): boolean {
  if (a.evidenceBits !== b.evidenceBits) return a.evidenceBits > b.evidenceBits;
  return a.verdict !== 'inconclusive' && b.verdict === 'inconclusive';
}

async function record(
  { recorder }: Session,
  { subject, suspectDigest }: Asked,
  { verdict, evidenceBits, trials, annex }: Judged,
): Promise<Pick<TriggersReport, 'leafIndex' | 'notRecorded'>> {
  try {
    const digests = { suspect: suspectDigest, annex: annex.digest };
    const detail = { verdict, evidenceBits, trials };
    const receipt = await recorder.record([{ type: 'detect', actor: recorder.actor, subject, digests, detail }]);
    return { leafIndex: receipt.firstIndex, notRecorded: null };
  } catch (error) {
    if (error instanceof ModelwardError) return { leafIndex: null, notRecorded: error.code };
    throw error;
  }
}
