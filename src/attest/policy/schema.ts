/** The policy document: what a verifier accepts, as data (docs/spec/attestation-policy.md). Unknown fields are refused. */
import { z } from 'zod';
import { toHex } from '../../core/bytes.ts';
import { type Json, toCanonicalJsonBytes } from '../../core/canonical-json.ts';
import { AttestError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { TCB_STATUSES } from '../claims.ts';
import { findDuplicateMember } from './duplicate-member.ts';

export const POLICY_TYPE = 'modelward/attestation-policy/v1';

const hexOf = (...lengthsBytes: readonly number[]) =>
  z
    .string()
    .refine((text) => /^[0-9a-fA-F]*$/.test(text) && lengthsBytes.some((length) => text.length === length * 2))
    .transform((text) => text.toLowerCase());
/** An empty list would accept nothing, and is a mistake. */
const listOf = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(ATTEST_LIMITS.policyListMax);
const svn = z.int().min(0).max(0xffff);
const level = z.int().min(0).max(0xff);
const tcb = { bootloader: level, tee: level, snp: level, microcode: level };

const snp = z.strictObject({
  measurements: listOf(hexOf(48)),
  hostData: listOf(hexOf(32)).optional(),
  idKeyDigests: listOf(hexOf(48)).optional(),
  authorKeyDigests: listOf(hexOf(48)).optional(),
  // Required: a TCB that is compared with itself alone is always good enough.
  minimumTcb: z
    .strictObject({
      Milan: z.strictObject(tcb).optional(),
      Genoa: z.strictObject(tcb).optional(),
      Turin: z.strictObject({ fmc: level, ...tcb }).optional(),
    })
    .refine((products) => Object.keys(products).length > 0),
  signingKeys: listOf(z.enum(['vcek', 'vlek'])).default(['vcek']),
  providers: listOf(z.string().max(256)).optional(),
  vmpls: listOf(z.int().min(0).max(3)).default([0]),
  chipIds: listOf(hexOf(64)).optional(),
  guestSvnMin: z.int().min(0).max(0xffff_ffff).default(0),
  allowDebug: z.boolean().default(false),
  allowMigrationAgent: z.boolean().default(false),
  allowSmt: z.boolean().default(true),
  revocation: z.enum(['required', 'optional']).default('required'),
});

const dcap = {
  // A revoked platform is one whose keys are known to be out: no policy can accept it.
  tcbStatuses: listOf(z.enum(TCB_STATUSES).exclude(['Revoked'])).default(['UpToDate']),
  advisories: z.array(z.string().max(64)).max(ATTEST_LIMITS.policyListMax).optional(),
  evaluationNumberMin: z.int().min(0).default(0),
  ppids: listOf(hexOf(16)).optional(),
  fmspcs: listOf(hexOf(6)).optional(),
  allowDebug: z.boolean().default(false),
  allowUnknownTcb: z.boolean().default(false),
};

const sgx = z
  .strictObject({
    mrEnclaves: listOf(hexOf(32)).optional(),
    signers: listOf(z.strictObject({ mrSigner: hexOf(32), isvProdId: svn, isvSvnMin: svn })).optional(),
    ...dcap,
  })
  .refine(({ mrEnclaves, signers }) => mrEnclaves !== undefined || signers !== undefined, { path: ['mrEnclaves'] });

const tdx = z.strictObject({
  mrTds: listOf(hexOf(48)),
  rtMr0: listOf(hexOf(48)).optional(),
  rtMr1: listOf(hexOf(48)).optional(),
  rtMr2: listOf(hexOf(48)).optional(),
  rtMr3: listOf(hexOf(48)).optional(),
  mrConfigIds: listOf(hexOf(48)).optional(),
  mrOwners: listOf(hexOf(48)).optional(),
  mrOwnerConfigs: listOf(hexOf(48)).optional(),
  mrSeams: listOf(hexOf(48)).optional(),
  mrServiceTds: listOf(hexOf(48)).optional(),
  allowSeptVe: z.boolean().default(false),
  allowPerfMon: z.boolean().default(false),
  ...dcap,
});

const pcrLists = (name: RegExp, value: ReturnType<typeof hexOf>) =>
  z.record(z.string().regex(name), listOf(value)).refine((pcrs) => Object.keys(pcrs).length > 0);

const nitro = z.strictObject({
  pcrs: pcrLists(/^([0-9]|[12][0-9]|3[01])$/, hexOf(48)),
  moduleIds: listOf(z.string().max(256)).optional(),
  documentAgeMaxSeconds: z.int().min(1).default(300),
  allowDebug: z.boolean().default(false),
});

const tpm = z
  .strictObject({
    pcrs: pcrLists(/^sha(256|384|512):([0-9]|1[0-9]|2[0-3])$/, hexOf(32, 48, 64)),
    akFingerprints: listOf(hexOf(32)).optional(),
    allowCertifiedAk: z.boolean().default(false),
  })
  .refine(({ akFingerprints, allowCertifiedAk }) => akFingerprints !== undefined || allowCertifiedAk, {
    path: ['akFingerprints'],
  });

const policySchema = z.strictObject({
  type: z.literal(POLICY_TYPE),
  name: z.string().min(1).max(128),
  binding: z.enum(['required', 'optional']).default('required'),
  collateralAgeMaxSeconds: z.int().min(1).optional(),
  accept: z
    .strictObject({
      snp: snp.optional(),
      sgx: sgx.optional(),
      tdx: tdx.optional(),
      nitro: nitro.optional(),
      tpm: tpm.optional(),
    })
    .refine((kinds) => Object.keys(kinds).length > 0),
});

type PolicyDocument = z.infer<typeof policySchema>;
export type SnpPolicy = z.infer<typeof snp>;
export type SgxPolicy = z.infer<typeof sgx>;
export type TdxPolicy = z.infer<typeof tdx>;
export type NitroPolicy = z.infer<typeof nitro>;
export type TpmPolicy = z.infer<typeof tpm>;

export interface AttestationPolicy extends PolicyDocument {
  /** SHA-256 of the canonical JSON (RFC 8785) of the document as it was written: what a ledger entry names. */
  readonly digestHex: string;
}

/**
 * @param bytes JSON
 * @throws AttestError ATTEST_POLICY_MALFORMED (fields that are wrong)
 */
export function readPolicy(bytes: Uint8Array): AttestationPolicy {
  if (bytes.length > ATTEST_LIMITS.policyBytesMax) refuse('size');
  const value = parseJson(bytes);
  const parsed = policySchema.safeParse(value);
  if (!parsed.success) {
    refuse(parsed.error.issues.map((issue) => [...issue.path, ...toKeys(issue)].join('.') || 'document').join(', '));
  }
  return { ...parsed.data, digestHex: toHex(sha256(toCanonicalJsonBytes(value as Json))) };
}

/** Names of unknown fields stand beside the path. */
function toKeys(issue: z.core.$ZodIssue): readonly string[] {
  return issue.code === 'unrecognized_keys' ? issue.keys : [];
}

function parseJson(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse('JSON');
  }
  const twice = findDuplicateMember(text);
  return twice === undefined ? value : refuse(`${twice} twice`);
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_POLICY_MALFORMED', { fields: { at: at.slice(0, 300) } });
}
