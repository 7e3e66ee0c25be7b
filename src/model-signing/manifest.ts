/** The signed list of a model's files, and the one digest that stands for all of it (OMS v1.0 sections 5.2 and 6.5). */
import { createHash } from 'node:crypto';
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import {
  compareByParts,
  compareCodePoints,
  findShard,
  isCanonicalName,
  isIgnorablePath,
  type Shard,
  SINGLE_FILE,
} from './names.ts';

/** Hash names as OMS has them; BLAKE3 is in OMS and not in Node. */
export const HASH_TYPES = { sha256: 'sha256', blake2b: 'blake2b512' } as const;
export type HashType = keyof typeof HASH_TYPES;

/** Bytes of a digest. */
const DIGEST_BYTES: Readonly<Record<HashType, number>> = { sha256: 32, blake2b: 64 };

/** How files became resources. */
export interface Serialization {
  readonly hashType: HashType;
  /** Null: each file is one resource. Else files are cut every so many bytes. */
  readonly shardBytes: number | null;
  readonly allowSymlinks: boolean;
  /** Paths that are no part of the model, besides the default ones. */
  readonly ignorePaths: readonly string[];
}

/** A file or a shard of one. */
export interface Resource {
  readonly name: string;
  /** Lower-case hex. */
  readonly digest: string;
}

export interface ModelManifest {
  /** Informative: the base name of what was signed. */
  readonly modelName: string;
  /** In the order that the subject digest is taken over. */
  readonly resources: readonly Resource[];
  readonly serialization: Serialization;
}

/** SHA-256 over the raw digests of the resources in order, hex; always SHA-256, whatever the files are hashed with. */
export function toSubjectDigest(resources: readonly Resource[]): string {
  const hash = createHash('sha256');
  for (const { digest } of resources) hash.update(Buffer.from(digest, 'hex'));
  return hash.digest('hex');
}

/** Resources in the order that the specification asks of signers. */
export function toSorted(resources: readonly Resource[]): Resource[] {
  return resources.toSorted((a, b) => compareCodePoints(a.name, b.name));
}

function refuse(at: string): never {
  throw new ModelSigningError('OMS_MANIFEST_INCONSISTENT', { fields: { at: at.slice(0, 200) } });
}

/** The part of a file that a resource covers; `end` is null for a whole file. */
export function toPart(
  name: string,
  { shardBytes }: Serialization,
): Omit<Shard, 'end'> & { readonly end: number | null } {
  if (shardBytes === null) return { file: name, start: 0, end: null };
  return findShard(name) ?? refuse(`shard name ${name}`);
}

/**
 * Checks a manifest against itself: names stay inside the model and come once, shards cover their files without gaps,
 * the order is one that signers use, and the subject digest follows.
 * @throws ModelSigningError OMS_MODEL_EMPTY | OMS_NAME_REFUSED | OMS_MANIFEST_INCONSISTENT
 */
export function assertManifest(manifest: ModelManifest, subjectDigest: string): void {
  const { resources, serialization } = manifest;
  if (resources.length === 0) throw new ModelSigningError('OMS_MODEL_EMPTY');
  const digestChars = 2 * DIGEST_BYTES[serialization.hashType];
  for (const path of serialization.ignorePaths) if (!isIgnorablePath(path)) refuseName(path);
  for (const { name, digest } of resources) {
    const { file } = toPart(name, serialization);
    if (file !== SINGLE_FILE && !isCanonicalName(file)) refuseName(file);
    if (digest.length !== digestChars || !/^[0-9a-f]+$/.test(digest)) refuse(`digest of ${name}`);
  }
  if (new Set(resources.map((one) => one.name)).size !== resources.length) refuse('a name comes twice');
  if (serialization.shardBytes !== null) assertShards(manifest, serialization.shardBytes);
  assertOrder(manifest);
  const actual = toSubjectDigest(resources);
  if (actual !== subjectDigest) refuse('subject digest');
}

function refuseName(name: string): never {
  throw new ModelSigningError('OMS_NAME_REFUSED', { fields: { name: name.slice(0, 200) } });
}

/** Shards of a file are its bytes from 0 on, each of `shardBytes` but the last: no byte is left uncovered between. */
function assertShards({ resources }: ModelManifest, shardBytes: number): void {
  const byFile = new Map<string, Shard[]>();
  for (const { name } of resources) {
    const shard = findShard(name) ?? refuse(`shard name ${name}`);
    const shards = byFile.get(shard.file);
    if (shards === undefined) byFile.set(shard.file, [shard]);
    else shards.push(shard);
  }
  for (const [file, shards] of byFile) {
    shards.sort((a, b) => a.start - b.start);
    shards.forEach(({ start, end }, index) => {
      const isLast = index === shards.length - 1;
      const isEmptyFile = shards.length === 1 && start === 0 && end === 0;
      const isWhole = end - start === shardBytes;
      const isRest = isLast && end > start && end - start <= shardBytes;
      if (start !== index * shardBytes || !(isWhole || isRest || isEmptyFile)) refuse(`shards of ${file}`);
    });
  }
}

/** By code points of the whole name (the specification), or by parts and offsets (the reference tool). */
function assertOrder({ resources, serialization }: ModelManifest): void {
  const isSorted = (compare: (a: Resource, b: Resource) => number): boolean =>
    resources.every((one, index) => index === 0 || compare(resources[index - 1], one) < 0);
  if (isSorted((a, b) => compareCodePoints(a.name, b.name))) return;
  const compare = (a: Resource, b: Resource): number => {
    const [left, right] = [toPart(a.name, serialization), toPart(b.name, serialization)];
    return compareByParts(left.file, right.file) || left.start - right.start;
  };
  if (!isSorted(compare)) refuse('order of resources');
}

/** Refuses more resources than a manifest may have, before they are made. @throws ModelSigningError OMS_MODEL_TOO_LARGE */
export function assertResourceCount(count: number): void {
  const { resourcesMax } = MODEL_SIGNING_LIMITS;
  if (count > resourcesMax) throw new ModelSigningError('OMS_MODEL_TOO_LARGE', { fields: { count, resourcesMax } });
}
