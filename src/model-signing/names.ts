/** Names of files, shards and ignored paths as OpenSSF Model Signing v1.0 has them (sections 6.1.2, 6.2 and 6.3). */
import { findContainedParts } from '../source/index.ts';

/**
 * The name of the only file of a model that is one file. The specification's text says its base name; the reference
 * tool (model_signing 1.1) writes and expects ".", and a signature that it refuses would help nobody.
 */
export const SINGLE_FILE = '.';

/** Ignored in every model, at its top level only. */
export const DEFAULT_IGNORED: readonly string[] = ['.git', '.gitattributes', '.github', '.gitignore'];

/** Order by Unicode code points, which is the order of the UTF-8 bytes; JavaScript's own is that of UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/** The order of the reference tool: folder by folder, so that "a/b" comes before "a.txt". */
export function compareByParts(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const order = compareCodePoints(left[at], right[at]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** True for a relative name with "/", without "." and ".." parts, empty parts, backslashes, drives and NUL. */
export function isCanonicalName(name: string): boolean {
  return findContainedParts(name)?.join('/') === name && !/\p{Cs}/u.test(name);
}

/** True for an ignored path as a signer may write it: a canonical name without glob characters. */
export function isIgnorablePath(path: string): boolean {
  return isCanonicalName(path) && !/[*?[]/.test(path);
}

/** True when `name` is one of `paths` or lies below one. */
export function isIgnored(name: string, paths: readonly string[]): boolean {
  return paths.some((path) => name === path || name.startsWith(`${path}/`));
}

/** A part of a file: bytes [start, end). */
export interface Shard {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** `file:start:end`, decimal. */
export function toShardName({ file, start, end }: Shard): string {
  return `${file}:${start}:${end}`;
}

/** The shard of a name; undefined when it is none. Colons before the last two belong to the file. */
export function findShard(name: string): Shard | undefined {
  const match = /^(.+):(0|[1-9]\d{0,15}):(0|[1-9]\d{0,15})$/su.exec(name);
  if (match === null) return undefined;
  const shard = { file: match[1], start: Number(match[2]), end: Number(match[3]) };
  return Number.isSafeInteger(shard.start) && Number.isSafeInteger(shard.end) ? shard : undefined;
}
