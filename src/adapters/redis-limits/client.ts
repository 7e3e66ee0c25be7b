/** The line to Redis or Valkey: asked once, answered in time or not at all. */
import { createRequire } from 'node:module';
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { GatewayError } from '../../core/errors.ts';
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { RedisAddress } from './address.ts';
import { SCRIPT, SCRIPT_SHA1 } from './script.ts';

export interface RedisLineOptions {
  readonly address: RedisAddress;
  /** The address is that of any server of a cluster, which tells of the others. */
  readonly isCluster?: boolean;
  /** PEM of the authority of the server's certificate; the system's without it. */
  readonly caPem?: string | undefined;
  readonly timeoutMs?: number;
}

export interface RedisLine {
  /** @throws GatewayError LIMITS_STORE_FAILED */
  run(keys: readonly [string, string], words: readonly (string | number)[]): Promise<readonly [number, number]>;
  close(): void;
}

/** The version that package.json pins. */
const MAJOR = '5';
const RECONNECT_MS_MAX = 1000;
const REDIRECTIONS_MAX = 4;
const SLOTS_REFRESH_MS = 2000;

/** Does not wait for the server. @throws GatewayError LIMITS_PACKAGE_MISSING */
export async function openRedisLine(options: RedisLineOptions): Promise<RedisLine> {
  const client = await createClient(options);
  // Each question is told of its own failure; this tells it why there is no line.
  let fault = 'line';
  client.on('error', (error) => {
    fault = toReason(error);
  });
  client.connect().catch(() => undefined);
  return {
    run: async ([own, shared], words) => {
      try {
        const answer = readAnswer(await evaluate(client, [2, own, shared, ...words]));
        fault = 'line';
        return answer;
      } catch (cause) {
        if (cause instanceof GatewayError) throw cause;
        const reason = toReason(cause);
        throw new GatewayError('LIMITS_STORE_FAILED', {
          fields: { reason: reason === 'line' ? fault : reason },
          cause,
        });
      }
    },
    close: () => {
      client.disconnect();
    },
  };
}

async function createClient(options: RedisLineOptions): Promise<Redis | Cluster> {
  const { host, port, database: db } = options.address;
  const RedisClient = await loadRedis();
  const line = toLineOptions(options);
  if (options.isCluster !== true) return new RedisClient({ ...line, host, port, db, retryStrategy: toPauseMs });
  return new RedisClient.Cluster([{ host, port }], {
    ...{ lazyConnect: true, enableOfflineQueue: false, enableReadyCheck: false, redisOptions: line },
    clusterRetryStrategy: toPauseMs,
    // A key that was moved is asked for where it is now; who is away is not asked again.
    ...{
      maxRedirections: REDIRECTIONS_MAX,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      retryDelayOnTryAgain: 20,
    },
    // Where a server took the place of another one, nobody tells of it.
    slotsRefreshInterval: SLOTS_REFRESH_MS,
  });
}

const toPauseMs = (times: number): number => Math.min(RECONNECT_MS_MAX, 50 * 2 ** Math.min(times, 10));

function toLineOptions({ address, caPem, timeoutMs }: RedisLineOptions): RedisOptions {
  const { user, password, isTls } = address;
  return {
    ...(user === null ? {} : { username: user }),
    ...(password === null ? {} : { password }),
    ...(isTls
      ? { tls: { minVersion: 'TLSv1.3', rejectUnauthorized: true, ...(caPem === undefined ? {} : { ca: caPem }) } }
      : {}),
    lazyConnect: true,
    // What cannot be sent now is refused now; what was sent on a line that broke is not sent again: it may have been counted.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 5000,
    // The server's goodbye is not waited for: it kept an ending process for two seconds.
    disconnectTimeout: 50,
    commandTimeout: timeoutMs ?? RATE_LIMITS.storeTimeoutMs,
    // Asked by INFO, which users with few rights may not run; a server that loads its data answers -LOADING.
    enableReadyCheck: false,
  };
}

/**
 * An optional peer: loaded when a store is opened and never else.
 * @throws GatewayError LIMITS_PACKAGE_MISSING
 */
export async function loadRedis(name = 'ioredis'): Promise<typeof Redis> {
  let found = 'nothing';
  try {
    ({ version: found } = createRequire(import.meta.url)(`${name}/package.json`) as { version: string });
    if (found.split('.', 1)[0] === MAJOR) return ((await import(name)) as typeof import('ioredis')).Redis;
  } catch (cause) {
    throw new GatewayError('LIMITS_PACKAGE_MISSING', { fields: { found }, cause });
  }
  throw new GatewayError('LIMITS_PACKAGE_MISSING', { fields: { found } });
}

type Words = readonly [keyCount: number, ...words: readonly (string | number)[]];

/** By its hash; a server that was restarted does not know the script any more, and is told it again. */
async function evaluate(client: Redis | Cluster, words: Words): Promise<unknown> {
  const [count, ...rest] = words;
  try {
    return await client.evalsha(SCRIPT_SHA1, count, ...rest);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return client.eval(SCRIPT, count, ...rest);
  }
}

function readAnswer(value: unknown): readonly [number, number] {
  const isPair = Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
  if (!isPair) throw new GatewayError('LIMITS_STORE_FAILED', { fields: { reason: 'answer' } });
  return value as unknown as readonly [number, number];
}

/** The word of the server's error, or what became of the line; never an address or a question. */
function toReason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : '';
  if (text === 'Command timed out') return 'time';
  return /^[A-Z]{3,20}(?= )/.exec(text)?.[0] ?? 'line';
}
