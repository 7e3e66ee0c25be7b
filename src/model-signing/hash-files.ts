/** Hashes the files of a model, whole or in shards, as a stream: memory does not grow with the model. */
import { createHash } from 'node:crypto';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import { assertUnchanged } from '../source/plain-file.ts';
import type { ByteSource } from '../source/index.ts';
import { assertResourceCount, HASH_TYPES, type Resource, type Serialization, toSorted } from './manifest.ts';
import type { ModelFiles } from './model-files.ts';
import { toShardName } from './names.ts';

/**
 * The resources of a model in the order that signers use.
 * @throws SourceError, also SOURCE_CHANGED when a file was written to meanwhile; ModelSigningError OMS_MODEL_TOO_LARGE
 */
export function hashFiles(
  files: Pick<ModelFiles, 'names' | 'open'>,
  serialization: Pick<Serialization, 'hashType' | 'shardBytes'>,
  progress: Progress = silentProgress,
): Resource[] {
  const buffer = new Uint8Array(MODEL_SIGNING_LIMITS.readBytes);
  const resources: Resource[] = [];
  progress.step('hash', undefined, 'bytes');
  for (const name of files.names) {
    const source = files.open(name);
    try {
      for (const resource of hashFile(source, { name, serialization, buffer, progress })) resources.push(resource);
      assertUnchanged([source]);
    } finally {
      source.close();
    }
    assertResourceCount(resources.length);
  }
  progress.done();
  return toSorted(resources);
}

interface FileOptions {
  readonly name: string;
  readonly serialization: Pick<Serialization, 'hashType' | 'shardBytes'>;
  readonly buffer: Uint8Array;
  readonly progress: Progress;
}

function* hashFile(source: ByteSource, { name, serialization, ...rest }: FileOptions): Generator<Resource> {
  const { hashType, shardBytes } = serialization;
  if (shardBytes === null) {
    yield { name, digest: hashRange(source, { start: 0, end: source.size, hashType, ...rest }) };
    return;
  }
  assertResourceCount(Math.ceil(source.size / shardBytes));
  // An empty file has one shard without bytes: with none, anyone could add empty files unseen.
  for (let start = 0; start === 0 || start < source.size; start += shardBytes) {
    const end = Math.min(source.size, start + shardBytes);
    const digest = hashRange(source, { start, end, hashType, ...rest });
    yield { name: toShardName({ file: name, start, end }), digest };
  }
}

function hashRange(
  source: ByteSource,
  range: {
    readonly start: number;
    readonly end: number;
    readonly hashType: Serialization['hashType'];
    readonly buffer: Uint8Array;
    readonly progress: Progress;
  },
): string {
  const { start, end, hashType, buffer, progress } = range;
  const hash = createHash(HASH_TYPES[hashType]);
  for (let at = start; at < end; at += buffer.length) {
    const chunk = end - at < buffer.length ? buffer.subarray(0, end - at) : buffer;
    source.read(at, chunk);
    hash.update(chunk);
    progress.advance(chunk.length);
  }
  return hash.digest('hex');
}
