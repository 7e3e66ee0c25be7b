/** The owner's identity: made once in the home folder, backed up under a passphrase, restored from that backup. */
import { utf8, zeroize } from '../core/bytes.ts';
import { SourceError, WorkflowError } from '../core/errors.ts';
import type { Clock, Random } from '../core/ports.ts';
import { createEd25519Signer, encodeVerifierKey } from '../ledger/index.ts';
import {
  createBackup,
  createOwner,
  decodeOwner,
  decodeOwnerIdentity,
  encodeOwner,
  encodeOwnerIdentity,
  type Owner,
  restoreBackup,
  withOwnLog,
  zeroizeOwner,
} from '../sign/index.ts';
import type { Storage } from '../source/ports.ts';
import { type Home, prepareHome } from './home.ts';
import { makeParent, writeBytes } from './write-bytes.ts';

const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;

export interface OwnerContext {
  readonly storage: Storage;
  readonly home: Home;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The owner of this home; made on first use, under `ownerId` or "owner".
 * @returns the owner with its secrets: the caller zeroizes them
 * @throws SignError SIGN_OWNER_MALFORMED when the stored file is damaged
 * @throws WorkflowError OWNER_OTHER when `ownerId` names somebody else than the stored owner
 */
export function ensureOwner(context: OwnerContext, ownerId?: string): Owner {
  const { storage, home } = context;
  prepareHome(storage, home);
  const owner = findOwner(context) ?? makeOwner(context, ownerId ?? 'owner') ?? readOwner(storage, home);
  if (ownerId !== undefined && ownerId !== owner.identity.ownerId) {
    zeroizeOwner(owner);
    throw new WorkflowError('OWNER_OTHER', { fields: { stored: owner.identity.ownerId, asked: ownerId } });
  }
  // A process that was killed between the two files left the secrets alone.
  if (!storage.exists(home.ownerPublicPath)) writePublicPart(context, owner);
  return owner;
}

/** The stored owner, or undefined when this home has none yet. */
export function findOwner(context: Pick<OwnerContext, 'storage' | 'home'>): Owner | undefined {
  return context.storage.exists(context.home.ownerSecretsPath) ? readOwner(context.storage, context.home) : undefined;
}

/** Name of the owner's log; null when this home has no owner yet. */
export function findLogName({ storage, home }: Pick<OwnerContext, 'storage' | 'home'>): string | null {
  if (!storage.exists(home.ownerPublicPath)) return null;
  return decodeOwnerIdentity(storage.read(home.ownerPublicPath)).ledgerVkeyName;
}

/** Verifier key of the owner's ledger, text: what outsiders check proofs and checkpoints with. */
export function toLedgerKey({ identity, secrets }: Owner): string {
  const signer = createEd25519Signer({ name: identity.ledgerVkeyName, seed: secrets.ledgerSeed });
  signer.close();
  return encodeVerifierKey(signer);
}

function readOwner(storage: Storage, home: Home): Owner {
  const bytes = storage.read(home.ownerSecretsPath);
  try {
    return decodeOwner(bytes);
  } finally {
    zeroize(bytes);
  }
}

/** A new owner, stored; undefined when another process stored one meanwhile, which then is the owner. */
function makeOwner(context: OwnerContext, ownerId: string): Owner | undefined {
  const owner = createOwner({ ownerId, random: context.random, clock: context.clock });
  try {
    storeOwner(context, owner);
    return owner;
  } catch (error) {
    zeroizeOwner(owner);
    if (error instanceof SourceError && error.code === 'WRITE_EXISTS') return undefined;
    throw error;
  }
}

/**
 * Secrets first, and never over others: who loses them loses every claim. They hold the public part, too.
 * @throws SourceError WRITE_EXISTS when this home has an owner
 */
function storeOwner(context: OwnerContext, owner: Owner): void {
  const { storage, home } = context;
  const secrets = encodeOwner(owner);
  try {
    writeBytes(storage, { path: home.ownerSecretsPath, mode: SECRET_MODE, bytes: secrets, replace: false });
  } finally {
    zeroize(secrets);
  }
  writePublicPart(context, owner);
}

function writePublicPart({ storage, home }: OwnerContext, { identity }: Owner): void {
  writeBytes(storage, { path: home.ownerPublicPath, mode: PUBLIC_MODE, bytes: encodeOwnerIdentity(identity) });
}

export function isBackedUp({ storage, home }: Pick<OwnerContext, 'storage' | 'home'>): boolean {
  return storage.exists(home.ownerBackupPath);
}

/**
 * Writes the passphrase backup to `path`, and a marker into the home so that the warning ends.
 * @throws SignError SIGN_PASSPHRASE_SHORT; SourceError WRITE_EXISTS
 */
export async function backUpOwner(context: OwnerContext, options: { path: string; passphrase: string }): Promise<void> {
  const owner = ensureOwner(context);
  try {
    const backup = await createBackup({ owner, passphrase: options.passphrase, random: context.random });
    makeParent(context.storage, options.path);
    // Only the place in the home is ours to replace.
    const replace = options.path === context.home.ownerBackupPath;
    writeBytes(context.storage, { path: options.path, mode: SECRET_MODE, bytes: backup, replace });
    const marker = utf8(`${JSON.stringify({ v: 1, madeAt: new Date(context.clock.nowMs()).toISOString() })}\n`);
    if (options.path !== context.home.ownerBackupPath) {
      writeBytes(context.storage, { path: context.home.ownerBackupPath, mode: SECRET_MODE, bytes: marker });
    }
  } finally {
    zeroizeOwner(owner);
  }
}

/**
 * Puts the owner of a backup into an empty home.
 * @param options.log name of a log that this home has beside that of the first; without it the home goes on with that one,
 *   and must be the only one that does
 * @throws SignError SIGN_BACKUP_MALFORMED | SIGN_BACKUP_REFUSED
 * @throws WorkflowError OWNER_EXISTS when the home has an owner already
 */
export async function restoreOwner(
  context: OwnerContext,
  options: { backup: Uint8Array; passphrase: string; log?: string | undefined },
): Promise<string> {
  prepareHome(context.storage, context.home);
  if (context.storage.exists(context.home.ownerSecretsPath)) throw new WorkflowError('OWNER_EXISTS');
  const restored = await restoreBackup(options);
  const owner = options.log === undefined ? restored : withOwnLog(restored, options.log);
  try {
    storeOwner(context, owner);
    return owner.identity.ownerId;
  } finally {
    zeroizeOwner(restored);
    zeroizeOwner(owner);
  }
}
