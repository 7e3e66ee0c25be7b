/** Makes keyed probes for a model: its answers, how strangers answer, signed and recorded (docs/spec/remote-check.md §3). */
import { basename } from 'node:path';
import { findHexBytes, zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import type { Json } from '../../core/canonical-json.ts';
import { openModelPath } from '../../formats/index.ts';
import type { Graph } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import {
  type Answer,
  type Claim,
  chooseRare,
  createProbeRecord,
  deriveProbeKey,
  makeProbe,
  type NullAgreement,
  type NullAnswers,
  openSubSeed,
  pickAnswers,
  planModelProbes,
  type PlanOptions,
  type ProbeRecord,
  RARE_NULLS_MIN,
  toAgreementRate,
  toSpread,
} from '../../watermark/index.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { recordAnnex } from '../annexes.ts';
import { readClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { askModel } from './ask-model.ts';
import { askNulls, loadForAsking, type LoadedModel } from './null-models.ts';

export interface MakeProbesOptions extends Pick<PlanOptions, 'family' | 'output' | 'range'> {
  /** Absolute path of the released (or original) model. */
  readonly modelPath: string;
  /** Absolute path of the claim. */
  readonly claimPath: string;
  /** Absolute paths of null models. */
  readonly nullPaths: readonly string[];
  /** Probes that are asked later. */
  readonly count: number;
  /** Probes that they are chosen from, with enough null models. */
  readonly pool: number;
}

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

/**
 * @throws RemoteError PROBES_MODEL_OTHER | PROBES_MODEL_UNFIT | PROBES_NULL_OURS | PROBES_NULL_UNFIT; WatermarkError;
 *   RuntimeError; FormatError | SourceError; LedgerError
 */
export async function makeProbes(
  services: Services,
  session: Session,
  options: MakeProbesOptions,
): Promise<MadeProbes> {
  const { claim } = readClaim(services, options.claimPath);
  const key = openProbeKey(services, session, claim);
  const model = await loadForAsking(services, options.modelPath);
  let record: ProbeRecord;
  try {
    assertOurs(claim, model.digest);
    record = await makeRecord(services, { claim, key, model, options });
  } finally {
    zeroize(key);
    await model.session.release();
  }
  const subject = basename(options.modelPath);
  const stored = await recordAnnex(services, session, { claim, type: 'probes', body: record as Json, subject });
  return toMade(record, stored);
}

function openProbeKey(services: Services, { owner }: Session, claim: Claim): Uint8Array {
  const subSeed = openSubSeed(claim, ownerSeedBox({ secrets: owner.secrets, random: services.random }), 'probe');
  try {
    return deriveProbeKey(subSeed, findHexBytes(claim.commitment.preimage.originalDigest) ?? new Uint8Array(0));
  } finally {
    zeroize(subSeed);
  }
}

function assertOurs({ commitment }: Claim, digest: string): void {
  const { originalDigest, markedDigest } = commitment.preimage;
  if (digest === originalDigest || digest === markedDigest) return;
  throw new RemoteError('PROBES_MODEL_OTHER', { fields: { expected: [markedDigest, originalDigest], actual: digest } });
}

interface Making {
  readonly claim: Claim;
  readonly key: Uint8Array;
  readonly model: LoadedModel;
  readonly options: MakeProbesOptions;
}

async function makeRecord(services: Services, { claim, key, model, options }: Making): Promise<ProbeRecord> {
  const { count, nullPaths, modelPath } = options;
  const isRare = nullPaths.length >= RARE_NULLS_MIN;
  const pool = isRare ? Math.max(count, options.pool) : count;
  const plan = await planModelProbes(model.session, { ...options, graph: readGraph(modelPath) }, pool);
  const probe = (index: number) => makeProbe(key, plan, index);
  const asked = { plan, probe, count: pool };
  const step = 'answers of the model';
  const answers = await askModel(model.session, { ...asked, progress: services.progress, step });
  if (answers.includes(null))
    throw new RemoteError('PROBES_MODEL_UNFIT', { fields: { fault: 'scores are not finite' } });
  const ours = answers as Answer[];
  const nulls = await askNulls(services, { ...asked, claim, paths: nullPaths });
  const choice = choose(ours, nulls, count);
  const used = choice.chosen === null ? ours.slice(0, count) : ours;
  return createProbeRecord({ key, plan, modelDigest: model.digest, answers: used, ...choice });
}

function readGraph(path: string): Graph | null {
  const model = openModelPath(path, {});
  try {
    return model.graph;
  } finally {
    model.close();
  }
}

/** Rare probes where there are enough null models and enough such probes, else the first ones. */
function choose(
  answers: readonly Answer[],
  nulls: readonly NullAnswers[],
  count: number,
): { readonly chosen: number[] | null; readonly nulls: readonly NullAgreement[] } {
  if (nulls.length >= RARE_NULLS_MIN) {
    const { chosen, rates } = chooseRare({ answers, nulls: nulls.map((one) => one.answers), count });
    if (chosen.length >= REMOTE_LIMITS.questionsMin) {
      return { chosen: [...chosen], nulls: nulls.map((one, at) => ({ ...toName(one), agreement: rates[at] })) };
    }
  }
  const first = answers.slice(0, count);
  return {
    chosen: null,
    nulls: nulls.map((one) => ({ ...toName(one), agreement: toAgreementRate(first, one.answers) })),
  };
}

function toName({ name, digest }: NullAnswers): Pick<NullAgreement, 'name' | 'digest'> {
  return { name, digest };
}

function toMade(
  { plan, answers, chosen, chance, nulls }: ProbeRecord,
  { path, digest, leafIndex }: Awaited<ReturnType<typeof recordAnnex>>,
): MadeProbes {
  const count = pickAnswers(answers, chosen).length;
  const warnings: string[] = [];
  if (nulls.length < RARE_NULLS_MIN) {
    warnings.push(
      `with fewer than ${RARE_NULLS_MIN} null models the probes are not chosen, and fine-tuned copies are hard to tell from strangers`,
    );
  }
  return {
    ...{ path, digest, leafIndex, count, pool: answers.length },
    choice: chosen === null ? 'all' : 'rare',
    family: plan.kind === 'tensors' ? plan.family : 'text',
    output: plan.kind === 'tensors' ? plan.output : '',
    classes: plan.kind === 'tensors' ? plan.classes : 0,
    chance,
    nulls: { count: nulls.length, ...toSpread(nulls.map(({ agreement }) => agreement)) },
    warnings,
  };
}
