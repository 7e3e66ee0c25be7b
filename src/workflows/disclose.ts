/** Shows one sub-seed of a claim to a judge, who can then read suspects alone (docs/spec/claim.md, disclosed seeds). */
import { z } from 'zod';
import { findHexBytes, toHex, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { WorkflowError } from '../core/errors.ts';
import { ownerSeedBox } from '../sign/index.ts';
import { openOwnSeed } from '../watermark/claim.ts';
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
  purpose: z.literal('own'),
  seed: hex32,
});

const DISCLOSED_BYTES_MAX = 4096;

export interface DiscloseOptions {
  /** Absolute path of the claim. */
  readonly claimPath: string;
  /** Absolute path of the file to write; it must not exist. */
  readonly out: string;
}

/**
 * Writes S_own of a claim in the clear. It shows no other sub-seed; but whoever has it can find and remove this mark.
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED; SignError SIGN_SEED_REFUSED; SourceError WRITE_EXISTS
 */
export function discloseSeed(
  services: Services,
  session: Session,
  { claimPath, out }: DiscloseOptions,
): { readonly path: string; readonly commitment: string } {
  const { claim } = readClaim(services, claimPath);
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const seed = openOwnSeed(claim, seedBox);
  try {
    const commitment = claim.commitment.digest;
    const text = toCanonicalJson({
      v: 1,
      kind: 'modelward-disclosed-seed',
      commitment,
      purpose: 'own',
      seed: toHex(seed),
    });
    makeParent(services.storage, out);
    writeBytes(services.storage, { path: out, mode: 0o600, replace: false, bytes: utf8(`${text}\n`) });
    return { path: out, commitment };
  } finally {
    zeroize(seed);
  }
}

/**
 * S_own as disclosed for the claim with this commitment. That it is the committed one is checked by the detector.
 * @throws WorkflowError SEED_FILE_MALFORMED | SEED_OF_ANOTHER_CLAIM
 */
export function parseDisclosedSeed(bytes: Uint8Array, commitment: string): Uint8Array {
  const parsed = bytes.length > DISCLOSED_BYTES_MAX ? undefined : disclosedSchema.safeParse(findJson(bytes)).data;
  if (parsed === undefined) throw new WorkflowError('SEED_FILE_MALFORMED');
  if (parsed.commitment !== commitment) {
    throw new WorkflowError('SEED_OF_ANOTHER_CLAIM', { fields: { expected: commitment, actual: parsed.commitment } });
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
