/** The database port on each engine that is here: turns, durability, versions, and what is told when something is wrong. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../../../test/postgres.ts';
import type { Database, DatabaseArea, Migration } from '../../core/database.ts';
import { findPassword } from '../../postgres/index.ts';
import { parseDatabaseAddress } from './address.ts';
import { openDatabase } from './open.ts';
import { openSqlite } from './sqlite.ts';
import { loadSqlite, type OpenSqlite, type SqliteDriverName } from './sqlite-driver.ts';

interface Tables {
  tests_count: { id: string; value: number };
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const first: Migration = async (db) => {
  await db.schema
    .createTable('tests_count')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .execute();
};
const area: DatabaseArea = { name: 'tests', migrations: [first] };
const toAddress = (text: string, isPasswordAllowed = true) =>
  parseDatabaseAddress(text, { isPasswordAllowed, toAbsolute: (path) => path });

type Opener = (area?: DatabaseArea) => Promise<Database<Tables>>;

const read = (database: Database<Tables>, id: string): Promise<number | undefined> =>
  database.read(async (db) => {
    const row = await db.selectFrom('tests_count').select('value').where('id', '=', id).executeTakeFirst();
    return row?.value;
  });
const put = (db: Kysely<Tables>, id: string, value: number): Promise<unknown> =>
  db
    .insertInto('tests_count')
    .values({ id, value })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ value }))
    .execute();

/** What every engine must do; `open` gives one more connection to the same database. */
function runDatabaseSuite(open: Opener): void {
  test('keeps what was done, and nothing of what was not finished', async () => {
    const database = await open();
    await database.write((db) => put(db, 'kept', 2 ** 40));
    const failing = database.write(async (db) => {
      await put(db, 'kept', 7);
      await put(db, 'lost', 1);
      throw new RangeError('of the work');
    });
    await expect(failing).rejects.toThrow('of the work');
    const other = await open();
    expect(await read(other, 'kept')).toBe(2 ** 40);
    expect(await read(other, 'lost')).toBeUndefined();
  });

  test('writers of two connections take turns: no count is lost', async () => {
    const both = [await open(), await open()];
    await both[0].write((db) => put(db, 'count', 0));
    const add = (database: Database<Tables>) =>
      database.write(async (db) => {
        const { value } = await db
          .selectFrom('tests_count')
          .select('value')
          .where('id', '=', 'count')
          .executeTakeFirstOrThrow();
        await pause(1);
        await put(db, 'count', value + 1);
      });
    await Promise.all(Array.from({ length: 20 }, (_, at) => add(both[at % 2])));
    expect(await read(both[0], 'count')).toBe(20);
  });

  test('readers see one moment, and hold nobody up', async () => {
    const [reader, writer] = [await open(), await open()];
    await writer.write((db) => put(db, 'moment', 1));
    await reader.read(async (db) => {
      const query = db.selectFrom('tests_count').select('value').where('id', '=', 'moment');
      expect(await query.executeTakeFirst()).toEqual({ value: 1 });
      await writer.write((other) => put(other, 'moment', 2));
      expect(await query.executeTakeFirst()).toEqual({ value: 1 });
    });
    expect(await read(reader, 'moment')).toBe(2);
  });

  test('of several that open at once, one makes the tables; each step is done once', async () => {
    let calls = 0;
    const counted: Migration = async (db) => {
      calls += 1;
      await db.schema.createTable('tests_more').addColumn('id', 'text').execute();
    };
    const larger = { name: 'tests', migrations: [first, counted] };
    await Promise.all(Array.from({ length: 4 }, () => open(larger)));
    expect(calls).toBe(1);
    const other = { name: 'others', migrations: [() => Promise.resolve()] };
    await open(other);
    await expect(open(area)).rejects.toMatchObject({ code: 'DATABASE_NEWER', fields: { found: 2, known: 1 } });
  });

  test('a step that fails leaves no table and no version', async () => {
    const broken: Migration = async (db) => {
      await db.schema.createTable('tests_half').addColumn('id', 'text').execute();
      throw new RangeError('of the step');
    };
    const name = 'halves';
    await expect(open({ name, migrations: [broken] })).rejects.toThrow('of the step');
    const whole: Migration = (db) => db.schema.createTable('tests_half').addColumn('id', 'text').execute();
    await open({ name, migrations: [whole] });
  });
}

