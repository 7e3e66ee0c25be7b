/** Asks a model behind an end point what only a copy of ours is likely to answer as ours does (docs/spec/remote-check.md). */
import { join } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { ModelwardError, RemoteError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { Pause } from '../../core/ports.ts';
import {
  type Answer,
  type FormatContext,
  type QuestionSet,
  type RemoteEvidence,
  type RemoteVerdict,
  type RequestFormat,
  type Statistic,
  toRemoteEvidence,
  toRemoteVerdict,
} from '../../watermark/index.ts';
import type { Endpoint } from '../../watermark/ports.ts';
import { readClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { converse } from './conversation.ts';
import { openNormalTraffic } from './normal-traffic.ts';
import { openQuestions, type OpenedQuestions, type QuestionsOptions, type Recorded } from './question-sets.ts';
import { LACKS, type Lack, openState, type RunPlan, type RunState, type StateFile } from './run-state.ts';
import { toAmounts, toSchedule } from './schedule.ts';
import { openSetQuestions, type SetQuestionsOptions } from './trigger-set-questions.ts';

/** How the end point is reached and spoken to. */
export interface Target {
  readonly endpoint: Endpoint;
  readonly url: string;
  readonly format: RequestFormat;
  /** Name of the format, for the state file. */
  readonly formatName: string;
  readonly labels: ReadonlyMap<string, number>;
  /** Name of the model that requests carry; null for none. */
  readonly model: string | null;
}

export interface VerifyRemoteOptions {
  /** Where the questions come from. */
  readonly questionsOf:
    | (QuestionsOptions & { readonly kind: 'claim'; readonly claimPath: string })
    | (SetQuestionsOptions & { readonly kind: 'trigger-set' });
  readonly target: Target;
  /** Queries that may be spent, retries and normal traffic included. */
  readonly budget: number;
  /** Questions asked at most. */
  readonly questions?: number | undefined;
  /** Absolute path of normal inputs. */
  readonly normalPath?: string | undefined;
  readonly batch: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Absolute path of the state file; one in the home without it. */
  readonly statePath?: string | undefined;
  readonly pause: Pause;
}

export interface RemoteReport extends RemoteEvidence {
  readonly verdict: RemoteVerdict;
  readonly type: QuestionSet['type'];
  readonly statistic: Omit<Statistic, 'nulls'> & { readonly nulls: number };
  readonly claim: { readonly path: string; readonly commitment: string; readonly ownerId: string };
  /** The annex, or the file of the trigger set. */
  readonly annex: { readonly path: string; readonly digest: string };
  /** When the ledger took it in; null when that could not be seen. */
  readonly recorded: Recorded | null;
  /** Whether the committed model gave the recorded answers; null when it was not at hand. */
  readonly areAnswersOurs: boolean | null;
  readonly endpoint: string;
  /** Queries sent, retries and normal traffic included. */
  readonly queries: number;
  readonly normal: number;
  /** Unanswered questions by reason; "not asked" when the budget ended first. */
  readonly lacks: Readonly<Record<Lack | 'notAsked', number>>;
  readonly isResumed: boolean;
  readonly time: string;
  readonly notes: readonly string[];
  readonly leafIndex: number | null;
  readonly notRecorded: string | null;
}

/**
 * @param openSession the owner of the home; not called when a disclosed seed asks
 * @throws RemoteError REMOTE_… | PROBES_…; WatermarkError; WorkflowError; SignError; LedgerError; SourceError
 */
export async function verifyRemote(
  services: Services,
  openSession: () => Session,
  options: VerifyRemoteOptions,
): Promise<RemoteReport> {
  const { questionsOf } = options;
  const opened =
    questionsOf.kind === 'trigger-set'
      ? openSetQuestions(services, openSession, questionsOf)
      : await openQuestions(services, openSession, readClaim(services, questionsOf.claimPath), questionsOf);
  try {
    assertFormat(opened.set, options.target);
    const file = await askAll(services, opened, options);
    const evidence = toRemoteEvidence(opened.set, toAnswers(file.state));
    const { kind, verdictMax } = opened.set.statistic;
    const verdict = toRemoteVerdict(kind, evidence, verdictMax);
    const noted = isJudge(options) ? BY_JUDGE : await recordCheck(openSession(), options.target, { verdict, evidence });
    file.remove();
    return toReport({ opened, options, file, evidence, verdict, noted });
  } finally {
    opened.close();
  }
}

function isJudge({ questionsOf }: VerifyRemoteOptions): boolean {
  return questionsOf.kind === 'claim' && questionsOf.seedPath !== undefined;
}

const BY_JUDGE = { leafIndex: null, notRecorded: 'asked with a disclosed seed' };

function assertFormat(set: QuestionSet, { format, formatName }: Target): void {
  const { kind } = set.question(0);
  if (format.kind === kind) return;
  throw new RemoteError('REMOTE_FORMAT_UNFIT', { fields: { format: formatName, asks: format.kind, questions: kind } });
}

async function askAll(
  services: Services,
  { set, document, origin }: OpenedQuestions,
  options: VerifyRemoteOptions,
): Promise<StateFile> {
  const { target, budget, batch, intervalMs, timeoutMs, pause } = options;
  const traffic = openNormalTraffic(services, options.normalPath, set);
  try {
    const questions = Math.min(set.count, options.questions ?? set.count);
    const amounts = toAmounts({ budget, questions, normal: traffic.count });
    const plan: RunPlan = {
      ...{ commitment: origin.commitment, annex: document.digest, url: target.url },
      ...{ format: target.formatName, ...amounts },
    };
    const file = openState(services, options.statePath ?? toStatePath(services, plan), plan);
    const isBatched = target.format.isBatched && (target.format.kind === 'text' || set.hasBatchAxis);
    const forget = services.onInterrupt(file.save);
    await converse({
      ...{ endpoint: target.endpoint, format: target.format, context: toContext(set, target) },
      schedule: toSchedule(file.state.nonce, amounts),
      toQuestion: ({ kind, index }) => (kind === 'question' ? set.question(index) : traffic.question(index)),
      ...{ file, budget, intervalMs, timeoutMs, pause, batch: isBatched ? batch : 1 },
      ...{ clock: services.clock, random: services.random, progress: services.progress },
    }).finally(forget);
    return file;
  } finally {
    traffic.close();
  }
}

function toStatePath({ home }: Services, plan: RunPlan): string {
  const id = toHex(sha256(utf8(JSON.stringify(plan)))).slice(0, 16);
  return join(home.root, 'remote', `${id}.run.json`);
}

function toContext(set: QuestionSet, { labels, model }: Target): FormatContext {
  const { hasBatchAxis, classes, output } = set;
  return { hasBatchAxis, classes, output, labels, model };
}

/** Every planned question counts, also those that the budget did not reach. */
function toAnswers({ questions, outcomes }: RunState): (Answer | null)[] {
  return Array.from({ length: questions }, (_, index) => {
    const outcome = outcomes.get(index);
    return outcome !== undefined && 'answer' in outcome ? outcome.answer : null;
  });
}

function countLacks({ questions, outcomes }: RunState): RemoteReport['lacks'] {
  const lacks = { refused: 0, malformed: 0, failed: 0, notAsked: questions - outcomes.size };
  for (const outcome of outcomes.values()) if ('lack' in outcome) lacks[outcome.lack] += 1;
  return lacks;
}

async function recordCheck(
  { recorder }: Session,
  { endpoint, url }: Target,
  { verdict, evidence }: { readonly verdict: RemoteVerdict; readonly evidence: RemoteEvidence },
): Promise<Pick<RemoteReport, 'leafIndex' | 'notRecorded'>> {
  try {
    const receipt = await recorder.record([
      {
        type: 'detect',
        actor: recorder.actor,
        subject: endpoint.label,
        // The suspect is out of reach: its address stands for it.
        digests: { suspect: toHex(sha256(utf8(url))) },
        detail: { verdict, evidenceBits: evidence.evidenceBits, trials: 1 },
      },
    ]);
    return { leafIndex: receipt.firstIndex, notRecorded: null };
  } catch (error) {
    // What was asked is spent; the answer must come out where the ledger cannot be written.
    if (error instanceof ModelwardError) return { leafIndex: null, notRecorded: error.code };
    throw error;
  }
}

interface ReportParts {
  readonly opened: OpenedQuestions;
  readonly options: VerifyRemoteOptions;
  readonly file: StateFile;
  readonly evidence: RemoteEvidence;
  readonly verdict: RemoteVerdict;
  readonly noted: Pick<RemoteReport, 'leafIndex' | 'notRecorded'>;
}

function toReport(parts: ReportParts): RemoteReport {
  const { opened, options, file, evidence, verdict, noted } = parts;
  const { state } = file;
  const { path, commitment, ownerId, time } = opened.origin;
  const { nulls, ...statistic } = opened.set.statistic;
  return {
    ...evidence,
    verdict,
    type: opened.set.type,
    statistic: { ...statistic, nulls: nulls.length },
    claim: { path, commitment, ownerId },
    annex: opened.document,
    recorded: opened.recorded,
    areAnswersOurs: opened.areAnswersOurs,
    endpoint: options.target.endpoint.label,
    queries: state.spent,
    normal: state.normal,
    lacks: countLacks(state),
    isResumed: file.isResumed,
    time,
    notes: [...opened.set.notes, ...toNotes(parts)],
    ...noted,
  };
}

function toNotes({ opened, file }: ReportParts): string[] {
  const notes: string[] = [];
  const lacks = countLacks(file.state);
  const unanswered = LACKS.reduce((sum, lack) => sum + lacks[lack], lacks.notAsked);
  if (file.state.normal === 0)
    notes.push('No normal traffic was mixed in: whoever looks can tell the questions apart.');
  if (unanswered > 0) {
    notes.push(
      `${unanswered} questions without an answer count as disagreements: refusing can hide a copy, not accuse one.`,
    );
  }
  if (opened.recorded === null)
    notes.push('Nothing shows when the answers were recorded: ask the owner for a proof of the ledger.');
  return notes;
}
