/** in-toto statements (Statement v1): the one that a model signature is, and others about the same model. */
import { z } from 'zod';
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import { encodeStatement, STATEMENT_TYPE, type Subject } from '../sign/index.ts';
import { assertManifest, type HashType, type ModelManifest, toSubjectDigest } from './manifest.ts';

const SIGNATURE_PREDICATE = 'https://model_signing/signature/v1.0';

/** The subject of every statement about the model of a manifest. */
export function toSubject({ modelName, resources }: ModelManifest): Subject {
  return { name: modelName, digest: toSubjectDigest(resources) };
}

/** The statement that a model signature signs. */
export function encodeSignatureStatement(manifest: ModelManifest): Uint8Array {
  const { resources, serialization } = manifest;
  const { hashType, shardBytes, allowSymlinks, ignorePaths } = serialization;
  return encodeStatement({
    subject: toSubject(manifest),
    predicateType: SIGNATURE_PREDICATE,
    predicate: {
      resources: resources.map(({ name, digest }) => ({ name, digest, algorithm: hashType })),
      serialization: {
        method: shardBytes === null ? 'files' : 'shards',
        hash_type: hashType,
        allow_symlinks: allowSymlinks,
        shard_size: shardBytes ?? undefined,
        ignore_paths: ignorePaths,
      },
    },
  });
}

const text = z.string().min(1).max(MODEL_SIGNING_LIMITS.nameCharsMax);

// Only what decides how to go on is read first: another predicate may have any shape.
const headSchema = z.object({ _type: z.literal(STATEMENT_TYPE), predicateType: z.string() });

// What may be more is what the JSON schemas of OMS v1.0 allow to be more.
const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.object({ name: text, digest: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }) }))
    .length(1),
  predicateType: z.literal(SIGNATURE_PREDICATE),
  predicate: z.strictObject({
    resources: z
      .array(z.object({ name: text, digest: z.string(), algorithm: z.string() }))
      .max(MODEL_SIGNING_LIMITS.resourcesMax),
    serialization: z.strictObject({
      method: z.string().max(64),
      hash_type: z.string().max(64),
      shard_size: z.int().min(1).optional(),
      allow_symlinks: z.boolean(),
      ignore_paths: z.array(text).max(MODEL_SIGNING_LIMITS.ignorePathsMax).optional(),
    }),
  }),
});

function refuse(at: string): never {
  throw new ModelSigningError('OMS_STATEMENT_MALFORMED', { fields: { at: at.slice(0, 200) } });
}

function toHashType(name: string): HashType {
  if (name === 'sha256' || name === 'blake2b') return name;
  throw new ModelSigningError('OMS_SERIALIZATION_UNSUPPORTED', { fields: { hash: name } });
}

/** How the files were cut; the method of later drafts ("file-shard-N") is named as not known. */
function toShardBytes(method: string, shardSize: number | undefined): number | null {
  if (method === 'files') return shardSize === undefined ? null : refuse('shard_size with method files');
  if (method === 'shards') return shardSize ?? refuse('no shard_size');
  throw new ModelSigningError('OMS_SERIALIZATION_UNSUPPORTED', { fields: { method } });
}

/**
 * Reads the verified payload of a model signature.
 * @throws ModelSigningError OMS_STATEMENT_MALFORMED | OMS_PREDICATE_TYPE | OMS_SERIALIZATION_UNSUPPORTED, and those of
 *   {@link assertManifest}
 */
export function decodeSignatureStatement(payload: Uint8Array): ModelManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    refuse('not JSON');
  }
  const head = headSchema.safeParse(value);
  if (!head.success) refuse(toPlace(head.error));
  const { predicateType } = head.data;
  if (predicateType !== SIGNATURE_PREDICATE) {
    throw new ModelSigningError('OMS_PREDICATE_TYPE', { fields: { actual: predicateType.slice(0, 200) } });
  }
  const read = statementSchema.safeParse(value);
  if (!read.success) refuse(toPlace(read.error));
  const { subject, predicate } = read.data;
  const { method, hash_type, shard_size, allow_symlinks, ignore_paths } = predicate.serialization;
  const hashType = toHashType(hash_type);
  const shardBytes = toShardBytes(method, shard_size);
  // model_signing 1.1 writes "sha256-sharded-SIZE" for shards, which the schema of OMS does not know.
  const names: readonly string[] = [hashType, `${hashType}-sharded-${shardBytes}`];
  const other = predicate.resources.find((one) => !names.includes(one.algorithm));
  if (other !== undefined) refuse(`algorithm of ${other.name}`);
  const manifest: ModelManifest = {
    modelName: subject[0].name,
    resources: predicate.resources.map(({ name, digest }) => ({ name, digest })),
    serialization: { hashType, shardBytes, allowSymlinks: allow_symlinks, ignorePaths: ignore_paths ?? [] },
  };
  assertManifest(manifest, subject[0].digest.sha256);
  return manifest;
}

function toPlace(error: z.ZodError): string {
  return error.issues.map((issue) => issue.path.map(String).join('.') || issue.code).join(', ');
}
