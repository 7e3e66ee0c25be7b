/** Checkpoints of the log of requests in the owner's ledger: written as they come, read back for verifying. */
import { findBase64Bytes, toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { Recorder } from '../recorder.ts';

export interface CheckpointNews {
  readonly stream: string;
  readonly seq: number;
  /** SHA-256 of the checkpoint's bytes, hex. */
  readonly hash: string;
}

export interface LogAnchor {
  /** Keeps the newest checkpoint of each stream. */
  note(news: CheckpointNews): void;
  /**
   * Writes what is new to the ledger; what could not be written is kept for the next call.
   * @returns how many entries were written
   * @throws LedgerError
   */
  flush(): Promise<number>;
  /** Streams whose newest checkpoint the ledger does not have yet. */
  pending(): readonly string[];
}

export function createLogAnchor(recorder: Pick<Recorder, 'record' | 'actor'>): LogAnchor {
  const pending = new Map<string, CheckpointNews>();
  let writing: Promise<number> = Promise.resolve(0);
  const write = async (): Promise<number> => {
    const batch = [...pending.values()];
    if (batch.length === 0) return 0;
    await recorder.record(
      batch.map(({ stream, seq, hash }) => ({
        ...{ type: 'request-log', actor: recorder.actor, subject: stream },
        ...{ digests: { checkpoint: hash }, detail: { seq } },
      })),
    );
    for (const news of batch) if (pending.get(news.stream) === news) pending.delete(news.stream);
    return batch.length;
  };
  return {
    note: (news) => {
      const known = pending.get(news.stream);
      if (known === undefined || known.seq < news.seq) pending.set(news.stream, news);
    },
    // One after the other: a second call must not write what the first one is about to.
    flush: () => (writing = writing.catch(() => 0).then(write)),
    pending: () => [...pending.keys()],
  };
}

/**
 * The last flush of a process: streams whose checkpoint the ledger does not take are left to the next one.
 * @param leave has the next process tell the newest checkpoints of these again
 * @throws LedgerError
 */
export async function endLogAnchor(
  anchor: Pick<LogAnchor, 'flush' | 'pending'>,
  leave: (streams: readonly string[]) => Promise<void>,
): Promise<void> {
  try {
    await anchor.flush();
  } catch (error) {
    await leave(anchor.pending());
    throw error;
  }
}

/** What the ledger has of gateways. */
export interface LogStatements {
  /** Public keys (DER of the SPKI) by their ids. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** Hashes of checkpoints by stream, the oldest first. */
  readonly anchors: ReadonlyMap<string, readonly string[]>;
}

/** Reads the whole ledger once. @throws LedgerError */
export function readLogStatements(reader: Pick<ReturnType<Recorder['reader']>, 'entries'>): LogStatements {
  const keys = new Map<string, Uint8Array>();
  const anchors = new Map<string, string[]>();
  for (const { type, subject, digests, detail } of reader.entries()) {
    if (type === 'gateway-key') {
      // A text, as the ledger's schema says of the entry.
      const publicKey = findBase64Bytes(detail.publicKey as string);
      if (publicKey !== undefined && toHex(sha256(publicKey)) === digests.key) keys.set(digests.key, publicKey);
    } else if (type === 'request-log') {
      const hashes = anchors.get(subject);
      if (hashes === undefined) anchors.set(subject, [digests.checkpoint]);
      else hashes.push(digests.checkpoint);
    }
  }
  return { keys, anchors };
}
