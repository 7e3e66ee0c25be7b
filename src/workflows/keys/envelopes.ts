/** The envelopes of a folder, one after the other, and what of them hangs on a key. */
import { basename, join } from 'node:path';
import { type ErrorCode, ModelwardError, SourceError } from '../../core/errors.ts';
import type { KeyDescription, KeyEnvelope, Recipient } from '../../seal/index.ts';
import { parseEnvelope } from '../../seal/index.ts';
import type { Storage } from '../../source/ports.ts';
import type { Services } from '../services.ts';

const SUFFIX = '.keys.json';

export interface EnvelopeFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly envelope: KeyEnvelope;
}

/** An envelope that could not be read or changed. */
export interface EnvelopeFault {
  /** Base name of the file. */
  readonly file: string;
  readonly code: ErrorCode | 'UNKNOWN';
}

/** @throws SourceError SOURCE_NOT_FOUND: a folder that is not there has no envelopes, and looks as if all were moved */
export function assertFolder({ isFolder }: Pick<Services, 'isFolder'>, folder: string): void {
  if (!isFolder(folder)) throw new SourceError('SOURCE_NOT_FOUND', { fields: { file: basename(folder) } });
}

/** Absolute paths of the envelopes of a folder, in the order of their names. */
export function listEnvelopePaths(storage: Storage, folder: string): string[] {
  return storage
    .list(folder)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => join(folder, name));
}

/** @throws SealError ENVELOPE_INVALID; SourceError */
export function readEnvelopeFile(storage: Storage, path: string): EnvelopeFile {
  const bytes = storage.read(path);
  return { path, bytes, envelope: parseEnvelope(bytes) };
}

export function toEnvelopeFault(path: string, error: unknown): EnvelopeFault {
  return { file: basename(path), code: error instanceof ModelwardError ? error.code : 'UNKNOWN' };
}

/** True for a recipient of that key, whatever its version. */
export function isOfKey({ type, keyRef }: Pick<KeyDescription, 'type' | 'keyRef'>, recipient: Recipient): boolean {
  return recipient.type === type && recipient.keyRef === keyRef;
}

export interface EnvelopeCounts {
  readonly envelopes: number;
  /** Recipients of the key, by version. */
  readonly byVersion: ReadonlyMap<string, number>;
  /** Envelopes that hang on other keys alone. */
  readonly others: number;
  /** Versions of keys of the same kind with another name that envelopes hang on. */
  readonly alike: ReadonlySet<string>;
  /** Seals whose envelopes were read. */
  readonly seen: ReadonlySet<string>;
  readonly faults: readonly EnvelopeFault[];
}

/** Counts what hangs on each version of a key. No key is used. */
export function countEnvelopes(
  storage: Storage,
  folder: string,
  key: Pick<KeyDescription, 'type' | 'keyRef'>,
): EnvelopeCounts {
  const byVersion = new Map<string, number>();
  const [alike, seen] = [new Set<string>(), new Set<string>()];
  const faults: EnvelopeFault[] = [];
  const paths = listEnvelopePaths(storage, folder);
  let others = 0;
  for (const path of paths) {
    try {
      const { sealId, recipients } = readEnvelopeFile(storage, path).envelope;
      const mine = recipients.filter((each) => isOfKey(key, each));
      seen.add(sealId);
      if (mine.length === 0) {
        others++;
        for (const each of recipients) if (each.type === key.type) alike.add(each.keyVersion);
      }
      for (const { keyVersion } of mine) byVersion.set(keyVersion, (byVersion.get(keyVersion) ?? 0) + 1);
    } catch (error) {
      faults.push(toEnvelopeFault(path, error));
    }
  }
  return { envelopes: paths.length, byVersion, others, alike, seen, faults };
}
