/** The queue on a real server: who gets which job, what a silent worker loses, what is said when it cannot be reached. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createPostgres, describeWithPostgres, type Postgres } from '../../../test/postgres.ts';
import { describeWithProgram, hasProgram } from '../../../test/shared-data.ts';
import { parseQueueAddress } from './address.ts';
import { loadBoss } from './load.ts';
import { type JobQueue, openJobQueue, type OpenQueueOptions, type TakenJob } from './queue.ts';

describe('the package of the queue', () => {
  test('that is not there, or has another major version, is told with the command that installs it', async () => {
    const missing = await loadBoss('pg-boss-that-nobody-installed').catch((error: unknown) => error);
    expect(missing).toMatchObject({ code: 'QUEUE_PACKAGE_MISSING', exit: 6, fields: { found: 'nothing' } });
    expect((missing as { row: { fix: string } }).row.fix).toContain('npm install pg-boss@10.4.2');
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
  /** Jobs of the test's own queue, so that tests cannot take from one another. */
  const openFresh = async (): Promise<{ queue: JobQueue; again: () => Promise<JobQueue> }> => {
    const name = `tests-${randomUUID()}`;
    const again = (): Promise<JobQueue> => open(undefined, { name, maintenanceSeconds: 60 });
    return { queue: await again(), again };
  };
  const take = async (queue: JobQueue): Promise<TakenJob> => {
    const job = await queue.take();
    if (job === null) throw new TypeError('no job waits');
    return job;
  };
  const ids: readonly string[] = Array.from({ length: 3 }, () => randomUUID());

  test('each job goes to one taker, with what it holds; results come back', async () => {
    const { queue, again } = await openFresh();
    const other = await again();
    await queue.submit(ids.map((id, at) => ({ id, data: { at } })));
    const taken = [await take(queue), await take(other), await take(queue)];
    expect(await other.take()).toBeNull();
    expect(taken.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const job of taken) expect(job.data).toEqual({ at: ids.indexOf(job.id) });
    await taken[0].finish({ fine: true });
    const states = await queue.look([...ids, randomUUID()]);
    expect(states.size).toBe(3);
    expect(states.get(taken[0].id)).toEqual({ state: 'done', result: { fine: true } });
    expect(states.get(taken[1].id)).toEqual({ state: 'running' });
  });

  test('a job that waits or runs is not added again; one that ended makes room', async () => {
    const { queue } = await openFresh();
    await queue.submit([{ id: ids[0], data: { round: 1 } }]);
    await queue.submit([{ id: ids[0], data: { round: 2 } }]);
    const job = await take(queue);
    expect(job.data).toEqual({ round: 1 });
    await queue.submit([{ id: ids[0], data: { round: 3 } }]);
    expect(await queue.take()).toBeNull();
    await job.finish({});
    await queue.submit([{ id: ids[0], data: { round: 4 } }]);
    expect((await take(queue)).data).toEqual({ round: 4 });
  });

  test('a failed attempt is repeated as often as was said, then the job is lost', async () => {
    const { queue } = await openFresh();
    await queue.submit([{ id: ids[0], data: {} }]);
    const first = await take(queue);
    await first.fail();
    const second = await take(queue);
    expect([first.retries, second.retries]).toEqual([0, 1]);
    await second.fail();
    expect(await queue.take()).toBeNull();
    expect((await queue.look(ids)).get(ids[0])).toEqual({ state: 'lost' });
  });

  test('a job given back is as if it had not been taken', async () => {
    const { queue } = await openFresh();
    await queue.submit([{ id: ids[0], data: {} }]);
    for (let round = 0; round < 4; round++) {
      const job = await take(queue);
      expect(job.retries).toBe(0);
      await job.giveBack();
    }
    expect((await queue.look(ids)).get(ids[0])).toEqual({ state: 'waiting' });
  });

  test('a worker that is silent for too long loses its job, and cannot touch it after that', async () => {
    const { queue, again } = await openFresh();
    await queue.submit([{ id: ids[0], data: {} }]);
    const silent = await take(queue);
    expect(await silent.extend(1)).toBe(true);
    // The lease ends by the clock of the database: it is set back, nothing waits.
    server.query(
      `UPDATE modelward.job SET started_on = now() - interval '2 seconds' WHERE id = '${ids[0]}' AND state = 'active'`,
    );
    // A process that opens the queue looks for such jobs.
    const job = await take(await again());
    expect(job.retries).toBe(1);
    expect(await silent.extend(60)).toBe(false);
    await silent.giveBack();
    expect((await queue.look(ids)).get(ids[0])).toEqual({ state: 'running' });
    expect(await job.extend(60)).toBe(true);
  });

  test('jobs that nobody began can be withdrawn, others not', async () => {
    const { queue } = await openFresh();
    await queue.submit(ids.map((id) => ({ id, data: {} })));
    const job = await take(queue);
    expect(await queue.withdraw(ids)).toBe(2);
    expect([...(await queue.look(ids)).keys()]).toEqual([job.id]);
  });

  test('a result longer than is read, and jobs of many megabytes', async () => {
    const { queue } = await openFresh();
    await queue.submit(ids.map((id) => ({ id, data: { text: 'x'.repeat(3 * 1024 * 1024) } })));
    const job = await take(queue);
    expect((job.data as { text: string }).text).toHaveLength(3 * 1024 * 1024);
    await job.finish({ text: 'x'.repeat(1024 * 1024) });
    expect((await queue.look(ids)).get(job.id)).toEqual({ state: 'done', result: null });
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
