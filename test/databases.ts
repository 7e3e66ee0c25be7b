/** A suite over each database that a gateway can have: a file, and a server where one is installed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type DatabaseAddress, parseDatabaseAddress } from '../src/adapters/database/index.ts';
import { createPostgres, describeWithPostgres, type Postgres } from './postgres.ts';

/** @param runSuite given where the database is, which is known once its tests begin */
export function describeEachDatabase(runSuite: (getAddress: () => DatabaseAddress) => void): void {
  describe('in SQLite', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-database-'));
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });
    runSuite(() => ({ kind: 'sqlite', path: join(folder, 'gateway.db') }));
  });

  describeWithPostgres('in PostgreSQL', () => {
    let server: Postgres;
    beforeAll(async () => {
      server = await createPostgres();
    });
    afterAll(() => {
      server.remove();
    });
    runSuite(() =>
      parseDatabaseAddress(server.url({ query: '?sslmode=disable' }), {
        isPasswordAllowed: true,
        toAbsolute: (path) => path,
      }),
    );
  });
}
