/** The table of API keys in an SQL database; writers take turns, over processes and machines. */
import type { Kysely } from 'kysely';
import type { Database } from '../../core/database.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ApiKeyChanges, ApiKeyRecord, ApiKeyStore, ApiKeyTransaction } from '../../gateway/ports.ts';
import { toKeyRow, toSecretRow, toUncheckedRecord } from './rows.ts';
import type { ApiKeyRow, ApiKeyTables, SecretRow } from './tables.ts';

type Db = Kysely<ApiKeyTables>;

export interface ApiKeyStoreOptions {
  readonly database: Database<ApiKeyTables>;
  /** Judges what was read: gateway/identity's `toApiKeyRecord`. @throws ModelwardError for what is no record */
  readonly toRecord: (value: unknown) => ApiKeyRecord;
}

export function openApiKeyStore({ database, toRecord }: ApiKeyStoreOptions): ApiKeyStore {
  const read = (row: ApiKeyRow, secrets: readonly SecretRow[]): ApiKeyRecord => {
    try {
      return toRecord(toUncheckedRecord(row, secrets));
    } catch (cause) {
      throw new GatewayError('APIKEY_RECORD_DAMAGED', { fields: { key: row.id }, cause });
    }
  };
  return {
    transact: (work) => database.write((db) => work(toTransaction(db, read))),
    list: ({ afterId, count }) =>
      database.read(async (db) => {
        const query = db.selectFrom('apikey').selectAll().where('id', '>', afterId);
        const rows = await query.orderBy('id').limit(count).execute();
        const secrets = await readSecrets(db, rows);
        return rows.map((row) => read(row, secrets.get(row.id) ?? []));
      }),
    readChange: () => database.read(readCounter),
    readChanges: (page) => database.read((db) => readChanges(db, page, read)),
    noteUsed: (uses) =>
      uses.length === 0
        ? Promise.resolve()
        : database.write(async (db) => {
            for (const { hashHex, usedMs } of uses) {
              await db
                .updateTable('apikey_secret')
                .set({ used_ms: usedMs })
                .where('hash', '=', hashHex)
                .where((eb) => eb.or([eb('used_ms', 'is', null), eb('used_ms', '<', usedMs)]))
                .execute();
            }
          }),
    close: () => database.close(),
  };
}

type Read = (row: ApiKeyRow, secrets: readonly SecretRow[]) => ApiKeyRecord;

function toTransaction(db: Db, read: Read): ApiKeyTransaction {
  return {
    find: async (id) => {
      const row = await db.selectFrom('apikey').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) return null;
      return read(row, (await readSecrets(db, [row])).get(id) ?? []);
    },
    save: async (record) => {
      // The counter and the row are one transaction: whoever sees the one sees the other.
      const change = (await readCounter(db)) + 1;
      await db.updateTable('apikey_state').set({ change }).where('id', '=', 1).execute();
      const row = toKeyRow(record, change);
      await db
        .insertInto('apikey')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute();
      await db.deleteFrom('apikey_secret').where('apikey', '=', record.id).execute();
      const secrets = record.secrets.map((secret, place) => toSecretRow(record.id, secret, place));
      await db.insertInto('apikey_secret').values(secrets).execute();
    },
    count: async () => {
      const alive = db.selectFrom('apikey').where('revoked_ms', 'is', null);
      return (await alive.select(({ fn }) => fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count;
    },
  };
}

async function readCounter(db: Db): Promise<number> {
  const query = db.selectFrom('apikey_state').select('change').where('id', '=', 1);
  return (await query.executeTakeFirstOrThrow()).change;
}

/** The secrets of some keys, the oldest first. */
async function readSecrets(db: Db, rows: readonly ApiKeyRow[]): Promise<Map<string, SecretRow[]>> {
  const found = new Map<string, SecretRow[]>();
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return found;
  const query = db.selectFrom('apikey_secret').selectAll().where('apikey', 'in', ids);
  for (const secret of await query.orderBy('place').execute()) {
    found.set(secret.apikey, [...(found.get(secret.apikey) ?? []), secret]);
  }
  return found;
}

async function readChanges(
  db: Db,
  { since, count }: { readonly since: number; readonly count: number },
  read: Read,
): Promise<ApiKeyChanges> {
  const query = db.selectFrom('apikey').selectAll().where('change', '>', since).orderBy('change').limit(count);
  const rows = await query.execute();
  const secrets = await readSecrets(db, rows);
  const records: ApiKeyRecord[] = [];
  const damaged: string[] = [];
  for (const row of rows) {
    try {
      records.push(read(row, secrets.get(row.id) ?? []));
    } catch {
      damaged.push(row.id);
    }
  }
  const isMore = rows.length === count;
  // At the end of the table, up to its counter: a change whose row went since is none to wait for.
  const change = isMore ? rows[rows.length - 1].change : await readCounter(db);
  return { change, records, damaged, isMore };
}
