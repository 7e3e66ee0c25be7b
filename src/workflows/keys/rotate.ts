/** A new version of a key, everything wrapped anew, and only then, if asked, an end of the old versions. */
import { SealError, WorkflowError } from '../../core/errors.ts';
import type { KeyDescription } from '../../seal/index.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import { countEnvelopes, type EnvelopeFault } from './envelopes.ts';
import { findJournal, removeJournal, writeJournal } from './journal.ts';
import { rewrapAll } from './rewrap.ts';
import { compareSeals, hashSeals, type SealDigest, type SealProof } from './seals.ts';

export interface RotateOptions {
  readonly keys: OpenedKeys;
  /** Absolute path of the folder with the envelopes. */
  readonly folder: string;
  /** Disables the older versions once nothing here hangs on them. Envelopes that lie elsewhere are then lost. */
  readonly disableOld: boolean;
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
 *   NOT_SEALED | ROTATION_JOURNAL_MALFORMED | SEAL_CHANGED_MEANWHILE; LedgerError
 */
export async function rotateKey(services: Services, session: Session, options: RotateOptions): Promise<RotateResult> {
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
  const before = hashSeals(services, options.seals);
  return moveAll(services, session, { ...options, before, onComplete: () => undefined });
}

async function moveAll(
  services: Services,
  session: Session,
  options: RotateOptions & { readonly before: readonly SealDigest[]; readonly onComplete: () => void },
): Promise<MoveResult> {
  const { keys, folder, before } = options;
  const { rewrapped, kept, faults } = await rewrapAll(services, session, { keys, folder });
  const key = await keys.provider.describe();
  const { byVersion, ...counts } = countEnvelopes(services.storage, folder, key);
  const remaining = Object.fromEntries([...byVersion].filter(([version]) => version !== key.currentVersion));
  const seals = compareSeals(session, before, hashSeals(services, options.seals));
  assertUnchanged(seals);
  const isComplete = faults.length === 0 && counts.faults.length === 0 && Object.keys(remaining).length === 0;
  if (isComplete) options.onComplete();
  const disabled = isComplete && options.disableOld ? await disableOld(keys, key) : [];
  const { type, keyRef, currentVersion: to } = key;
  return { type, keyRef, to, rewrapped, kept, remaining, faults: joinFaults(faults, counts.faults), disabled, seals };
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
  const journal = findJournal(services, key);
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

function assertUnchanged(seals: readonly SealProof[]): void {
  const changed = seals.filter(({ isUnchanged, isAsRecorded }) => !isUnchanged || isAsRecorded === false);
  if (changed.length === 0) return;
  throw new WorkflowError('SEAL_CHANGED_MEANWHILE', { fields: { files: changed.map(({ file }) => file) } });
}

/** @throws SealError KEY_DISABLE_OUTSIDE where only the service can do it */
async function disableOld({ provider }: OpenedKeys, key: KeyDescription): Promise<string[]> {
  const old = key.versions.filter(({ version, state }) => version !== key.currentVersion && state === 'enabled');
  if (old.length > 0 && provider.disableVersion === undefined) {
    throw new SealError('KEY_DISABLE_OUTSIDE', { fields: { type: key.type, keyRef: key.keyRef } });
  }
  for (const { version } of old) await provider.disableVersion?.(version);
  return old.map(({ version }) => version);
}
