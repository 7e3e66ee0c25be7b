/** From a claim to what can be asked: one row per kind of annex with questions. */
import { zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import type { Services } from '../services.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  openProbePool,
  openSubSeed,
  openTriggerQuestions,
  type ProbePool,
  type QuestionSet,
  type SeedPurpose,
  toProbeQuestions,
} from '../../watermark/index.ts';
import { type AnnexTimeOptions, findAnnexTime, toJudge } from '../annex-time.ts';
import { readAnnex } from '../annexes.ts';
import type { StoredClaim } from '../claims.ts';
import { readRoots, toCommitmentTime } from '../commitment-time.ts';
import { parseDisclosedSeed } from '../disclose.ts';
import type { Session } from '../session.ts';
import { askModel } from './ask-model.ts';
import { findNewestAnnex } from './newest-annex.ts';
import { askNulls, loadForAsking } from './null-models.ts';

export const QUESTION_TYPES = ['probes', 'triggers'] as const;
export type QuestionType = (typeof QUESTION_TYPES)[number];

const PURPOSES: Readonly<Record<QuestionType, SeedPurpose>> = { probes: 'probe', triggers: 'trigger' };

export interface QuestionsOptions extends AnnexTimeOptions {
  readonly type: QuestionType;
  /** Absolute path of one annex; without it the one that the ledger of the home took in last. */
  readonly annexPath?: string | undefined;
  /** Absolute paths of null models of whoever asks. */
  readonly nullPaths: readonly string[];
  /** Absolute path of the committed model: its answers are compared with the recorded ones. */
  readonly modelPath?: string | undefined;
  readonly tsaRootsPath?: string | undefined;
}

/** When a ledger took something in. */
export interface Recorded {
  readonly leafIndex: number;
  readonly time: string;
}

export interface OpenedQuestions {
  readonly set: QuestionSet;
  /** What holds the questions: an annex, or the file of a trigger set. */
  readonly document: { readonly path: string; readonly digest: string };
  /** Who committed to what, and what is known of the time. */
  readonly origin: {
    readonly path: string;
    readonly commitment: string;
    readonly ownerId: string;
    readonly time: string;
  };
  /** Null when that could not be seen. */
  readonly recorded: Recorded | null;
  /** True when the committed model gave the recorded answers here and now; null when it was not at hand. */
  readonly areAnswersOurs: boolean | null;
  /** Forgets keys and closes files; no question is made afterwards. */
  close(): void;
}

/**
 * @throws RemoteError REMOTE_NO_QUESTIONS | PROBES_…; WatermarkError WATERMARK_SEED_MISMATCH | WATERMARK_ANNEX_…;
 *   SignError SIGN_OTHER_SIGNER; WorkflowError SEED_…; RemoteError REMOTE_ANNEX_NOT_RECORDED | REMOTE_ANNEX_TOO_LATE |
 *   REMOTE_ANNEXES_SEVERAL
 */
export async function openQuestions(
  services: Services,
  openSession: () => Session,
  { path, claim }: StoredClaim,
  options: QuestionsOptions,
): Promise<OpenedQuestions> {
  const { type, annexPath, seedPath } = options;
  const annex =
    annexPath === undefined
      ? findNewestAnnex(services, seedPath === undefined ? openSession : null, { claim, type })
      : readAnnex(services, { path: annexPath, claim, type });
  if (annex === undefined) throw new RemoteError('REMOTE_NO_QUESTIONS', { fields: { type } });
  const { preimage, digest: commitment } = claim.commitment;
  const { words: time } = toCommitmentTime(claim, readRoots(services.storage, options.tsaRootsPath));
  const opened = {
    document: { path: annex.path, digest: annex.digest },
    origin: { path, commitment, ownerId: preimage.ownerId, time },
    recorded: findAnnexTime(services, openSession, annex, options),
  };
  const purpose = PURPOSES[type];
  const subSeed =
    seedPath === undefined
      ? openSubSeed(claim, ownerSeedBox({ secrets: openSession().owner.secrets, random: services.random }), purpose)
      : parseDisclosedSeed(services.storage.read(seedPath), claim.commitment.digest, purpose);
  try {
    if (type === 'triggers') {
      const set = openTriggerQuestions({
        ...{ claim, annex: annex.annex, triggerSeed: subSeed },
        judge: toJudge(options, opened.recorded),
      });
      return { ...opened, set, areAnswersOurs: null, close: () => set.forget?.() };
    }
    const pool = openProbePool({ claim, annex: annex.annex, subSeed });
    return { ...opened, ...(await toProbes(services, pool, { ...options, claim, recorded: opened.recorded })) };
  } finally {
    zeroize(subSeed);
  }
}

type ProbesOptions = QuestionsOptions & Pick<StoredClaim, 'claim'> & Pick<OpenedQuestions, 'recorded'>;

async function toProbes(
  services: Services,
  pool: ProbePool,
  { claim, modelPath, nullPaths, recorded, ...options }: ProbesOptions,
): Promise<Pick<OpenedQuestions, 'set' | 'areAnswersOurs' | 'close'>> {
  try {
    const areAnswersOurs = await checkAnswers(services, pool, modelPath);
    const nulls = await measureNulls(services, pool, { claim, paths: nullPaths });
    const seen = toJudge(options, recorded);
    const judge = seen === null ? null : { ...seen, areAnswersOurs: areAnswersOurs === true };
    const set = toProbeQuestions(pool, { nulls, judge });
    return { set, areAnswersOurs, close: pool.forget };
  } catch (error) {
    pool.forget();
    throw error;
  }
}

async function measureNulls(
  services: Services,
  { record, probe, size }: ProbePool,
  { claim, paths }: Pick<Parameters<typeof askNulls>[1], 'claim' | 'paths'>,
): ReturnType<typeof askNulls> {
  if (paths.length === 0 || record.plan.kind === 'text') return [];
  return askNulls(services, { claim, paths, plan: record.plan, probe, count: size, ours: record.answers });
}

/** Answers that the model may give otherwise: another runtime sums in another order, and ties fall elsewhere. */
const DIFFERENT_SHARE_MAX = 0.01;

/**
 * Recorded answers prove something only if the committed model gave them: an accuser could have asked the suspect.
 * @throws RemoteError PROBES_MODEL_OTHER | PROBES_ANSWERS_NOT_OURS
 */
async function checkAnswers(
  services: Services,
  { record, probe, size }: ProbePool,
  modelPath: string | undefined,
): Promise<boolean | null> {
  const { plan, answers, modelDigest } = record;
  if (modelPath === undefined || plan.kind === 'text') return null;
  const { session, digest } = await loadForAsking(services, modelPath);
  try {
    if (digest !== modelDigest) {
      throw new RemoteError('PROBES_MODEL_OTHER', { fields: { expected: modelDigest, actual: digest } });
    }
    const step = 'answers of the committed model';
    const given = await askModel(session, { plan, probe, count: size, progress: services.progress, step });
    const different = given.filter((answer, index) => answer !== answers[index]).length;
    if (different > size * DIFFERENT_SHARE_MAX) {
      throw new RemoteError('PROBES_ANSWERS_NOT_OURS', { fields: { answers: size, different } });
    }
    return true;
  } finally {
    await session.release();
  }
}
