/** The register in an SQL database: one set of queries; writers take turns, over processes and machines. */
import type { Kysely } from 'kysely';
import type { Database } from '../../core/database.ts';
import { LicenseError } from '../../core/errors.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import type { LicenseStore, LicenseTransaction, Standings } from '../../license/ports.ts';
import { toIssued, toIssuedRow, toLease, toLeaseRow, toListed } from './rows.ts';
import type { RegisterTables } from './tables.ts';

type Db = Kysely<RegisterTables>;

export function openSqlStore(database: Database<RegisterTables>): LicenseStore {
  return {
    transact: (work) =>
      database.write(async (db) => {
        const begun = await begin(db);
        const result = await work(begun.transaction);
        await begun.finish();
        return result;
      }),
    listLicenses: ({ fromIndex, count }) =>
      database.read(async (db) => {
        await readRegister(db);
        const rows = await db
          .selectFrom('license_issued')
          .select(['name', 'seq', 'jkt', 'seal_id', 'licensee', 'place', 'standing', 'pool', 'seats'])
          .select(['issued_sec', 'expires_sec'])
          .where('place', '>=', fromIndex)
          .orderBy('place')
          .limit(count)
          .execute();
        return rows.map(toListed);
      }),
    readStandings: () => database.read(readStandings),
    close: () => database.close(),
  };
}

/** @throws LicenseError LICENSE_REGISTER_MOVED */
export async function readRegister(db: Db): Promise<RegisterTables['license_register']> {
  const register = await db.selectFrom('license_register').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
  if (register.moved_to !== null) {
    throw new LicenseError('LICENSE_REGISTER_MOVED', { fields: { to: register.moved_to } });
  }
  return register;
}

async function readStandings(db: Db): Promise<Standings> {
  await readRegister(db);
  const last = await db
    .selectFrom('license_issued')
    .select(({ fn }) => fn.max('place').as('place'))
    .executeTakeFirstOrThrow();
  const placesOf = async (standing: 'revoked' | 'suspended'): Promise<number[]> => {
    const rows = await db.selectFrom('license_issued').select('place').where('standing', '=', standing).execute();
    return rows.map(({ place }) => place);
  };
  // null in an empty register, whatever the types of the query builder say.
  const count = ((last.place as number | null) ?? -1) + 1;
  return { count, revoked: await placesOf('revoked'), suspended: await placesOf('suspended') };
}

/** The row of the register is read once and written once, however much a transaction does. */
async function begin(db: Db): Promise<{ readonly transaction: LicenseTransaction; finish(): Promise<void> }> {
  const before = await readRegister(db);
  const now = { next_place: before.next_place, nonces: before.nonces };
  return {
    transaction: {
      findLicense: async (name) => {
        const row = await db.selectFrom('license_issued').selectAll().where('name', '=', name).executeTakeFirst();
        return row === undefined ? null : toIssued(row);
      },
      saveLicense: async (license) => {
        const row = toIssuedRow(license);
        await db
          .insertInto('license_issued')
          .values(row)
          .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
          .execute();
      },
      nextIndex: () => Promise.resolve(now.next_place++),
      ...toNonceCalls(db, now),
      ...toLeaseCalls(db),
    },
    finish: async () => {
      if (now.next_place === before.next_place && now.nonces === before.nonces) return;
      await db.updateTable('license_register').set(now).where('id', '=', 1).execute();
    },
  };
}

function toNonceCalls(db: Db, now: { nonces: number }): Pick<LicenseTransaction, 'useNonce'> {
  let clearedSec = -Infinity;
  const clear = async (nowSec: number): Promise<void> => {
    if (nowSec <= clearedSec) return;
    clearedSec = nowSec;
    const gone = await db.deleteFrom('license_nonce').where('until_sec', '<=', nowSec).executeTakeFirst();
    now.nonces -= Number(gone.numDeletedRows);
  };
  return {
    useNonce: async (nonce, { by, nowSec, untilSec }) => {
      await clear(nowSec);
      const used = await db.selectFrom('license_nonce').select('nonce').where('nonce', '=', nonce).executeTakeFirst();
      if (used !== undefined) return 'used';
      const kept = await db
        .selectFrom('license_nonce')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('asker', '=', by)
        .executeTakeFirstOrThrow();
      if (kept.count >= LICENSE_LIMITS.noncesPerLicenseMax || now.nonces >= LICENSE_LIMITS.noncesMax) return 'full';
      await db.insertInto('license_nonce').values({ nonce, asker: by, until_sec: untilSec }).execute();
      now.nonces += 1;
      return 'new';
    },
  };
}

type LeaseCalls = Pick<
  LicenseTransaction,
  'findLease' | 'findSeat' | 'countTaken' | 'countTakenOver' | 'saveLease' | 'removeLease'
>;

function toLeaseCalls(db: Db): LeaseCalls {
  const current = (nowSec: number) => db.selectFrom('license_lease').where('free_sec', '>', nowSec);
  const countOthers = async (
    nowSec: number,
    of: { readonly pool: string; readonly license: string; readonly operator: '=' | '>' },
  ): Promise<number> => {
    const others = current(nowSec).where('pool', '=', of.pool).where('license', '<>', of.license);
    const counted = others.where('taken_over', of.operator, 0).select(({ fn }) => fn.countAll<number>().as('count'));
    return (await counted.executeTakeFirstOrThrow()).count;
  };
  return {
    findLease: async (license, nowSec) => {
      const row = await current(nowSec).selectAll().where('license', '=', license).executeTakeFirst();
      return row === undefined ? null : toLease(row);
    },
    findSeat: async (pool, jkt, nowSec) => {
      const held = current(nowSec).where('pool', '=', pool).where('jkt', '=', jkt).where('taken_over', '=', 0);
      const row = await held.selectAll().executeTakeFirst();
      return row === undefined ? null : toLease(row);
    },
    countTaken: (pool, license, nowSec) => countOthers(nowSec, { pool, license, operator: '=' }),
    countTakenOver: (pool, license, nowSec) => countOthers(nowSec, { pool, license, operator: '>' }),
    saveLease: async (lease) => {
      const row = toLeaseRow(lease);
      // Whatever is left of earlier leases of this licence is over; of others, what nobody holds any more.
      await db.deleteFrom('license_lease').where('license', '=', lease.license).execute();
      await db.insertInto('license_lease').values(row).execute();
    },
    removeLease: async (id) => {
      await db.deleteFrom('license_lease').where('id', '=', id).execute();
    },
  };
}
