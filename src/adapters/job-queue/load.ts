/** pg-boss, an optional peer: loaded when a queue is opened and never else. */
import { createRequire } from 'node:module';
import { QueueError } from '../../core/errors.ts';

/** Rows of a statement. */
export interface SqlRows {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export interface SqlDatabase {
  /** False before the start and after the end. */
  readonly opened?: boolean;
  executeSql(text: string, values?: readonly unknown[]): Promise<SqlRows>;
  close(): Promise<void>;
}

export interface BossJob {
  readonly id: string;
  readonly data: unknown;
  readonly retryCount: number;
}

/** The part of pg-boss 10 that is used. */
export interface Boss {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  start(): Promise<unknown>;
  stop(options: { readonly graceful: boolean }): Promise<void>;
  getDb(): SqlDatabase;
  schemaVersion(): Promise<number | null>;
  createQueue(name: string, options: object): Promise<void>;
  insert(jobs: readonly object[]): Promise<unknown>;
  fetch(name: string, options: object): Promise<readonly BossJob[]>;
  fail(name: string, id: string): Promise<unknown>;
  expire(): Promise<void>;
}

export type BossClass = new (options: object) => Boss;

/** The version that package.json pins: statements.ts reads and writes its tables. */
const BOSS_MAJOR = '10';
/** Version of the tables of pg-boss 10.4. */
export const BOSS_SCHEMA_VERSION = 24;

/**
 * @param name of the package, for tests
 * @throws QueueError QUEUE_PACKAGE_MISSING, also when another major version is installed
 */
export async function loadBoss(name = 'pg-boss'): Promise<BossClass> {
  const found = findVersion(name);
  if (found?.split('.', 1)[0] !== BOSS_MAJOR) {
    throw new QueueError('QUEUE_PACKAGE_MISSING', { fields: { found: found ?? 'nothing' } });
  }
  try {
    return ((await import(name)) as { default: BossClass }).default;
  } catch (cause) {
    throw new QueueError('QUEUE_PACKAGE_MISSING', { fields: { found }, cause });
  }
}

function findVersion(name: string): string | undefined {
  try {
    return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
  } catch {
    return undefined;
  }
}
