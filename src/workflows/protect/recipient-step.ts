/** One recipient's copy: prepared before the first byte is written. */
import { toHex, zeroize } from '../../core/bytes.ts';
import { WatermarkError } from '../../core/errors.ts';
import { type LabelledData, measureFidelity, readRuntimeModel } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { Calibration, EmbeddedMark } from '../../watermark/index.ts';
import {
  deriveRecipientKeys,
  type RecipientCode,
  type Release,
  releaseTo,
  SALT_BYTES,
} from '../../watermark/recipient/index.ts';
import { listClaims } from '../claims.ts';
import { readRegister, type RegisterEntry } from '../recipients/register.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
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
