/** Wraps the data keys of many envelopes anew, some at a time; a run that was killed goes on where it stopped. */
import { toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { encodeEnvelope, type KeyDescription, type Recipient, rewrapEnvelope } from '../../seal/index.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import { writeBytes } from '../write-bytes.ts';
import {
  type EnvelopeFault,
  type EnvelopeFile,
  isOfKey,
  listEnvelopePaths,
  readEnvelopeFile,
  toEnvelopeFault,
} from './envelopes.ts';

export interface RewrapAllOptions {
  readonly keys: OpenedKeys;
  /** Another key that takes over; the newest version of the same key without it. */
  readonly target?: OpenedKeys | undefined;
  /** Absolute path of the folder with the envelopes. */
  readonly folder: string;
}

export interface RewrapAllResult {
  /** Envelopes that were written anew. */
  readonly rewrapped: number;
  /** Envelopes that needed nothing. */
  readonly kept: number;
  /** Envelopes that stayed as they were, with the reason. */
  readonly faults: readonly EnvelopeFault[];
}

/** Envelopes in work at the same time: they share the syncs of the ledger, and other commands get it between groups. */
const GROUP = 64;

/**
 * Every envelope of the folder that hangs on an old version, or, with a target, on the key at all. An envelope is replaced
 * in one step, after its entry is durable; one that fails stays as it was and is named.
 * @throws SealError when the key cannot be described; LedgerError LEDGER_LOCKED
 */
export async function rewrapAll(
  services: Services,
  session: Session,
  options: RewrapAllOptions,
): Promise<RewrapAllResult> {
  const { storage, progress } = services;
  const key = await options.keys.provider.describe();
  const paths = listEnvelopePaths(storage, options.folder);
  const [counts, faults] = [{ rewrapped: 0, kept: 0 }, [] as EnvelopeFault[]];
  progress.step('rewrapping', paths.length, 'items');
  for (let at = 0; at < paths.length; at += GROUP) {
    const group = paths.slice(at, at + GROUP);
    await session.recorder.grouped(() =>
      Promise.all(
        group.map(async (path) => {
          try {
            counts[(await rewrapOne(services, session, options, key, path)) ? 'rewrapped' : 'kept']++;
          } catch (error) {
            faults.push(toEnvelopeFault(path, error));
          }
        }),
      ),
    );
    progress.advance(group.length);
  }
  progress.done();
  return { ...counts, faults };
}

/** True when the envelope was written anew. */
async function rewrapOne(
  services: Services,
  session: Session,
  { keys, target }: RewrapAllOptions,
  key: KeyDescription,
  path: string,
): Promise<boolean> {
  const file = readEnvelopeFile(services.storage, path);
  const isOld = (each: Recipient): boolean =>
    isOfKey(key, each) && (target !== undefined || each.keyVersion !== key.currentVersion);
  const old = file.envelope.recipients.filter(isOld);
  if (old.length === 0) return false;
  const envelope = await rewrapEnvelope({
    envelope: file.envelope,
    clock: services.clock,
    provider: keys.provider,
    isOld,
    ...(target === undefined ? {} : { target: target.provider }),
  });
  const bytes = encodeEnvelope(envelope);
  const at = file.envelope.recipients.findIndex(isOld);
  await recordRewrap(session, { file, bytes, from: old[0], to: envelope.recipients[at] });
  writeBytes(services.storage, { path, mode: 0o600, bytes });
  return true;
}

async function recordRewrap(
  { recorder }: Session,
  given: {
    readonly file: EnvelopeFile;
    readonly bytes: Uint8Array;
    readonly from: Recipient;
    readonly to: Recipient;
  },
): Promise<void> {
  const { file, bytes, from, to } = given;
  const toName = ({ type, keyRef, keyVersion }: Recipient): string => `${type}:${keyRef}@${keyVersion}`.slice(0, 512);
  await recorder.record([
    {
      type: 'rewrap',
      actor: recorder.actor,
      subject: file.envelope.sealId,
      digests: { before: toHex(sha256(file.bytes)), after: toHex(sha256(bytes)) },
      detail: { from: toName(from), to: toName(to) },
    },
  ]);
}
