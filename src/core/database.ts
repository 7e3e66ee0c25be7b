/** The port of an SQL database: one set of queries, through Kysely, for an embedded file and for a server of several machines. */
import type { Kysely } from 'kysely';

export interface Database<Tables> {
  /** File name or server, for messages; no user, no password. */
  readonly label: string;
  /** True when processes of other machines can be at work in it. */
  readonly isShared: boolean;
  /**
   * Runs `work` in a transaction of which there is one at a time: no other writer of the same area, in this process or
   * another, begins before it has ended. What `work` did is durable when the promise is fulfilled; nothing of it is done
   * when `work` throws. When the line breaks during the commit, the promise is rejected although the changes may have been made.
   *
   * The one at a time is what makes counting safe, so `work` waits for nothing but the database and the ledger.
   * @throws DatabaseError DATABASE_BUSY after ten seconds of waiting | DATABASE_UNREACHABLE | DATABASE_REFUSED |
   *   DATABASE_DAMAGED; what `work` throws
   */
  write<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T>;
  /** Runs `work` on the state of one moment; writers are not held up. @throws as `write` */
  read<T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T>;
  /** Never throws. */
  close(): Promise<void>;
}

/**
 * One step of the tables of an area, in the words of both dialects: text, integer and bigint columns.
 * @param db a transaction; a migration that throws leaves nothing behind
 */
export type Migration = (db: Kysely<unknown>) => Promise<void>;

/** What belongs together in a database: its tables, their version and the turn of its writers. */
export interface DatabaseArea {
  /** Lower-case letters; prefix of its tables. */
  readonly name: string;
  /** In their order; never changed once released, only added to. */
  readonly migrations: readonly Migration[];
}
