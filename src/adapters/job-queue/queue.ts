/** Durable jobs with results on PostgreSQL, by pg-boss: taken by one worker at a time, retried when it goes silent. */
import { QueueError } from '../../core/errors.ts';
import type { JobQueue, JobState } from '../../core/job-queue.ts';
import { QUEUE_LIMITS } from '../../core/limits/queue.ts';
import { readTls, toServerName, wasRolledBack } from '../../postgres/index.ts';
import type { QueueAddress } from './address.ts';
import { toQueueError } from './failures.ts';
import { type Boss, BOSS_SCHEMA_VERSION, type BossJob, loadBoss, type SqlRows } from './load.ts';
import { toStatements } from './statements.ts';

export interface OpenQueueOptions {
  readonly address: QueueAddress;
  /** Database schema that holds the tables; made when it is missing. */
  readonly schema: string;
  /** Name of the queue in it. */
  readonly name: string;
  /** Times that a job is given out again after a worker that took it ended without an answer. */
  readonly retryLimit: number;
  /** How often this process looks for jobs of silent workers; null for a process that only submits. */
  readonly maintenanceSeconds: number | null;
  /** Connections at the same time. */
  readonly connectionsMax: number;
}

/** Seconds until a job that was taken but never extended is given out again. */
const FIRST_LEASE_SECONDS = 60;
/** Of a call that the server rolls back, for the sake of one other call each time. */
const TRIES_MAX = 5;
const CONNECT_TIMEOUT_MS = 10_000;
/** A statement that takes longer hangs; the largest is an insertion of some MiB. */
const QUERY_TIMEOUT_MS = 60_000;

/** @throws QueueError QUEUE_SCHEMA_NAME */
function assertSchemaName(schema: string): void {
  if (!/^(?!pg_)[a-z][a-z0-9_]{0,49}$/.test(schema)) throw new QueueError('QUEUE_SCHEMA_NAME');
}

/**
 * Connects, and makes schema and queue when they are missing.
 * @throws QueueError QUEUE_PACKAGE_MISSING | QUEUE_UNREACHABLE | QUEUE_LOGIN_REFUSED | QUEUE_TLS_FAILED | QUEUE_REFUSED |
 *   QUEUE_SCHEMA_FOREIGN | QUEUE_SCHEMA_NAME
 * @throws SourceError SOURCE_NOT_FOUND | SOURCE_UNREADABLE for the TLS files
 */
export async function openJobQueue(options: OpenQueueOptions): Promise<JobQueue> {
  const { address, schema, name, retryLimit, maintenanceSeconds } = options;
  assertSchemaName(schema);
  const BossClass = await loadBoss();
  const attempt = toAttempt(toServerName(address));
  return attempt(async () => {
    const boss = new BossClass(toBossOptions(options));
    // Idle connections that break and maintenance that fails: the next call meets the same and tells it.
    boss.on('error', () => undefined);
    try {
      await boss.start();
      await assertOwnSchema(boss, schema);
      await boss.createQueue(name, { retryLimit, expireInSeconds: FIRST_LEASE_SECONDS });
      if (maintenanceSeconds !== null) await boss.expire();
      return toQueue({ boss, schema, name, attempt });
    } catch (error) {
      await closeBoss(boss);
      throw error;
    }
  });
}

/** Runs what speaks to the database; what it throws becomes a coded error. */
type Attempt = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Tries again what the server rolled back: processes that make the schema at the same time can lock each other out, and
 * so can statements about the same jobs. Each call is one statement, or is repeated whole.
 */
function toAttempt(server: string): Attempt {
  return async (work) => {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries === TRIES_MAX || !wasRolledBack(error)) throw toQueueError(error, server);
      }
    }
  };
}

function toBossOptions({ address, schema, maintenanceSeconds, connectionsMax }: OpenQueueOptions): object {
  const { host, port, database, user, password } = address;
  return {
    ...{ host, port, database, user, ssl: readTls(address) },
    // A function, so that the driver looks neither into the environment nor for a password file.
    password: () => password ?? undefined,
    application_name: 'modelward',
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    schema,
    schedule: false,
    supervise: maintenanceSeconds !== null,
    ...(maintenanceSeconds === null ? {} : { maintenanceIntervalSeconds: maintenanceSeconds }),
  };
}

