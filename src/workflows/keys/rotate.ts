/** A new version of a key, everything wrapped anew, and only then, if asked, an end of the old versions. */
import { SealError, WorkflowError } from '../../core/errors.ts';
import type { KeyDescription } from '../../seal/index.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertFolder, countEnvelopes, type EnvelopeCounts, type EnvelopeFault } from './envelopes.ts';
import { findJournal, removeJournal, type RotationJournal, writeJournal } from './journal.ts';
import { listNeeded } from './needed.ts';
import { rewrapAll, type RewrapAllResult } from './rewrap.ts';
import { compareSeals, hashSeals, type SealDigest, type SealProof } from './seals.ts';

/** A rotation that was killed is continued for a week. */
const JOURNAL_MS = 7 * 24 * 60 * 60 * 1000;

export interface RotateOptions {
  readonly keys: OpenedKeys;
  /** Absolute path of the folder with the envelopes. */
  readonly folder: string;
  /** Disables the older versions once nothing that is known hangs on them. */
  readonly disableOld: boolean;
  /** Disables them although envelopes that were not looked at may hang on them: those are then lost. */
  readonly acceptLoss: boolean;
  /** Absolute paths of sealed files whose bytes are to be shown unchanged. */
  readonly seals: readonly string[];
}

export interface MoveResult {
  readonly type: string;
  readonly keyRef: string;
  /** The version that wraps now. */
  readonly to: string;
  readonly rewrapped: number;
  readonly kept: number;
  /** Wrapped keys that still hang on older versions, by version. */
  readonly remaining: Readonly<Record<string, number>>;
  readonly faults: readonly EnvelopeFault[];
  readonly disabled: readonly string[];
  readonly seals: readonly SealProof[];
}

export interface RotateResult extends MoveResult {
  /** The version that wrapped before. */
  readonly from: string;
  /** True when an earlier run had begun this rotation. */
  readonly isResumed: boolean;
}

/**
 * Rotates. A run that was killed is continued by the next one: the version that it made is used, and envelopes that were
 * moved stay moved. Versions are disabled last, and only when every envelope of the folder was read and moved.
 * @throws SealError KEY_ROTATION_OUTSIDE where the service rotates by itself; the provider's errors; WorkflowError
 *   NOT_SEALED | ROTATION_JOURNAL_MALFORMED | SEAL_CHANGED_MEANWHILE | KEY_STILL_NEEDED; SourceError SOURCE_NOT_FOUND for
 *   the folder; LedgerError
 */
export async function rotateKey(services: Services, session: Session, options: RotateOptions): Promise<RotateResult> {
  assertFolder(services, options.folder);
  const before = hashSeals(services, options.seals);
  const { key, from, isResumed } = await makeVersion(services, options.keys);
  const moved = await moveAll(services, session, {
    ...options,
    before,
    onComplete: () => {
      removeJournal(services, key);
    },
  });
  return { ...moved, from, isResumed };
}

/**
 * Wraps everything under the newest version, without making one: after a rotation that the service did, and for a run that
 * ended before old versions were disabled.
 * @throws as {@link rotateKey}, without a rotation
 */
export async function moveToNewest(services: Services, session: Session, options: RotateOptions): Promise<MoveResult> {
  assertFolder(services, options.folder);
  const before = hashSeals(services, options.seals);
  const key = await options.keys.provider.describe();
  return moveAll(services, session, {
    ...options,
    before,
    onComplete: () => {
      if (findJournal(services, key) !== undefined) removeJournal(services, key);
    },
  });
}

export interface MoveToKeyOptions {
  readonly keys: OpenedKeys;
  /** The key that takes over. */
  readonly target: OpenedKeys;
  /** Absolute path of the folder with the envelopes. */
  readonly folder: string;
  /** Absolute paths of sealed files whose bytes are shown unchanged. */
  readonly seals: readonly string[];
}

/**
 * Wraps everything under another key. No version is ended: the old key is the user's to end.
 * @throws as {@link moveToNewest}
 */
export async function moveToKey(
  services: Services,
  session: Session,
  { keys, target, folder, seals: paths }: MoveToKeyOptions,
): Promise<RewrapAllResult & { readonly seals: readonly SealProof[] }> {
  assertFolder(services, folder);
  const before = hashSeals(services, paths);
  const moved = await rewrapAll(services, session, { keys, target, folder });
  const seals = compareSeals(session, before, hashSeals(services, paths));
  assertUnchanged(seals);
  return { ...moved, seals };
}

