/** Takes all licences of one register over into another, once: of the file of earlier versions, or of another database. */
import type { Kysely } from 'kysely';
import { toHex, utf8 } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { LicenseError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import { readRegister } from './sql-store.ts';
import type { RegisterTables } from './tables.ts';

/** Everything that a register holds, as rows; logs are claimed anew. */
export interface RegisterContent {
  readonly nextPlace: number;
  readonly issued: readonly RegisterTables['license_issued'][];
  readonly leases: readonly RegisterTables['license_lease'][];
  readonly nonces: readonly RegisterTables['license_nonce'][];
}

/**
 * Fills an empty register, in one transaction. Doing it again with the same content changes nothing, so that whoever was
 * killed before he could note it may try again.
 * @param digest of the content, hex
 * @throws LicenseError LICENSE_REGISTER_NOT_EMPTY | LICENSE_REGISTER_MOVED; DatabaseError
 */
export async function fillRegister(
  database: Database<RegisterTables>,
  content: RegisterContent,
  digest: string,
): Promise<void> {
  await database.write(async (db) => {
    const register = await readRegister(db);
    if (register.imported === digest) return;
    const some = await db.selectFrom('license_issued').select('name').limit(1).executeTakeFirst();
    if (some !== undefined || register.next_place > 0 || register.imported !== null) {
      throw new LicenseError('LICENSE_REGISTER_NOT_EMPTY');
    }
    const { nextPlace, issued, leases, nonces } = content;
    for (const rows of toPages(issued)) await db.insertInto('license_issued').values(rows).execute();
    for (const rows of toPages(leases)) await db.insertInto('license_lease').values(rows).execute();
    for (const rows of toPages(nonces)) await db.insertInto('license_nonce').values(rows).execute();
    const changed = { next_place: nextPlace, nonces: nonces.length, imported: digest };
    await db.updateTable('license_register').set(changed).where('id', '=', 1).execute();
  });
}

/**
 * Moves a register. The old one has its turn held meanwhile, so that nothing changes between reading and closing it.
 * @throws LicenseError LICENSE_REGISTER_NOT_EMPTY | LICENSE_REGISTER_MOVED; DatabaseError
 */
export async function moveRegister(
  from: Database<RegisterTables>,
  to: Database<RegisterTables>,
): Promise<{ readonly licenses: number }> {
  return from.write(async (db) => {
    const { next_place: nextPlace } = await readRegister(db);
    const content = await readContent(db, nextPlace);
    await fillRegister(to, content, toContentDigest(content));
    await db.updateTable('license_register').set({ moved_to: to.label }).where('id', '=', 1).execute();
    return { licenses: content.issued.length };
  });
}

/** True when everything that a closed register holds was moved into this one: labels do not tell, two databases can have the same. */
export async function wasMovedTo(from: Database<RegisterTables>, to: Database<RegisterTables>): Promise<boolean> {
  const digest = await from.read(async (db) => {
    const row = await db.selectFrom('license_register').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
    return row.moved_to === null ? null : toContentDigest(await readContent(db, row.next_place));
  });
  const { imported } = await to.read(readRegister);
  return digest !== null && imported === digest;
}

function toContentDigest(content: RegisterContent): string {
  return toHex(sha256(utf8(JSON.stringify(content))));
}

async function readContent(db: Kysely<RegisterTables>, nextPlace: number): Promise<RegisterContent> {
  return {
    nextPlace,
    issued: await db.selectFrom('license_issued').selectAll().orderBy('place').execute(),
    leases: await db.selectFrom('license_lease').selectAll().orderBy('id').execute(),
    nonces: await db.selectFrom('license_nonce').selectAll().orderBy('nonce').execute(),
  };
}

function toPages<T>(rows: readonly T[]): T[][] {
  const { moveRowsMax } = LICENSE_LIMITS;
  return Array.from({ length: Math.ceil(rows.length / moveRowsMax) }, (_, at) =>
    rows.slice(at * moveRowsMax, (at + 1) * moveRowsMax),
  );
}

/**
 * Notes that the home `home` writes the log `log`.
 * @throws LicenseError LICENSE_LOG_TAKEN when another home does
 */
export async function claimLog(
  database: Database<RegisterTables>,
  { log, home }: { readonly log: string; readonly home: string },
): Promise<void> {
  const find = (db: Kysely<RegisterTables>) =>
    db.selectFrom('license_log').select('home').where('log', '=', log).executeTakeFirst();
  const known = await database.read(find);
  const owner =
    known ??
    (await database.write(async (db) => {
      await db
        .insertInto('license_log')
        .values({ log, home })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return find(db);
    }));
  if (owner?.home !== home) throw new LicenseError('LICENSE_LOG_TAKEN', { fields: { log } });
}

/** How many licences and open requests there are, for people. */
export async function countRegister(
  database: Database<RegisterTables>,
): Promise<{ readonly licenses: number; readonly leases: number; readonly logs: readonly string[] }> {
  return database.read(async (db) => {
    await readRegister(db);
    const count = async (table: 'license_issued' | 'license_lease'): Promise<number> => {
      const query = db.selectFrom(table).select(({ fn }) => fn.countAll<number>().as('count'));
      return (await query.executeTakeFirstOrThrow()).count;
    };
    const logs = await db.selectFrom('license_log').select('log').orderBy('log').execute();
    return {
      licenses: await count('license_issued'),
      leases: await count('license_lease'),
      logs: logs.map(({ log }) => log),
    };
  });
}
