/** Shows one sub-seed of a claim to a judge, who can then read suspects alone (docs/spec/claim.md, disclosed seeds). */
import { z } from 'zod';
import { findHexBytes, toHex, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { WorkflowError } from '../core/errors.ts';
import { ownerSeedBox } from '../sign/index.ts';
import { openSubSeed } from '../watermark/claim.ts';
import { SEED_PURPOSES, type SeedPurpose } from '../watermark/seeds.ts';
import { readClaim } from './claims.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { makeParent, writeBytes } from './write-bytes.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const disclosedSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-disclosed-seed'),
  /** Digest of the commitment that the sub-seed belongs to. */
  commitment: hex32,
  purpose: z.enum(SEED_PURPOSES),
  seed: hex32,
});

const DISCLOSED_BYTES_MAX = 4096;

export interface DiscloseOptions {
  /** Absolute path of the claim. */
  readonly claimPath: string;
  /** own: reads the mark in the weights. The others read their annexes (docs/spec/annex.md). */
  readonly purpose: SeedPurpose;
  /** Absolute path of the file to write; it must not exist. */
  readonly out: string;
}

/**
 * Writes one sub-seed of a claim in the clear. It shows no other; but whoever has it can find what it belongs to, and
 * remove it.
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED; SignError SIGN_SEED_REFUSED; SourceError WRITE_EXISTS
 */
export function discloseSeed(
  services: Services,
  session: Session,
  { claimPath, out, purpose }: DiscloseOptions,
): { readonly path: string; readonly commitment: string; readonly purpose: SeedPurpose } {
  const { claim } = readClaim(services, claimPath);
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const seed = openSubSeed(claim, seedBox, purpose);
  try {
    const commitment = claim.commitment.digest;
    const text = toCanonicalJson({
      v: 1,
      kind: 'modelward-disclosed-seed',
      commitment,
      purpose,
      seed: toHex(seed),
    });
    makeParent(services.storage, out);
    writeBytes(services.storage, { path: out, mode: 0o600, replace: false, bytes: utf8(`${text}\n`) });
    return { path: out, commitment, purpose };
  } finally {
    zeroize(seed);
  }
}

/**
 * The sub-seed as disclosed for the claim with this commitment. That it is the committed one is checked by its reader.
 * @throws WorkflowError SEED_FILE_MALFORMED | SEED_OF_ANOTHER_CLAIM | SEED_OF_ANOTHER_PURPOSE
 */
export function parseDisclosedSeed(bytes: Uint8Array, commitment: string, purpose: SeedPurpose): Uint8Array {
  const parsed = bytes.length > DISCLOSED_BYTES_MAX ? undefined : disclosedSchema.safeParse(findJson(bytes)).data;
  if (parsed === undefined) throw new WorkflowError('SEED_FILE_MALFORMED');
  if (parsed.commitment !== commitment) {
    throw new WorkflowError('SEED_OF_ANOTHER_CLAIM', { fields: { expected: commitment, actual: parsed.commitment } });
  }
  if (parsed.purpose !== purpose) {
    throw new WorkflowError('SEED_OF_ANOTHER_PURPOSE', { fields: { expected: purpose, actual: parsed.purpose } });
  }
  return findHexBytes(parsed.seed) ?? new Uint8Array(0);
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
