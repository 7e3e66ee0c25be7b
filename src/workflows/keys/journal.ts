/** What a rotation has begun, so that a run that was killed goes on with the version that it made. */
import { join } from 'node:path';
import { z } from 'zod';
import { toHex, utf8 } from '../../core/bytes.ts';
import { WorkflowError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { KeyDescription } from '../../seal/index.ts';
import type { Services } from '../services.ts';
import { writeBytes } from '../write-bytes.ts';

const journalSchema = z.strictObject({
  v: z.literal(1),
  type: z.string().max(1024),
  keyRef: z.string().max(1024),
  /** The version that wrapped when the rotation began. */
  from: z.string().max(1024),
  startedAt: z.string().max(64),
});

export type RotationJournal = z.infer<typeof journalSchema>;

type Context = Pick<Services, 'storage' | 'home'>;
type Key = Pick<KeyDescription, 'type' | 'keyRef'>;

function toPath({ home }: Context, { type, keyRef }: Key): string {
  return join(home.keysFolder, `rotation.${toHex(sha256(utf8(`${type}\0${keyRef}`))).slice(0, 16)}.json`);
}

/** The rotation of a key that has begun and not ended. @throws WorkflowError ROTATION_JOURNAL_MALFORMED */
export function findJournal(context: Context, key: Key): RotationJournal | undefined {
  const path = toPath(context, key);
  if (!context.storage.exists(path)) return undefined;
  try {
    const journal = journalSchema.parse(JSON.parse(new TextDecoder().decode(context.storage.read(path))));
    if (journal.type === key.type && journal.keyRef === key.keyRef) return journal;
  } catch (cause) {
    throw new WorkflowError('ROTATION_JOURNAL_MALFORMED', { cause, fields: { path } });
  }
  throw new WorkflowError('ROTATION_JOURNAL_MALFORMED', { fields: { path } });
}

export function writeJournal(context: Context, journal: RotationJournal): void {
  const bytes = utf8(`${JSON.stringify(journal)}\n`);
  writeBytes(context.storage, { path: toPath(context, journal), mode: 0o600, bytes });
}

export function removeJournal(context: Context, key: Key): void {
  context.storage.remove(toPath(context, key));
}