async function moveAll(
  services: Services,
  session: Session,
  options: RotateOptions & { readonly before: readonly SealDigest[]; readonly onComplete: () => void },
): Promise<MoveResult> {
  const { keys, folder, before } = options;
  const { rewrapped, kept, faults } = await rewrapAll(services, session, { keys, folder });
  const key = await keys.provider.describe();
  const counts = countEnvelopes(services.storage, folder, key);
  const remaining = Object.fromEntries([...counts.byVersion].filter(([version]) => version !== key.currentVersion));
  const seals = compareSeals(session, before, hashSeals(services, options.seals));
  assertUnchanged(seals);
  const all = joinFaults(faults, counts.faults);
  const isMoved = Object.keys(remaining).length === 0;
  // A file that cannot be read keeps no rotation open: it stops the end of versions alone.
  if (isMoved) options.onComplete();
  const disabled =
    isMoved && all.length === 0 && options.disableOld ? await disableOld(services, session, options, key, counts) : [];
  const { type, keyRef, currentVersion: to } = key;
  return { type, keyRef, to, rewrapped, kept, remaining, faults: all, disabled, seals };
}

/** One fault for each file. */
function joinFaults(a: readonly EnvelopeFault[], b: readonly EnvelopeFault[]): EnvelopeFault[] {
  return [...a, ...b.filter(({ file }) => !a.some((other) => other.file === file))];
}

/** The key with a version newer than the one that a rotation began with. */
async function makeVersion(
  services: Services,
  { provider }: OpenedKeys,
): Promise<{ key: KeyDescription; from: string; isResumed: boolean }> {
  const key = await provider.describe();
  const { type, keyRef, currentVersion } = key;
  const journal = findYoungJournal(services, key);
  const from = journal?.from ?? currentVersion;
  if (from !== currentVersion) return { key, from, isResumed: true };
  if (provider.rotate === undefined) throw new SealError('KEY_ROTATION_OUTSIDE', { fields: { type, keyRef } });
  if (journal === undefined) {
    const startedAt = new Date(services.clock.nowMs()).toISOString();
    writeJournal(services, { v: 1, type, keyRef, from, startedAt });
  }
  await provider.rotate();
  return { key: await provider.describe(), from, isResumed: journal !== undefined };
}

/** A rotation that was begun long ago is not what the user means by the next one. */
function findYoungJournal(services: Services, key: KeyDescription): RotationJournal | undefined {
  const journal = findJournal(services, key);
  return journal !== undefined && services.clock.nowMs() - Date.parse(journal.startedAt) < JOURNAL_MS
    ? journal
    : undefined;
}

function assertUnchanged(seals: readonly SealProof[]): void {
  const changed = seals.filter(({ isUnchanged, isAsRecorded }) => !isUnchanged || isAsRecorded === false);
  if (changed.length === 0) return;
  throw new WorkflowError('SEAL_CHANGED_MEANWHILE', { fields: { files: changed.map(({ file }) => file) } });
}

/** @throws SealError KEY_DISABLE_OUTSIDE where only the service can do it; WorkflowError KEY_STILL_NEEDED */
async function disableOld(
  services: Services,
  session: Session,
  { keys, acceptLoss }: RotateOptions,
  key: KeyDescription,
  counts: EnvelopeCounts,
): Promise<string[]> {
  const old = key.versions.filter(({ version, state }) => version !== key.currentVersion && state === 'enabled');
  if (old.length === 0) return [];
  const { provider } = keys;
  if (provider.disableVersion === undefined) {
    throw new SealError('KEY_DISABLE_OUTSIDE', { fields: { type: key.type, keyRef: key.keyRef } });
  }
  const versions = new Set(old.map(({ version }) => version));
  if (!acceptLoss) assertNotNeeded(services, session, { key, keys, counts, versions });
  for (const version of versions) await provider.disableVersion(version);
  return [...versions];
}

/** @throws WorkflowError KEY_STILL_NEEDED */
function assertNotNeeded(
  { clock }: Services,
  { recorder }: Session,
  given: {
    readonly key: KeyDescription;
    readonly keys: OpenedKeys;
    readonly counts: EnvelopeCounts;
    readonly versions: ReadonlySet<string>;
  },
): void {
  const { key, keys, counts, versions } = given;
  const keyRefs = new Set([key.keyRef, keys.keyRef]);
  const entries = recorder.reader().entries();
  const needed = listNeeded({ entries, keyRefs, versions, seen: counts.seen, nowMs: clock.nowMs() });
  const reason = !counts.byVersion.has(key.currentVersion)
    ? 'no envelope of this key is in the folder'
    : needed.length > 0
      ? 'the ledger knows seals on these versions whose envelopes are not in the folder'
      : [...versions].some((version) => counts.alike.has(version))
        ? 'envelopes in the folder hang on such a version of a key of the same kind with another name'
        : null;
  if (reason === null) return;
  throw new WorkflowError('KEY_STILL_NEEDED', { fields: { reason, seals: needed.slice(0, 5), count: needed.length } });
}
