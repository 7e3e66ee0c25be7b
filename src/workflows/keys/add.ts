/** One more way to the data keys: a second service, or a break-glass key that lies in a safe. */
import { toHex, zeroize } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { addRecipient, encodeEnvelope, unwrapDek } from '../../seal/index.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import { writeBytes } from '../write-bytes.ts';
import { type EnvelopeFault, listEnvelopePaths, readEnvelopeFile, toEnvelopeFault } from './envelopes.ts';

export interface AddKeyOptions {
  /** Opens the envelopes. */
  readonly keys: OpenedKeys;
  /** Wraps their data keys as well. */
  readonly target: OpenedKeys;
  /** Absolute path of the folder with the envelopes. */
  readonly folder: string;
}

export interface AddKeyResult {
  readonly added: number;
  /** Envelopes that had a recipient of that key already. */
  readonly kept: number;
  /** Envelopes that stayed as they were, with the reason. */
  readonly faults: readonly EnvelopeFault[];
}

/**
 * Gives every envelope of the folder one more recipient; those that have one of the target already are left as they are, so
 * that a run that was killed can be run again.
 * @throws SealError when the target cannot be described; LedgerError
 */
export async function addKey(services: Services, session: Session, options: AddKeyOptions): Promise<AddKeyResult> {
  const { storage, progress } = services;
  const { type, keyRef } = await options.target.provider.describe();
  const paths = listEnvelopePaths(storage, options.folder);
  const [counts, faults] = [{ added: 0, kept: 0 }, [] as EnvelopeFault[]];
  progress.step('adding a key', paths.length, 'items');
  for (const path of paths) {
    try {
      const { envelope } = readEnvelopeFile(storage, path);
      const isThere = envelope.recipients.some((each) => each.type === type && each.keyRef === keyRef);
      if (!isThere) await addOne(services, session, options, path);
      counts[isThere ? 'kept' : 'added']++;
    } catch (error) {
      faults.push(toEnvelopeFault(path, error));
    }
    progress.advance(1);
  }
  progress.done();
  return { ...counts, faults };
}

async function addOne(
  { storage, clock }: Services,
  { recorder }: Session,
  { keys, target }: AddKeyOptions,
  path: string,
): Promise<void> {
  const file = readEnvelopeFile(storage, path);
  const { dek } = await unwrapDek({ envelope: file.envelope, unwrappers: [keys.provider], clock });
  try {
    const envelope = await addRecipient({ envelope: file.envelope, dek, clock, wrapper: target.provider });
    const bytes = encodeEnvelope(envelope);
    const { type, keyRef, keyVersion } = envelope.recipients.at(-1)!;
    await recorder.record([
      {
        type: 'recipient-added',
        actor: recorder.actor,
        subject: envelope.sealId,
        digests: { before: toHex(sha256(file.bytes)), after: toHex(sha256(bytes)) },
        detail: { to: `${type}:${keyRef}@${keyVersion}`.slice(0, 512) },
      },
    ]);
    writeBytes(storage, { path, mode: 0o600, bytes });
  } finally {
    zeroize(dek);
  }
}
