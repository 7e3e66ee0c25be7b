/** Commits to the mark, reads it back as a stranger would, and makes the claim durable in the home. */
import { toBase64, toHex, zeroize } from '../../core/bytes.ts';
import type { Json } from '../../core/canonical-json.ts';
import { sha256 } from '../../core/hash.ts';
import type { Model } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import type { StagedFolder } from '../../source/index.ts';
import {
  type Claim,
  createClaim,
  detectMark,
  type DetectResult,
  encodeClaim,
  type ModelDigest,
  openOwnSeed,
  toOriginalDigest,
} from '../../watermark/index.ts';
import { listClaims, storeClaim } from '../claims.ts';
import { type Attestation, attestCommitment } from './attestation.ts';
import type { FileRecord } from './options.ts';
import { toJsonFile, writeStaged } from './staged-files.ts';
import type { Protection } from './protection.ts';
import { openPlannedModel } from './virtual-model.ts';

export type MarkedDigest = ModelDigest;

export interface ClaimStep {
  readonly claim: Claim;
  readonly claimFile: FileRecord;
  readonly commitmentFile: FileRecord;
  /** Of the copy in the original's order; a recipient's own differs. 32 bytes. */
  readonly markedDigest: Uint8Array;
  /** What the detector reads in it, without alignment. */
  readonly evidence: DetectResult;
  /** Null without a time stamp authority. */
  readonly attestation: Attestation | null;
}

/**
 * Null when there is no mark.
 * @throws SignError SIGN_TIMESTAMP_… when a time stamp was asked for and not given
 */
export async function claimMark(
  protection: Protection,
  staged: StagedFolder,
  written: Model,
  writtenDigest: MarkedDigest,
): Promise<ClaimStep | null> {
  const { services, session, names, marked, options } = protection;
  if (marked === null) return null;
  const { owner } = session;
  const { model, markedDigest } = toMarkedCopy(protection, written, writtenDigest);
  const seedBox = ownerSeedBox({ secrets: owner.secrets, random: services.random });
  const bare = createClaim({
    seed: protection.seed,
    seedBox,
    ownerKey: owner.identity.signKey,
    ownerId: owner.identity.ownerId,
    originalDigest: protection.originalDigest,
    markedDigest,
    mark: marked.mark,
  });
  const attestation = await attestCommitment(protection, staged, bare.commitment.digest);
  const claim = withAttestations(services, bare, attestation);
  const evidence = readBack(claim, model, () => openOwnSeed(claim, seedBox), services.progress);
  const notes = { originalPath: options.path, baselinePath: `${options.out}/${names.baseline}` };
  const stored = storeClaim(services, { claim, modelName: names.stem, notes });
  const bytes = encodeClaim(claim);
  return {
    claim,
    claimFile: { path: stored.path, sha256: toHex(sha256(bytes)), sizeBytes: bytes.length },
    commitmentFile: writeStaged(protection, staged, {
      name: names.commitment,
      bytes: toJsonFile(claim.commitment),
    }),
    markedDigest,
    evidence,
    attestation,
  };
}

/** What the claim is about: the marked copy in the original's order, which all recipients' copies are made of. */
function toMarkedCopy(
  { services, names, marked }: Protection,
  written: Model,
  { digest }: MarkedDigest,
): { readonly model: Model; readonly markedDigest: Uint8Array } {
  const release = marked?.release ?? null;
  if (release === null) return { model: written, markedDigest: digest };
  const model = openPlannedModel(release.markedPlan, names.marked);
  return { model, markedDigest: toOriginalDigest(model, services.progress) };
}

/** Every recipient's copy has the same claim: a time stamp that an earlier run got for it stays. */
function withAttestations(services: Protection['services'], bare: Claim, attestation: Attestation | null): Claim {
  if (attestation !== null) return { ...bare, attestations: { tsa: toTsaNote(attestation) } };
  const earlier = listClaims(services).find(({ claim }) => claim.commitment.digest === bare.commitment.digest);
  return earlier?.claim.attestations === undefined ? bare : { ...bare, attestations: earlier.claim.attestations };
}

/** The token says time and authority itself; what stood beside it could be edited. */
function toTsaNote({ url, token }: Attestation): Json {
  return { url, token: toBase64(token) };
}

/** The mark as anybody with claim and seed reads it, by name alone: nothing of the embedding run is used. */
function readBack(
  claim: Claim,
  suspect: Model,
  openSeed: () => Uint8Array,
  progress: Protection['services']['progress'],
): DetectResult {
  const ownSeed = openSeed();
  try {
    return detectMark({ suspect, claim, ownSeed, readings: 'first', progress });
  } finally {
    zeroize(ownSeed);
  }
}
