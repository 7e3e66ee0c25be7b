/** The claims of a home: stored, listed, and the seed of one opened for reading a suspect. */
import { basename, join } from 'node:path';
import { zeroize } from '../core/bytes.ts';
import { WorkflowError } from '../core/errors.ts';
import type { Random } from '../core/ports.ts';
import { type Owner, ownerSeedBox } from '../sign/index.ts';
import { type Claim, encodeClaim, parseClaim, toSeedAad } from '../watermark/claim.ts';

import type { Services } from './services.ts';
import { writeBytes } from './write-bytes.ts';

const SUFFIX = '.claim.json';
const NOTES_SUFFIX = '.notes.json';

export interface StoredClaim {
  readonly path: string;
  readonly claim: Claim;
}

/** What this machine knows beside a claim; it never travels with it. */
export interface ClaimNotes {
  /** Absolute path of the original when the claim was made. */
  readonly originalPath: string;
  readonly baselinePath: string | null;
}

/** Claims of this home, oldest name first. @throws WatermarkError WATERMARK_CLAIM_MALFORMED */
export function listClaims({ storage, home }: Pick<Services, 'storage' | 'home'>): StoredClaim[] {
  return storage
    .list(home.claimsFolder)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => readClaim({ storage }, join(home.claimsFolder, name)));
}

/** @throws SourceError SOURCE_NOT_FOUND; WatermarkError WATERMARK_CLAIM_MALFORMED */
export function readClaim({ storage }: Pick<Services, 'storage'>, path: string): StoredClaim {
  return { path, claim: parseClaim(storage.read(path)) };
}

/** Stores a claim durably under a name made of the model's and the commitment's, and notes beside it. */
export function storeClaim(
  { storage, home }: Pick<Services, 'storage' | 'home'>,
  options: { readonly claim: Claim; readonly modelName: string; readonly notes: ClaimNotes },
): StoredClaim {
  const stem = `${basename(options.modelName)}-${options.claim.commitment.digest.slice(0, 12)}`;
  const path = join(home.claimsFolder, `${stem}${SUFFIX}`);
  writeBytes(storage, { path, mode: 0o600, bytes: encodeClaim(options.claim) });
  writeBytes(storage, {
    path: join(home.claimsFolder, `${stem}${NOTES_SUFFIX}`),
    mode: 0o600,
    bytes: Buffer.from(`${JSON.stringify({ v: 1, ...options.notes })}\n`),
  });
  return { path, claim: options.claim };
}

/** Notes beside a claim of this home; undefined for a claim from elsewhere. */
export function findNotes({ storage }: Pick<Services, 'storage'>, claimPath: string): ClaimNotes | undefined {
  const path = claimPath.replace(/\.claim\.json$/, NOTES_SUFFIX);
  if (path === claimPath || !storage.exists(path)) return undefined;
  const value = JSON.parse(Buffer.from(storage.read(path)).toString('utf8')) as Partial<ClaimNotes>;
  return typeof value.originalPath === 'string'
    ? { originalPath: value.originalPath, baselinePath: value.baselinePath ?? null }
    : undefined;
}

/**
 * Fills `into` (32 bytes) with the seed S of an earlier claim on the same original by the same owner, else with a fresh
 * one: one seed per owner and original is reused, so that all its marks hang on the same sub-seeds. The caller wipes it.
 */
export function fillSeed(
  services: Pick<Services, 'storage' | 'home' | 'random'>,
  options: { readonly owner: Owner; readonly originalDigestHex: string; readonly into: Uint8Array },
): void {
  const { owner, originalDigestHex, into } = options;
  const earlier = listClaims(services).find(
    ({ claim: { commitment } }) =>
      commitment.preimage.originalDigest === originalDigestHex &&
      commitment.preimage.ownerId === owner.identity.ownerId,
  );
  if (earlier === undefined) {
    services.random.fill(into);
    return;
  }
  const seed = openSeed(earlier.claim, owner, services.random);
  into.set(seed);
  zeroize(seed);
}

function openSeed(claim: Claim, owner: Owner, random: Random): Uint8Array {
  return ownerSeedBox({ secrets: owner.secrets, random }).openSeed(claim.sealedSeed, toSeedAad(claim.commitment));
}

/** Claims to read a suspect with: the one named, else all of this home. @throws WorkflowError CLAIM_NOT_FOUND */
export function chooseClaims(services: Services, claimPath: string | undefined): StoredClaim[] {
  const chosen = claimPath === undefined ? listClaims(services) : [readClaim(services, claimPath)];
  if (chosen.length === 0)
    throw new WorkflowError('CLAIM_NOT_FOUND', { fields: { folder: services.home.claimsFolder } });
  return chosen;
}
