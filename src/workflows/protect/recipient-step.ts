/** One recipient's copy: prepared before the first byte is written, registered before the folder gets its name. */
import { toHex, zeroize } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { WatermarkError, WorkflowError } from '../../core/errors.ts';
import { type LabelledData, measureFidelity, readRuntimeModel } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { Calibration, Claim, EmbeddedMark } from '../../watermark/index.ts';
import {
  deriveRecipientKeys,
  type RecipientBody,
  type RecipientCode,
  type Release,
  releaseTo,
  SALT_BYTES,
  toNameCommitment,
} from '../../watermark/recipient/index.ts';
import { recordAnnex } from '../annexes.ts';
import { listClaims } from '../claims.ts';
import { readRegister, type RegisterEntry, storeName } from '../recipients/register.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import type { Protection } from './protection.ts';
import { openPlannedModel } from './virtual-model.ts';

/** Who gets this copy. */
export interface RecipientChoice {
  readonly id: string;
  readonly code: RecipientCode;
  readonly number: number;
  readonly salt: Uint8Array;
  /** The entry of an earlier run for the same ID; it must be for the very same copy. */
  readonly earlier: RegisterEntry | null;
}

/** A recipient's copy, and the marked copy in the original's order that its claim is about. */
export interface RecipientRelease extends Release {
  readonly choice: RecipientChoice;
  readonly markedPlan: RewritePlan;
}

/**
 * The next free number, or the number that an earlier run gave to the same ID.
 * @throws SignError | WatermarkError when the register was tampered with
 */
export function chooseRecipient(
  services: Services,
  session: Session,
  given: { readonly id: string; readonly code: RecipientCode; readonly originalDigest: Uint8Array },
): RecipientChoice {
  const { id, code, originalDigest } = given;
  const claim = listClaims(services).find(
    ({ claim: { commitment } }) =>
      commitment.preimage.originalDigest === toHex(originalDigest) &&
      commitment.preimage.ownerId === session.owner.identity.ownerId,
  );
  const register = claim === undefined ? [] : readRegister(services, claim.claim);
  const earlier = register.find((entry) => entry.id === id) ?? null;
  const salt = new Uint8Array(SALT_BYTES);
  if (earlier === null) services.random.fill(salt);
  return {
    id,
    code,
    number: earlier?.body.number ?? (register.at(-1)?.body.number ?? 0) + 1,
    salt: earlier?.salt ?? salt,
    earlier,
  };
}

/** What a release is made of, for every strength that is tried. */
export function createReleaser(
  services: Services,
  given: {
    readonly choice: RecipientChoice;
    readonly recipientSeed: Uint8Array;
    readonly originalDigest: Uint8Array;
    readonly calibration: Calibration | null;
    /** Names of the files as they will be written. */
    readonly names: readonly string[];
  },
): (mark: EmbeddedMark, markedPlan: RewritePlan) => RecipientRelease {
  const { choice, recipientSeed, originalDigest, calibration, names } = given;
  return (mark, markedPlan) => {
    const keys = deriveRecipientKeys(recipientSeed, originalDigest);
    try {
      const open = (plan: RewritePlan): Model => openPlannedModel(plan, names);
      const byName = new Map(mark.topology.layers.map((layer) => [layer.name, layer]));
      const release = releaseTo({
        ...{ marked: open(markedPlan), topology: mark.topology, tau: mark.record.tau, calibration, keys, open },
        layers: mark.record.perLayer.map(({ name }) => byName.get(name)!),
        ...{ number: choice.number, code: choice.code, progress: services.progress },
      });
      return { ...release, choice, markedPlan };
    } finally {
      zeroize(keys.order, keys.positions, keys.ids);
    }
  };
}

/** Sums run in another order after neurons moved: what single precision rounds, and nothing else. */
const DISTANCE_MAX = 1e-5;

/**
 * Runs the copy before and after its neurons moved.
 * @returns why it could not be run; null when it answers alike
 * @throws WatermarkError RECIPIENT_ORDER_CHANGES_OUTPUTS
 */
export async function checkOrder(
  services: Services,
  { unmoved, plan }: Release,
  data: LabelledData | null,
): Promise<string | null> {
  if (unmoved === null) return null;
  if (unmoved.format !== 'onnx') return `${unmoved.format} files are not run`;
  const outcome = await measureFidelity({
    runtime: await services.openRuntime(),
    original: readRuntimeModel(unmoved),
    marked: readRuntimeModel(unmoved, plan),
    graph: unmoved.graph,
    data,
    progress: services.progress,
  });
  if (outcome.kind === 'unmeasured') return outcome.reason;
  const { relativeL2, argmaxAgreement, samples } = outcome.fidelity;
  if ((relativeL2 ?? 0) <= DISTANCE_MAX && (argmaxAgreement ?? 1) === 1) return null;
  throw new WatermarkError('RECIPIENT_ORDER_CHANGES_OUTPUTS', { fields: { relativeL2, argmaxAgreement, samples } });
}

/** An entry of the register as it was recorded. */
export interface RecipientRecord {
  readonly number: number;
  readonly path: string;
  /** Null when an earlier run had recorded it. */
  readonly leafIndex: number | null;
  readonly codes: readonly string[];
}

/**
 * Registers the copy: name and annex are durable and recorded before the caller gives the output its name.
 * @param releasedDigest of the copy as written, 32 bytes
 * @throws WorkflowError RECIPIENT_EXISTS when the ID was given another copy; as `recordAnnex`
 */
export async function registerRecipient(
  { services, session, names, marked }: Protection,
  claim: Claim,
  releasedDigest: Uint8Array,
): Promise<RecipientRecord | null> {
  const release = marked?.release ?? null;
  if (release === null) return null;
  const { choice, order, payload } = release;
  const body: RecipientBody = {
    v: 1,
    number: choice.number,
    name: toNameCommitment(choice.salt, choice.id),
    releasedDigest: toHex(releasedDigest),
    order,
    payload,
  };
  const codes = [...(order === null ? [] : ['order']), ...(payload === null ? [] : ['payload'])];
  const { earlier, id, number, salt } = choice;
  if (earlier !== null) {
    if (toCanonicalJson(earlier.body) !== toCanonicalJson(body)) {
      throw new WorkflowError('RECIPIENT_EXISTS', { fields: { number } });
    }
    return { number, path: earlier.stored.path, leafIndex: null, codes };
  }
  storeName(services, { name: body.name, id, salt });
  const stored = await recordAnnex(services, session, {
    ...{ claim, type: 'recipient', body, subject: names.stem },
  });
  return { number, path: stored.path, leafIndex: stored.leafIndex, codes };
}
