/** Makes keyed probes for a model: its answers, how strangers answer, signed and recorded (docs/spec/remote-check.md §3). */
import { basename } from 'node:path';
import { zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { openModelPath } from '../../formats/index.ts';
import type { Graph } from '../../model/types.ts';
import {
  type Answer,
  chooseFamily,
  type Claim,
  createProbeRecord,
  FAMILY_TRIALS,
  makeProbe,
  planModelProbes,
  type PlanOptions,
  PROBE_FAMILIES,
  type ProbeFamily,
  type ProbeRecord,
  RARE_NULLS_MIN,
  type TensorPlan,
} from '../../watermark/index.ts';
import { readClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { askModel } from './ask-model.ts';
import { assertCount, chooseProbes, type MadeProbes, openProbeKey, recordProbes } from './made-probes.ts';
import { askNulls, loadForAsking, type LoadedModel } from './null-models.ts';

export interface MakeProbesOptions extends Pick<PlanOptions, 'output' | 'range'> {
  /** Rare probes are uniform unless told, others as suits the model. */
  readonly family?: ProbeFamily | undefined;
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

/**
 * @throws RemoteError PROBES_TOO_FEW | PROBES_MODEL_OTHER | PROBES_MODEL_UNFIT | PROBES_NULL_OURS | PROBES_NULL_UNFIT |
 *   PROBES_NULL_OTHER_TASK; WatermarkError; RuntimeError; FormatError | SourceError; LedgerError
 */
export async function makeProbes(
  services: Services,
  session: Session,
  options: MakeProbesOptions,
): Promise<MadeProbes> {
  assertCount(options.count);
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
  return recordProbes(services, session, { claim, record, subject: basename(options.modelPath) });
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
  // Measured (docs/lab.md): on uniform noise, copies keep most of what is rare.
  const draft = await planModelProbes(
    model.session,
    { ...options, family: 'uniform', graph: readGraph(modelPath) },
    pool,
  );
  const family = options.family ?? (isRare ? draft.family : await findFamily(services, draft, { key, model }));
  const plan: TensorPlan = { ...draft, family };
  const probe = (index: number) => makeProbe(key, plan, index);
  const asked = { plan, probe, count: pool };
  const step = 'answers of the model';
  const answers = await askModel(model.session, { ...asked, progress: services.progress, step });
  if (answers.includes(null))
    throw new RemoteError('PROBES_MODEL_UNFIT', { fields: { fault: 'scores are not finite' } });
  const nulls = await askNulls(services, { ...asked, claim, paths: nullPaths, ours: answers });
  const choice = chooseProbes(answers as Answer[], nulls, { count });
  return createProbeRecord({ key, plan, modelDigest: model.digest, ...choice });
}

/** The family that suits a model when probes are asked as they come. */
async function findFamily(
  { progress }: Services,
  draft: TensorPlan,
  { key, model }: Pick<Making, 'key' | 'model'>,
): Promise<ProbeFamily> {
  const answersTo = new Map<ProbeFamily, readonly Answer[]>();
  for (const family of PROBE_FAMILIES) {
    const plan = { ...draft, family };
    const probe = (index: number) => makeProbe(key, plan, index);
    const answers = await askModel(model.session, {
      plan,
      probe,
      count: FAMILY_TRIALS,
      progress,
      step: `try ${family}`,
    });
    answersTo.set(
      family,
      answers.map((answer) => answer ?? ''),
    );
  }
  return chooseFamily(answersTo);
}

function readGraph(path: string): Graph | null {
  const model = openModelPath(path, {});
  try {
    return model.graph;
  } finally {
    model.close();
  }
}
