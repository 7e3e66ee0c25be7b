/** The tables of a register of licences (docs/spec/license-register.md): one definition for SQLite and PostgreSQL. */
import type { Kysely, Selectable } from 'kysely';
import type { DatabaseArea, Migration } from '../../core/database.ts';

export interface RegisterTables {
  /** One row, id 1. */
  license_register: {
    id: number;
    next_place: number;
    nonces: number;
    /** Digest of what was taken over into it, hex. */
    imported: string | null;
    /** Where it was moved to; then nothing changes in it any more. */
    moved_to: string | null;
  };
  license_issued: IssuedTable;
  license_lease: {
    id: string;
    pool: string;
    license: string;
    jkt: string;
    free_sec: number;
    /** 0; 1 for one that was taken over, 2 when its holder was told. */
    taken_over: number;
  };
  /** `asker`: name of the licence, or thumbprint of a device; '' when it is not known. */
  license_nonce: { nonce: string; asker: string; until_sec: number };
  license_log: { log: string; home: string };
}

interface IssuedTable {
  name: string;
  seq: number;
  jkt: string;
  /** JSON. */
  jwk: string;
  seal_id: string;
  licensee: string;
  place: number;
  standing: 'valid' | 'suspended' | 'revoked';
  pool: string | null;
  seats: number | null;
  issued_sec: number;
  expires_sec: number;
  file: string;
}

export type IssuedRow = Selectable<IssuedTable>;

const first: Migration = async (db) => {
  await db.schema
    .createTable('license_register')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('next_place', 'bigint', (column) => column.notNull())
    .addColumn('nonces', 'bigint', (column) => column.notNull())
    .addColumn('imported', 'text')
    .addColumn('moved_to', 'text')
    .execute();
  await (db as Kysely<RegisterTables>)
    .insertInto('license_register')
    .values({ id: 1, next_place: 0, nonces: 0, imported: null, moved_to: null })
    .execute();
  await createIssued(db);
  await createLeases(db);
  await db.schema
    .createTable('license_nonce')
    .addColumn('nonce', 'text', (column) => column.primaryKey())
    .addColumn('asker', 'text', (column) => column.notNull())
    .addColumn('until_sec', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('license_nonce_asker').on('license_nonce').column('asker').execute();
  await db.schema.createIndex('license_nonce_until').on('license_nonce').column('until_sec').execute();
  await db.schema
    .createTable('license_log')
    .addColumn('log', 'text', (column) => column.primaryKey())
    .addColumn('home', 'text', (column) => column.notNull())
    .execute();
};

async function createIssued(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('license_issued')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('jkt', 'text', (column) => column.notNull())
    .addColumn('jwk', 'text', (column) => column.notNull())
    .addColumn('seal_id', 'text', (column) => column.notNull())
    .addColumn('licensee', 'text', (column) => column.notNull())
    // Two licences in one place of the status list would be revoked together.
    .addColumn('place', 'bigint', (column) => column.notNull().unique())
    .addColumn('standing', 'text', (column) => column.notNull())
    .addColumn('pool', 'text')
    .addColumn('seats', 'bigint')
    .addColumn('issued_sec', 'bigint', (column) => column.notNull())
    .addColumn('expires_sec', 'bigint', (column) => column.notNull())
    .addColumn('file', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('license_issued_standing').on('license_issued').column('standing').execute();
}

async function createLeases(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('license_lease')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('pool', 'text', (column) => column.notNull())
    .addColumn('license', 'text', (column) => column.notNull())
    .addColumn('jkt', 'text', (column) => column.notNull())
    .addColumn('free_sec', 'bigint', (column) => column.notNull())
    .addColumn('taken_over', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('license_lease_pool').on('license_lease').column('pool').execute();
  await db.schema.createIndex('license_lease_license').on('license_lease').column('license').execute();
  await db.schema.createIndex('license_lease_free').on('license_lease').column('free_sec').execute();
}

/** For `openDatabase`. */
export const LICENSE_AREA: DatabaseArea = { name: 'license', migrations: [first] };