async function assertOwnSchema(boss: Boss, schema: string): Promise<void> {
  const found = await boss.schemaVersion();
  if (found === BOSS_SCHEMA_VERSION) return;
  throw new QueueError('QUEUE_SCHEMA_FOREIGN', { fields: { schema, found, needed: BOSS_SCHEMA_VERSION } });
}

interface OpenedQueue {
  readonly boss: Boss;
  readonly schema: string;
  readonly name: string;
  readonly attempt: Attempt;
}

function toQueue(opened: OpenedQueue): JobQueue {
  const { boss, schema, name, attempt } = opened;
  const sql = toStatements(schema);
  const run = (text: string, values: readonly unknown[]): Promise<SqlRows> =>
    attempt(() => boss.getDb().executeSql(text, values));
  return {
    async submit(jobs) {
      for (const batch of toBatches(jobs.map(({ id, data }) => ({ id, name, data })))) {
        await run(sql.clearEnded, [name, batch.map(({ id }) => id)]);
        await attempt(() => boss.insert(batch));
      }
    },
    async look(ids) {
      const { rows } = await run(sql.look, [name, ids, QUEUE_LIMITS.resultCharsMax]);
      return new Map(rows.map((row) => [row.id as string, toState(row)]));
    },
    withdraw: async (ids) => (await run(sql.withdraw, [name, ids])).rows.length,
    async take() {
      const job = await takeNext(opened);
      if (job === undefined) return null;
      const key = [name, job.id, job.retryCount];
      const extend = async (seconds: number): Promise<boolean> =>
        (await run(sql.extend, [...key, seconds])).rows.length === 1;
      return {
        id: job.id,
        data: job.data,
        retries: job.retryCount,
        extend,
        finish: async (result) => {
          await run(sql.finish, [...key, JSON.stringify(result)]);
        },
        fail: async () => {
          // pg-boss would fail the job of whoever has it.
          if (await extend(FIRST_LEASE_SECONDS)) await attempt(() => boss.fail(name, job.id));
        },
        giveBack: async () => {
          await run(sql.giveBack, key);
        },
      };
    },
    close: () => closeBoss(boss),
  };
}

/** pg-boss swallows what goes wrong while it fetches; an unreachable database must not look like an empty queue. */
function takeNext({ boss, name, attempt }: OpenedQueue): Promise<BossJob | undefined> {
  return attempt(async () => {
    let failure: { readonly error: Error } | undefined;
    const db = {
      executeSql: async (text: string, values?: readonly unknown[]): Promise<SqlRows> => {
        try {
          return await boss.getDb().executeSql(text, values);
        } catch (error) {
          failure = { error: error as Error };
          throw error;
        }
      },
    };
    const jobs = await boss.fetch(name, { db, includeMetadata: true });
    if (failure !== undefined) throw failure.error;
    return jobs.at(0);
  });
}

async function closeBoss(boss: Boss): Promise<void> {
  try {
    await boss.stop({ graceful: false });
    // One that never started is not stopped, but holds connections.
    if (boss.getDb().opened === true) await boss.getDb().close();
  } catch {
    // Nothing is lost with a connection that cannot be closed: every call before has ended.
  }
}

function toState({ state, output }: Readonly<Record<string, unknown>>): JobState {
  if (state === 'completed') return { state: 'done', result: output };
  if (state === 'active') return { state: 'running' };
  if (state === 'failed') return { state: 'lost' };
  return { state: state === 'cancelled' ? 'withdrawn' : 'waiting' };
}

/** Jobs in groups that one statement takes. */
function toBatches<T extends object>(jobs: readonly T[]): T[][] {
  const batches: T[][] = [];
  let bytes = Infinity;
  for (const job of jobs) {
    const size = Buffer.byteLength(JSON.stringify(job));
    if (bytes + size > QUEUE_LIMITS.insertBytesMax) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(job);
    bytes += size;
  }
  return batches;
}
