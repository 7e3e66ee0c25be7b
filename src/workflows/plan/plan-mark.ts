/** Plans the ownership mark of a model that is still to be trained: claim first, then the files for the trainer. */
import { basename, join, parse } from 'node:path';
import { allocSecret, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { toNpyBytes } from '../../fidelity/index.ts';
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

export const PLAN_FORMATS = ['safetensors', 'npy'] as const;
export type PlanFormat = (typeof PLAN_FORMATS)[number];

export interface PlanMarkOptions {
  /** Absolute path of the model as training starts from it. */
  readonly path: string;
  /** Absolute path of the folder to make. */
  readonly out: string;
  readonly force: boolean;
  readonly tau?: number | undefined;
  readonly bits?: MarkBits | undefined;
  /** One safetensors file unless told, or an npy file for each array. */
  readonly format?: PlanFormat | undefined;
  readonly dataRoot?: string | undefined;
}

export interface PlanMarkResult {
  /** The safetensors file, or the folder of npy files; and SHA-256 of the plan as a safetensors file, whichever it is. */
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
  const format = options.format ?? 'safetensors';
  const planFile = format === 'npy' ? null : `${stem}.plan.safetensors`;
  const arrays = listArrays(plan);
  const bytes = toPlanBytes(arrays, `${stem}.plan.safetensors`);
  const staged = stageFolder({ storage: services.storage, target: options.out, replace: options.force });
  try {
    const write = (name: string, content: Uint8Array): void => {
      writeBytes(services.storage, { path: join(staged.path, name), mode: 0o600, bytes: content });
    };
    if (planFile === null) writeArrays(plan, arrays, write);
    else write(planFile, bytes);
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
      plan: { path: join(options.out, planFile ?? ''), sha256: planDigest },
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

interface PlanArray {
  readonly name: string;
  readonly dtype: 'i32' | 'i8';
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** "NAME.block" (int32) and "NAME.chip" (int8) in the shape of each weight, and "bits" (int8). */
function listArrays({ layers, bits }: TrainPlan): PlanArray[] {
  const toBytes = (values: Int32Array | Int8Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return [
    ...layers.flatMap(({ name, shape, block, chip }): PlanArray[] => [
      { name: `${name}.block`, dtype: 'i32', shape, bytes: toBytes(block) },
      { name: `${name}.chip`, dtype: 'i8', shape, bytes: toBytes(chip) },
    ]),
    { name: 'bits', dtype: 'i8', shape: [bits.length], bytes: toBytes(bits) },
  ];
}

function toPlanBytes(arrays: readonly PlanArray[], name: string): Uint8Array {
  const metadata = new Map([['modelward', 'train plan v1']]);
  const { plan } = toSafetensors({ tensors: arrays.map(toMemoryTensor), metadata }, name);
  return readRewrite(plan.files[0]);
}

/** Arrays are numbered, since names of weights need not be names of files; "names.json" has those in their order. */
function writeArrays(
  { layers }: TrainPlan,
  arrays: readonly PlanArray[],
  write: (name: string, content: Uint8Array) => void,
): void {
  write('names.json', utf8(JSON.stringify(layers.map(({ name }) => name))));
  for (const [at, { dtype, shape, bytes }] of arrays.entries()) {
    const stem = at === arrays.length - 1 ? 'bits' : `${Math.floor(at / 2)}.${at % 2 === 0 ? 'block' : 'chip'}`;
    write(`${stem}.npy`, toNpyBytes({ dtype, shape, data: bytes }));
  }
}
