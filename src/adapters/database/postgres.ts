/** A PostgreSQL server behind the database port: pg, an optional peer, loaded when such a database is opened and never else. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Kysely, PostgresPool, PostgresPoolClient } from 'kysely';
import type { CustomTypesConfig, Pool, PoolClient } from 'pg';
import type { Database, DatabaseArea } from '../../core/database.ts';
import { DatabaseError } from '../../core/errors.ts';
import { DATABASE_LIMITS } from '../../core/limits/database.ts';
import { type PostgresAddress, readTls, toServerName } from '../../postgres/index.ts';
import { toPostgresError } from './failures.ts';
import { kysely } from './kysely.ts';
import { isCurrent, migrate } from './migrate.ts';
import { readPassword } from './passfile.ts';

const { sql } = kysely;

/** All tables of this product, whatever the database is used for besides. */
const SCHEMA = 'modelward';
/** The version that package.json pins. */
const PG_MAJOR = '8';
/** Type of bigint; places and seconds are far below 2^53. */
const INT8_OID = 20;

export interface OpenPostgresOptions<Area extends DatabaseArea = DatabaseArea> {
  readonly server: PostgresAddress;
  readonly area: Area;
  /** `$PGPASSFILE`; null for the one in the user's folder. */
  readonly passfile: string | null;
}

/**
 * @throws DatabaseError DATABASE_POSTGRES_MISSING | DATABASE_UNREACHABLE | DATABASE_LOGIN_REFUSED | DATABASE_TLS_FAILED |
 *   DATABASE_REFUSED | DATABASE_BUSY | DATABASE_NEWER; SourceError for the TLS files
 */
export async function openPostgres<Tables>(options: OpenPostgresOptions): Promise<Database<Tables>> {
  const { server, area } = options;
  const label = toServerName(server);
  const pool = await createPool(options);
  const root = new kysely.Kysely<Tables>({ dialect: new kysely.PostgresDialect({ pool: toSteadyPool(pool, label) }) });
  const inside = <T>(begin: string, work: (db: Kysely<Tables>) => Promise<T>): Promise<T> =>
    root.connection().execute(async (connection) => {
      try {
        await sql.raw(begin).execute(connection);
        const result = await work(connection.withSchema(SCHEMA));
        await sql`commit`.execute(connection);
        return result;
      } catch (error) {
        await rollBack(connection);
        throw error;
      }
    });
  const database: Database<Tables> = {
    label,
    isShared: true,
    write: (work) => inside(toWriteBegin(area.name), work),
    read: (work) => inside('begin isolation level repeatable read read only', work),
    close: () => root.destroy().catch(() => undefined),
  };
  try {
    if (!(await isCurrent(database, area))) {
      // Areas share the table of versions, so their migrations take turns, too.
      await inside(toWriteBegin('version', area.name), async (db) => {
        await makeSchema(db);
        await migrate(db as unknown as Kysely<unknown>, area);
      });
    }
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * One turn at a time, over all machines: the lock belongs to the transaction and ends with it, however that ends. What is
 * read after the lock is what the last turn left, since each statement sees what is committed when it begins.
 */
function toWriteBegin(...names: readonly string[]): string {
  const { turnWaitMs, silenceMs } = DATABASE_LIMITS;
  const keys = names.map((name) => createHash('sha256').update(`modelward/${name}`).digest().readBigInt64BE());
  const locks = keys.map((key) => `select pg_advisory_xact_lock(${key})`);
  return `begin isolation level read committed; set local lock_timeout = ${turnWaitMs};
    set local idle_in_transaction_session_timeout = ${silenceMs}; ${locks.join('; ')}`;
}

/** After a broken line there is nothing to roll back, and the first error is the one to tell. */
async function rollBack<Tables>(connection: Kysely<Tables>): Promise<void> {
  try {
    await sql`rollback`.execute(connection);
  } catch {
    // The server rolls back by itself when the connection ends.
  }
}

/** A user without CREATE on the database can work in a schema that was made for him. */
async function makeSchema<Tables>(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ found: boolean }>`select to_regnamespace(${SCHEMA}) is not null as found`.execute(db);
  if (!rows[0].found) await db.schema.createSchema(SCHEMA).execute();
}

async function createPool({ server, passfile }: OpenPostgresOptions): Promise<Pool> {
  const { Pool: PgPool, types } = await loadPg();
  const { host, port, database, user } = server;
  const toParser: CustomTypesConfig['getTypeParser'] = (oid: number) =>
    oid === INT8_OID ? Number : (types.getTypeParser as (oid: number) => unknown)(oid);
  const password = server.password ?? readPassword(passfile ?? join(homedir(), '.pgpass'), server);
  const pool = new PgPool({
    ...{ host, port, database, user, ssl: readTls(server) },
    // A function, so that the driver looks neither into the environment nor for a file by itself.
    password: () => password ?? (undefined as unknown as string),
    application_name: 'modelward',
    max: DATABASE_LIMITS.connectionsMax,
    connectionTimeoutMillis: DATABASE_LIMITS.connectTimeoutMs,
    query_timeout: DATABASE_LIMITS.statementTimeoutMs,
    keepAlive: true,
    types: { getTypeParser: toParser },
  });
  // An idle connection that breaks: the next call makes a new one, or tells that there is none.
  pool.on('error', () => undefined);
  return pool;
}

async function loadPg(): Promise<typeof import('pg')> {
  let found = 'nothing';
  try {
    ({ version: found } = createRequire(import.meta.url)('pg/package.json') as { version: string });
    if (found.split('.', 1)[0] === PG_MAJOR) return (await import('pg')).default as unknown as typeof import('pg');
  } catch (cause) {
    throw new DatabaseError('DATABASE_POSTGRES_MISSING', { fields: { found }, cause });
  }
  throw new DatabaseError('DATABASE_POSTGRES_MISSING', { fields: { found } });
}

/**
 * Connections that broke are thrown away, not given to the next; one that breaks between statements ends no process. What
 * the server or the line throws is coded here, so that what a caller throws in his transaction is left as it is.
 */
function toSteadyPool(pool: Pool, label: string): PostgresPool {
  return {
    connect: async () => {
      try {
        return toSteadyClient(await pool.connect(), label);
      } catch (error) {
        throw toPostgresError(error, label);
      }
    },
    end: () => pool.end(),
  };
}

function toSteadyClient(client: PoolClient, label: string): PostgresPoolClient {
  let broken: Error | undefined;
  const note = (error: Error): void => {
    broken ??= error;
  };
  client.on('error', note);
  const query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    try {
      // A line that is broken would keep the next statement waiting until its time is up.
      if (broken !== undefined) throw broken;
      return await client.query(text, [...values]);
    } catch (error) {
      const isOfStatement = (error as { severity?: unknown }).severity === 'ERROR';
      if (!isOfStatement) note(error as Error);
      throw toPostgresError(error, label);
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    release: () => {
      client.removeListener('error', note);
      client.release(broken);
    },
  };
}
