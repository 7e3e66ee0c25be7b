/**
 * The statement that a signed baseline is: in-toto v1 about the subject that a model signature (OMS v1.0) of the same files
 * has, with the manifest as predicate (docs/spec/baseline.md 1).
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TamperError } from '../core/errors.ts';
import {
  encodeBundle,
  encodeStatement,
  IN_TOTO_TYPE,
  type MessageSigner,
  STATEMENT_TYPE,
  toPae,
} from '../sign/index.ts';
import {
  assertManifestSize,
  type Baseline,
  BASELINE_PAYLOAD_TYPE,
  checkBaseline,
  decodeBaseline,
  parseManifest,
  toBaselineJson,
} from './manifest.ts';

export const BASELINE_PREDICATE = 'urn:modelward:baseline:v1';

/** Payload types of signed baselines: the first is written, the second was before and is read. */
export const BASELINE_TYPES: readonly string[] = [IN_TOTO_TYPE, BASELINE_PAYLOAD_TYPE];

/** SHA-256 over the raw SHA-256 digests of the files in code-point order of their names, hex (OMS v1.0 section 6.5). */
export function toSubjectDigest(files: readonly { readonly name: string; readonly sha256: string }[]): string {
  const hash = createHash('sha256');
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.name, 'utf8'), Buffer.from(b.name, 'utf8')));
  for (const { sha256 } of sorted) hash.update(Buffer.from(sha256, 'hex'));
  return hash.digest('hex');
}

/**
 * Signs a baseline.
 * @returns the bytes of the bundle to keep
 * @throws TamperError TAMPER_BASELINE_TOO_LARGE
 */
export async function signBaseline(baseline: Baseline, signer: MessageSigner): Promise<Uint8Array> {
  const payload = assertManifestSize(
    encodeStatement({
      subject: { name: baseline.files[0].name, digest: toSubjectDigest(baseline.files) },
      predicateType: BASELINE_PREDICATE,
      predicate: toBaselineJson(baseline),
    }),
  );
  const signature = await signer.sign(toPae(IN_TOTO_TYPE, payload));
  const hint = createHash('sha256').update(signer.publicKeyPem).digest('hex');
  return encodeBundle({ payload, signature, material: { hint }, timestamps: [], keyId: signer.keyId });
}

const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.tuple([z.strictObject({ name: z.string(), digest: z.strictObject({ sha256: z.string() }) })]),
  predicateType: z.literal(BASELINE_PREDICATE),
  predicate: z.unknown(),
});

/**
 * The baseline in a verified payload of either type.
 * @throws TamperError TAMPER_BASELINE_MALFORMED
 */
export function decodeSignedBaseline(payload: Uint8Array, payloadType: string): Baseline {
  if (payloadType === BASELINE_PAYLOAD_TYPE) return decodeBaseline(payload);
  const read = statementSchema.safeParse(parseManifest(payload));
  if (!read.success) refuse(read.error.issues[0].path.map(String).join('.') || 'statement');
  const baseline = checkBaseline(read.data.predicate);
  // Else two statements of one subject could be about different files.
  if (toSubjectDigest(baseline.files) !== read.data.subject[0].digest.sha256) refuse('subject');
  return baseline;
}

function refuse(at: string): never {
  throw new TamperError('TAMPER_BASELINE_MALFORMED', { fields: { at } });
}