const drivers: { readonly name: SqliteDriverName; readonly load: OpenSqlite }[] = [];
for (const name of ['node:sqlite', 'libsql'] as const) {
  // Node 20 has no SQLite of its own.
  if (
    await loadSqlite([name]).then(
      () => true,
      () => false,
    )
  )
    drivers.push({ name, load: await loadSqlite([name]) });
}

describe.each(drivers)('a file by $name', ({ load }) => {
  let folder: string;
  const opened: Database<Tables>[] = [];
  const open: Opener = async (of = area) => {
    const database = await openSqlite<Tables>({ path: join(folder, 'a.db'), area: of, open: load, pause });
    opened.push(database);
    return database;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelward-db-'));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
    rmSync(folder, { recursive: true });
  });
  runDatabaseSuite(open);

  test('is for its user alone, with its log', async () => {
    const database = await open();
    await database.write((db) => put(db, 'a', 1));
    for (const name of ['a.db', 'a.db-wal']) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  test('waits for another process, and gives up after its time', async () => {
    const holder = await open();
    let waitedMs = 0;
    const soon = async (ms: number): Promise<void> => {
      waitedMs += ms;
      return Promise.resolve();
    };
    const waiting = await openSqlite<Tables>({ path: join(folder, 'a.db'), area, open: load, pause: soon });
    opened.push(waiting);
    await holder.write(async () => {
      await expect(waiting.write((db) => put(db, 'a', 1))).rejects.toMatchObject({ code: 'DATABASE_BUSY' });
    });
    expect(waitedMs).toBeGreaterThanOrEqual(10_000);
    await waiting.write((db) => put(db, 'a', 1));
  });

  test('is read as others change it, though it was opened twice here and another process was the last to end', async () => {
    const [database] = [await open(), await open()];
    await database.write((db) => put(db, 'key', 1));
    // Its end takes the write-ahead log away where it sees no locks of ours.
    const script = `const Database = require('libsql'); const file = new Database(process.argv[1]);
      file.exec("update tests_count set value = 2"); file.close(); globalThis.gc();`;
    const child = spawnSync(process.execPath, ['--expose-gc', '-e', script, join(folder, 'a.db')], {
      encoding: 'utf8',
    });
    expect(child).toMatchObject({ status: 0, stderr: '' });
    expect(await read(database, 'key')).toBe(2);
    const again = `const Database = require('libsql'); const file = new Database(process.argv[1]);
      file.exec("update tests_count set value = 3");`;
    spawnSync(process.execPath, ['-e', again, join(folder, 'a.db')]);
    expect(await read(database, 'key')).toBe(3);
  });

  test('that is no database, or lies nowhere, is told as what it is', async () => {
    writeFileSync(join(folder, 'a.db'), 'no database at all, but long enough to be looked at'.repeat(30));
    await expect(open()).rejects.toMatchObject({ code: 'DATABASE_DAMAGED', fields: { database: 'a.db' } });
    expect(readFileSync(join(folder, 'a.db'), 'utf8')).toMatch(/^no database/);
    const path = join(folder, 'nowhere', 'a.db');
    await expect(openSqlite({ path, area, open: load, pause })).rejects.toMatchObject({ code: 'DATABASE_REFUSED' });
  });
});

test('an engine is there, or it is told how to get one', async () => {
  expect(drivers.length).toBeGreaterThan(0);
  await expect(loadSqlite([])).rejects.toMatchObject({ code: 'DATABASE_SQLITE_MISSING', exit: 6 });
});

describe('an address', () => {
  test('names a file or a server', () => {
    expect(toAddress('sqlite:/srv/a.db')).toEqual({ kind: 'sqlite', path: '/srv/a.db' });
    expect(toAddress('postgres://u@db.example/d')).toMatchObject({ kind: 'postgres', server: { tls: 'verify-full' } });
  });
  test.each(['sqlite:', 'mysql://u@h/d', '/srv/a.db', 'postgres://u@h', ''])('is not %j', (text) => {
    expect(codeOf(() => toAddress(text))).toBe('DATABASE_URL_MALFORMED');
  });
  test('with a password is refused where others could read it', () => {
    expect(codeOf(() => toAddress('postgres://u:secret@h/d', false))).toBe('DATABASE_PASSWORD_EXPOSED');
  });
});

describe('a file of passwords', () => {
  const server = { host: 'db.example', port: 5432, database: 'd', user: 'u' };
  test.each([
    ['db.example:5432:d:u:one', 'one'],
    ['# note\nother:5432:d:u:no\n*:*:*:u:a:b\\\\c\r\ndb.example:*:*:*:late', 'a:b\\c'],
    ['db.example:5433:d:u:no', null],
    ['db\\.example:5432:d:u:one', 'one'],
    ['db.example:5432:d:u', null],
    ['', null],
  ])('%j holds %j', (text, password) => {
    expect(findPassword(text, server)).toBe(password);
  });
  test('calls a socket localhost', () => {
    expect(findPassword('localhost:5432:d:u:one', { ...server, host: '/run/postgresql' })).toBe('one');
  });
});

describeWithPostgres('a PostgreSQL server', () => {
  let server: Postgres;
  let passfile: string;
  const opened: Database<Tables>[] = [];
  beforeAll(async () => {
    server = await createPostgres({ isTls: true });
    passfile = join(mkdtempSync(join(tmpdir(), 'modelward-pass-')), 'pgpass');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
    server.query('set client_min_messages = warning; drop schema if exists modelward cascade');
  });
  afterAll(() => {
    server.remove();
    rmSync(join(passfile, '..'), { recursive: true });
  });
  const openAt = async (url: string, of = area): Promise<Database<Tables>> => {
    const database = await openDatabase<Tables>({ address: toAddress(url), area: of, pause, passfile });
    opened.push(database);
    return database;
  };
  runDatabaseSuite((of) => openAt(server.url(), of));

  test('lets in by a private file of passwords, and looks at no other', async () => {
    const url = server.url({ password: null });
    writeFileSync(passfile, `127.0.0.1:${server.port}:postgres:*:${server.password}\n`, { mode: 0o600 });
    await openAt(url);
    chmodSync(passfile, 0o640);
    await expect(openAt(url)).rejects.toMatchObject({ code: 'DATABASE_LOGIN_REFUSED' });
  });

  test('that is wrong, silent or not the one of the certificate is told as such, without the password', async () => {
    const wrong = openAt(server.url({ password: 'wrong-secret' }));
    await expect(wrong).rejects.toMatchObject({ code: 'DATABASE_LOGIN_REFUSED', fields: { reason: '28P01' } });
    expect(JSON.stringify(await wrong.catch((error: unknown) => error))).not.toContain('wrong-secret');
    await expect(openAt(server.url({ query: '?sslmode=verify-full' }))).rejects.toMatchObject({
      code: 'DATABASE_TLS_FAILED',
    });
    await openAt(server.url({ query: `?sslmode=verify-full&sslrootcert=${server.certificatePath}` }));
    await expect(openAt('postgres://u:p@127.0.0.1:1/d')).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
  });

  test('a line that breaks in a turn undoes it, and ends neither process nor database', async () => {
    const database = await openAt(server.url());
    const cut = database.write(async (db) => {
      await put(db, 'cut', 1);
      server.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'modelward'");
      await pause(50);
      await put(db, 'cut', 2);
    });
    await expect(cut).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    expect(await read(database, 'cut')).toBeUndefined();
    await database.write((db) => put(db, 'cut', 3));
    expect(await read(database, 'cut')).toBe(3);
  });

  test('a user who may not make schemas works in the one that was made for him', async () => {
    await openAt(server.url());
    server.query("create role small login password 'p'; grant usage on schema modelward to small");
    server.query('grant select, insert, update, delete on all tables in schema modelward to small');
    const database = await openAt(`postgres://small:p@127.0.0.1:${server.port}/postgres`);
    await database.write((db) => put(db, 'small', 1));
    const more = { name: 'tests', migrations: [first, first] };
    await expect(openAt(`postgres://small:p@127.0.0.1:${server.port}/postgres`, more)).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
    });
    server.query('drop owned by small; drop role small');
  });
});
