/** Plans the ownership mark of a model that is still to be trained: claim first, then the files for the trainer. */
import { basename, join, parse } from 'node:path';
import { allocSecret, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { toSafetensors } from '../../formats/convert.ts';
import { toMemoryTensor } from '../../model/tensors.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { stageFolder } from '../../source/index.ts';
import { readRewrite } from '../../source/rewrite.ts';
import {
  createClaim,
  deriveSeeds,
  type MarkBits,
  planMark,
  toOriginalDigest,
  toRecipe,
  type TrainPlan,
} from '../../watermark/index.ts';
import { recordAnnex } from '../annexes.ts';
import { fillSeed, storeClaim } from '../claims.ts';
import { openPlainModel } from '../open-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { writeBytes } from '../write-bytes.ts';

export interface PlanMarkOptions {
  /** Absolute path of the model as training starts from it. */
  readonly path: string;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly force: boolean;
  readonly tau?: number | undefined;
  readonly bits?: MarkBits | undefined;
  readonly dataRoot?: string | undefined;
}

export interface PlanMarkResult {
  readonly plan: { readonly path: string; readonly sha256: string };
  readonly recipe: string;
  readonly claim: string;
  readonly commitment: string;
  readonly annex: string;
  readonly leafIndex: number;
  readonly bits: number;
  readonly tau: number;
  readonly weights: number;
  readonly layers: readonly string[];
}

const SEED_BYTES = 32;

/**
 * @throws WatermarkError WATERMARK_TOO_SMALL | WATERMARK_PLAN_TOO_LARGE; WorkflowError MODEL_SEALED; SourceError WRITE_…;
 *   LedgerError; FormatError
 */
export async function planModelMark(
  services: Services,
  session: Session,
  options: PlanMarkOptions,
): Promise<PlanMarkResult> {
  const model = openPlainModel(options.path, options.dataRoot);
  const seed = allocSecret(SEED_BYTES);
  try {
    const originalDigest = toOriginalDigest(model, services.progress);
    const { owner } = session;
    fillSeed(services, { owner, originalDigestHex: toHex(originalDigest), into: seed });
    const { own, ...others } = deriveSeeds(seed);
    zeroize(...Object.values(others));
    const { ownerId } = owner.identity;
    const { tau, bits } = options;
    const given = { model, ownSeed: own, ownerId, originalDigest };
    let plan: TrainPlan;
    try {
      plan = planMark({ ...given, ...(tau !== undefined && { tau }), ...(bits !== undefined && { bits }) });
    } finally {
      zeroize(own);
    }
    return await writePlan(services, session, { options, plan, seed, originalDigest });
  } finally {
    zeroize(seed);
    model.close();
  }
}

interface Planned {
  readonly options: PlanMarkOptions;
  readonly plan: TrainPlan;
  readonly seed: Uint8Array;
  readonly originalDigest: Uint8Array;
}

/** The claim is durable and recorded before the files that training needs have their names. */
async function writePlan(
  services: Services,
  session: Session,
  { options, plan, seed, originalDigest }: Planned,
): Promise<PlanMarkResult> {
  const { owner, recorder } = session;
  const stem = parse(options.path).name;
  const planFile = `${stem}.plan.safetensors`;
  const bytes = toPlanBytes(plan, planFile);
  const staged = stageFolder({ storage: services.storage, target: options.out, replace: options.force });
  try {
    const write = (name: string, content: Uint8Array): void => {
      writeBytes(services.storage, { path: join(staged.path, name), mode: 0o600, bytes: content });
    };
    write(planFile, bytes);
    write('recipe.py', utf8(toRecipe({ planFile, tau: plan.tau })));
    const claim = createClaim({
      seed,
      seedBox: ownerSeedBox({ secrets: owner.secrets, random: services.random }),
      ownerKey: owner.identity.signKey,
      ownerId: owner.identity.ownerId,
      originalDigest,
      // Nothing is marked yet: the start stands for itself.
      markedDigest: originalDigest,
      mark: plan.mark,
    });
    const notes = { originalPath: options.path, baselinePath: null };
    const stored = storeClaim(services, { claim, modelName: stem, notes });
    const subject = basename(options.path);
    const digests = { commitment: claim.commitment.digest };
    await recorder.record([{ type: 'commit', actor: recorder.actor, subject, digests, detail: { version: 1 } }]);
    const planDigest = toHex(sha256(bytes));
    const body = { v: 1, bits: plan.bits.length, tau: plan.tau, plan: planDigest };
    const annex = await recordAnnex(services, session, { claim, type: 'plan', body, subject });
    staged.commit();
    return {
      plan: { path: join(options.out, planFile), sha256: planDigest },
      recipe: join(options.out, 'recipe.py'),
      ...{ claim: stored.path, commitment: claim.commitment.digest, annex: annex.path, leafIndex: annex.leafIndex },
      ...{ bits: plan.bits.length, tau: plan.tau, weights: plan.mark.record.weights },
      layers: plan.layers.map(({ name }) => name),
    };
  } catch (error) {
    staged.abort();
    throw error;
  }
}

/** "NAME.block" (int32) and "NAME.chip" (int8) in the shape of each weight, and "bits" (int8). */
function toPlanBytes({ layers, bits }: TrainPlan, name: string): Uint8Array {
  const toBytes = (values: Int32Array | Int8Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const tensors = layers.flatMap((layer) => [
    toMemoryTensor({ name: `${layer.name}.block`, dtype: 'i32', shape: layer.shape, bytes: toBytes(layer.block) }),
    toMemoryTensor({ name: `${layer.name}.chip`, dtype: 'i8', shape: layer.shape, bytes: toBytes(layer.chip) }),
  ]);
  tensors.push(toMemoryTensor({ name: 'bits', dtype: 'i8', shape: [bits.length], bytes: toBytes(bits) }));
  const { plan } = toSafetensors({ tensors, metadata: new Map([['modelward', 'train plan v1']]) }, name);
  return readRewrite(plan.files[0]);
}
