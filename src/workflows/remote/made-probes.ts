/** What both ways of making probes share: the key, the choice among a pool, and what is told in the end. */
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  type Answer,
  assertProbeRecord,
  chooseRare,
  type Claim,
  deriveProbeKey,
  type NullAgreement,
  type NullAnswers,
  openSubSeed,
  pickAnswers,
  type ProbeRecord,
  RARE_NULLS_MIN,
  toAgreementRate,
  toSpread,
} from '../../watermark/index.ts';
import { recordAnnex } from '../annexes.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';

export interface MadeProbes {
  readonly path: string;
  readonly digest: string;
  readonly leafIndex: number;
  readonly count: number;
  /** Probes that answers were recorded to. */
  readonly pool: number;
  /** rare: chosen with the null models. all: the first ones, as they come. */
  readonly choice: 'rare' | 'all';
  readonly family: string;
  readonly output: string;
  readonly classes: number;
  readonly chance: number;
  readonly nulls: {
    readonly count: number;
    readonly mean: number;
    readonly deviation: number;
    readonly largest: number;
  };
  readonly warnings: readonly string[];
}

/** K of the probes of a claim; the caller zeroes it. @throws SignError; WatermarkError WATERMARK_SEED_MISMATCH */
export function openProbeKey({ random }: Pick<Services, 'random'>, { owner }: Session, claim: Claim): Uint8Array {
  const subSeed = openSubSeed(claim, ownerSeedBox({ secrets: owner.secrets, random }), 'probe');
  try {
    return deriveProbeKey(subSeed, findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0));
  } finally {
    zeroize(subSeed);
  }
}

export interface ChooseOptions {
  readonly count: number;
}

/** The members of a record that hang on the choice. */
export interface ProbeChoice {
  readonly answers: Answer[];
  readonly chosen: number[] | null;
  readonly nulls: readonly NullAgreement[];
}

/** Rare probes where there are enough null models and enough such probes, else the first ones. */
export function chooseProbes(
  answers: readonly Answer[],
  nulls: readonly NullAnswers[],
  { count }: ChooseOptions,
): ProbeChoice {
  if (nulls.length >= RARE_NULLS_MIN) {
    const { chosen, rates } = chooseRare({ answers, nulls: nulls.map((one) => one.answers), count });
    if (chosen.length >= REMOTE_LIMITS.questionsMin) {
      const measured = nulls.map((one, at) => toMeasured(one, rates[at]));
      return { answers: [...answers], chosen: [...chosen], nulls: measured };
    }
  }
  const first = answers.slice(0, count);
  return {
    answers: first,
    chosen: null,
    nulls: nulls.map((one) => toMeasured(one, toAgreementRate(first, one.answers))),
  };
}

function toMeasured({ name, digest }: NullAnswers, agreement: number): NullAgreement {
  return { name, digest, agreement };
}

/** Fewer probes could be recorded and never opened. @throws RemoteError PROBES_TOO_FEW */
export function assertCount(count: number): void {
  if (count >= REMOTE_LIMITS.questionsMin) return;
  throw new RemoteError('PROBES_TOO_FEW', { fields: { count, countMin: REMOTE_LIMITS.questionsMin } });
}

/**
 * Records what every reader can open.
 * @throws WatermarkError WATERMARK_ANNEX_MALFORMED | WATERMARK_ANNEX_TOO_LARGE; LedgerError
 */
export async function recordProbes(
  services: Services,
  session: Session,
  { claim, record, subject }: { readonly claim: Claim; readonly record: ProbeRecord; readonly subject: string },
): Promise<MadeProbes> {
  assertProbeRecord(claim, record);
  return toMade(record, await recordAnnex(services, session, { claim, type: 'probes', body: record, subject }));
}

function toMade(
  { plan, answers, chosen, chance, nulls }: ProbeRecord,
  { path, digest, leafIndex }: Awaited<ReturnType<typeof recordAnnex>>,
): MadeProbes {
  const isText = plan.kind === 'text';
  return {
    ...{ path, digest, leafIndex, count: pickAnswers(answers, chosen).length, pool: answers.length },
    choice: chosen === null ? 'all' : 'rare',
    family: isText ? 'text' : plan.family,
    output: isText ? 'first word' : plan.output,
    classes: isText ? 0 : plan.classes,
    chance,
    nulls: { count: nulls.length, ...toSpread(nulls.map(({ agreement }) => agreement)) },
    warnings: toWarnings(nulls.length, chosen),
  };
}

function toWarnings(nulls: number, chosen: readonly number[] | null): string[] {
  if (nulls === 0) {
    return [
      'without null models (--null) a check ends as "none" or "inconclusive": strangers of the same task may agree as often as copies',
    ];
  }
  if (chosen !== null) return [];
  const why =
    nulls < RARE_NULLS_MIN
      ? `with fewer than ${RARE_NULLS_MIN} null models the probes are not chosen and a check is supporting evidence at most`
      : 'the null models answer nearly as ours does, so no probes could be chosen';
  return [`${why}: fine-tuned copies are hard to tell from strangers`];
}
