/** The tables of API keys (docs/spec/api-keys.md section 5): one definition for SQLite and PostgreSQL. */
import type { Kysely, Selectable } from 'kysely';
import type { DatabaseArea, Migration } from '../../core/database.ts';

export interface ApiKeyTables {
  /** One row, id 1: moves with each change of a key. */
  apikey_state: { id: number; change: number };
  apikey: ApiKeyTable;
  /** `scheme`: how the hash is made. Times in milliseconds. */
  apikey_secret: {
    hash: string;
    apikey: string;
    /** 0 for the oldest. */
    place: number;
    scheme: string;
    last4: string;
    created_ms: number;
    ends_ms: number | null;
    used_ms: number | null;
  };
}

interface ApiKeyTable {
  id: string;
  name: string;
  tenant: string;
  /** JSON: scopes, limits, networks, output. */
  terms: string;
  not_before_ms: number | null;
  expires_ms: number | null;
  created_ms: number;
  revoked_ms: number | null;
  /** State of the counter at the last change. */
  change: number;
}

export type ApiKeyRow = Selectable<ApiKeyTable>;
export type SecretRow = Selectable<ApiKeyTables['apikey_secret']>;

const first: Migration = async (db) => {
  await db.schema
    .createTable('apikey_state')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('change', 'bigint', (column) => column.notNull())
    .execute();
  await (db as Kysely<ApiKeyTables>).insertInto('apikey_state').values({ id: 1, change: 0 }).execute();
  await db.schema
    .createTable('apikey')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('tenant', 'text', (column) => column.notNull())
    .addColumn('terms', 'text', (column) => column.notNull())
    .addColumn('not_before_ms', 'bigint')
    .addColumn('expires_ms', 'bigint')
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('revoked_ms', 'bigint')
    .addColumn('change', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('apikey_change').on('apikey').column('change').execute();
  await db.schema
    .createTable('apikey_secret')
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('apikey', 'text', (column) => column.notNull())
    .addColumn('place', 'integer', (column) => column.notNull())
    .addColumn('scheme', 'text', (column) => column.notNull())
    .addColumn('last4', 'text', (column) => column.notNull())
    .addColumn('created_ms', 'bigint', (column) => column.notNull())
    .addColumn('ends_ms', 'bigint')
    .addColumn('used_ms', 'bigint')
    .execute();
  await db.schema.createIndex('apikey_secret_apikey').on('apikey_secret').column('apikey').execute();
};

/** For `openDatabase`. */
export const API_KEY_AREA: DatabaseArea = { name: 'apikey', migrations: [first] };
