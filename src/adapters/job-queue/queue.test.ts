/** The queue on a real server: who gets which job, what a silent worker loses, what is said when it cannot be reached. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type QueueUnderTest, runJobQueueSuite } from '../../../test/conformance/job-queue.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../../../test/postgres.ts';
import { describeWithProgram, hasProgram } from '../../../test/shared-data.ts';
import type { JobQueue } from '../../core/job-queue.ts';
import { toFailure } from '../../workflows/graph/queue/messages.ts';
import { parseQueueAddress } from './address.ts';
import { loadBoss } from './load.ts';
import { openJobQueue, type OpenQueueOptions } from './queue.ts';

const { peerDependencies } = createRequire(import.meta.url)('../../../package.json') as {
  peerDependencies: Record<string, string>;
};

describe('the package of the queue', () => {
  test('that is not there, or has another major version, is told with the command that installs it', async () => {
    const pinned = peerDependencies['pg-boss'];
    const missing = await loadBoss('pg-boss-that-nobody-installed').catch((error: unknown) => error);
    expect(missing).toMatchObject({ code: 'QUEUE_PACKAGE_MISSING', exit: 6, fields: { found: 'nothing' } });
    expect((missing as { row: { fix: string } }).row.fix).toContain(`npm install pg-boss@${pinned}`);
    await expect(loadBoss('zod')).rejects.toMatchObject({
      code: 'QUEUE_PACKAGE_MISSING',
      fields: { found: expect.stringMatching(/^4\./) },
    });
  });
});

describeWithPostgres('a queue on PostgreSQL', () => {
  let server: Postgres;
  const opened: JobQueue[] = [];
  beforeAll(async () => {
    server = await createPostgres({ isTls: hasProgram('openssl', ['version']) });
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close()));
  });
  afterAll(() => {
    server.remove();
  });

  const open = async (url = server.url(), options: Partial<OpenQueueOptions> = {}): Promise<JobQueue> => {
    const queue = await openJobQueue({
      address: parseQueueAddress(url, { isPasswordAllowed: true }),
      ...{ schema: 'modelward', name: 'tests', retryLimit: 1, maintenanceSeconds: null, connectionsMax: 2 },
      ...options,
    });
    opened.push(queue);
    return queue;
  };
  /** A queue of the test's own, so that tests cannot take from one another. */
  const openFresh = async (): Promise<QueueUnderTest> => {
    const name = `tests-${randomUUID()}`;
    const again = (): Promise<JobQueue> => open(undefined, { name, maintenanceSeconds: 60 });
    // Leases end by the clock of the database: it is set back, and nobody has to wait.
    const back = "started_on = now() - interval '61 seconds'";
    const endLease = (id: string): void => {
      server.query(`UPDATE modelward.job SET ${back} WHERE name = '${name}' AND id = '${id}' AND state = 'active'`);
    };
    return { queue: await again(), again, endLease };
  };
  runJobQueueSuite({ name: 'PostgreSQL', make: openFresh });

  test('is made once by processes that come at the same time', async () => {
    for (let round = 0; round < 4; round++) {
      const options = { schema: `race_${round}`, maintenanceSeconds: 60 };
      const queues = await Promise.all(Array.from({ length: 4 }, () => open(undefined, options)));
      const id = randomUUID();
      await queues[0].submit([{ id, data: {} }]);
      expect((await queues[3].take())?.id).toBe(id);
    }
  });

  test('a result longer than is read, and jobs of many megabytes', async () => {
    const { queue } = await openFresh();
    const text = 'x'.repeat(3 * 1024 * 1024);
    const ids = Array.from({ length: 3 }, () => randomUUID());
    await queue.submit(ids.map((id) => ({ id, data: { text } })));
    const job = await queue.take();
    expect(job?.data).toEqual({ text });
    await job?.finish({ text: 'x'.repeat(1024 * 1024) });
    expect((await queue.look(ids)).get(job?.id ?? '')).toEqual({ state: 'done', result: null });
  });

  test('the answer for a model with names that no database takes', async () => {
    const { queue } = await openFresh();
    const id = randomUUID();
    await queue.submit([{ id, data: {} }]);
    const result = toFailure('ONNX_WIRE', 'a\0b\ud800c');
    await (await queue.take())?.finish(result);
    expect((await queue.look([id])).get(id)).toEqual({ state: 'done', result });
  });

  describe('that cannot be used', () => {
    test.each([
      ['a wrong password', () => server.url({ password: 'canary-7f3a' }), 'QUEUE_LOGIN_REFUSED', '28P01'],
      ['no password', () => server.url({ password: null }), 'QUEUE_LOGIN_REFUSED', 'PASSWORD_NEEDED'],
      ['no such database', () => server.url().replace(/postgres$/, 'nosuch'), 'QUEUE_REFUSED', '3D000'],
      ['nobody on the port', () => server.url().replace(/:\d+\//, ':9/'), 'QUEUE_UNREACHABLE', 'ECONNREFUSED'],
    ])('%s: %s', async (_, url, code, reason) => {
      const error = await open(url()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code, exit: 6, fields: { reason } });
      const { message, fields } = error as { message: string; fields: object };
      expect(message + JSON.stringify(fields)).not.toMatch(/canary-7f3a|fleet_owner/);
    });

    test('a schema of another version of pg-boss, a user without rights, a name that is none', async () => {
      await open(undefined, { schema: 'newer' });
      server.query('UPDATE newer.version SET version = 26');
      await expect(open(undefined, { schema: 'newer' })).rejects.toMatchObject({
        ...{ code: 'QUEUE_SCHEMA_FOREIGN', exit: 6, fields: { found: 26, needed: 24 } },
      });
      server.query("CREATE USER guest PASSWORD 'guest'");
      const guest = server.url().replace(/\/\/.*@/, '//guest:guest@');
      await expect(open(guest, { schema: 'mine' })).rejects.toMatchObject({
        ...{ code: 'QUEUE_REFUSED', fields: { reason: '42501' } },
      });
      for (const schema of ['pg_x', 'A', '1a', 'a b', 'a;drop', 'a'.repeat(51), '']) {
        await expect(open(undefined, { schema })).rejects.toMatchObject({ code: 'QUEUE_SCHEMA_NAME', exit: 2 });
      }
    });

    test('a taking that the database refuses is told, not taken for an empty queue', async () => {
      const { queue } = await openFresh();
      server.query('ALTER TABLE modelward.job RENAME TO away');
      try {
        await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_REFUSED', fields: { reason: '42P01' } });
      } finally {
        server.query('ALTER TABLE modelward.away RENAME TO job');
      }
      expect(await queue.take()).toBeNull();
    });
  });

  describeWithProgram('over TLS', 'openssl', ['version'], () => {
    const secured = (query: string): Promise<JobQueue> => open(server.url({ query }));
    const isEncrypted = (): string =>
      server.query(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'modelward'",
      );

    test.each([
      ['verify-full, with the authority', () => `?sslmode=verify-full&sslrootcert=${server.certificatePath}`],
      ['verify-ca, with the authority', () => `?sslmode=verify-ca&sslrootcert=${server.certificatePath}`],
      ['require', () => '?sslmode=require'],
    ])('%s', async (_, query) => {
      await secured(query());
      expect(isEncrypted()).toBe('t');
    });

    test('a certificate that nobody vouches for, or of another name, is refused', async () => {
      const refused = { code: 'QUEUE_TLS_FAILED', exit: 6 };
      await expect(secured('?sslmode=verify-full')).rejects.toMatchObject(refused);
      await expect(secured('?sslmode=verify-ca')).rejects.toMatchObject(refused);
      const other = server.url({ query: `?sslmode=verify-full&sslrootcert=${server.certificatePath}` });
      await expect(open(other.replace('127.0.0.1', 'localhost'))).rejects.toMatchObject(refused);
      await expect(secured(`?sslmode=verify-full&sslrootcert=${join(server.folder, 'none')}`)).rejects.toMatchObject({
        code: 'SOURCE_NOT_FOUND',
      });
    });
  });
});
