/** Where a store of limits is: `rediss://…`, or `redis://…` on this machine. */
import { GatewayError } from '../../core/errors.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly isTls: boolean;
  readonly user: string | null;
  readonly password: string | null;
}

const DEFAULT_PORT = 6379;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

export interface RedisAddressOptions {
  /** False where the text could be seen by others: in arguments and in the environment. */
  readonly isPasswordAllowed: boolean;
  /** A cluster has one database. */
  readonly isCluster?: boolean;
}

/** @throws GatewayError LIMITS_URL_MALFORMED */
export function parseRedisAddress(text: string, options: RedisAddressOptions): RedisAddress {
  const refuse = (at: string): never => {
    throw new GatewayError('LIMITS_URL_MALFORMED', { fields: { at } });
  };
  const url = text.length <= 1024 && URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:')) return refuse('scheme');
  const isTls = url.protocol === 'rediss:';
  if (url.hostname === '' || url.search !== '' || url.hash !== '') return refuse('host');
  // Who reads the line knows the password, and who writes to it admits himself.
  if (!isTls && !LOOPBACK.test(url.hostname)) return refuse('tls');
  if (url.password !== '' && !options.isPasswordAllowed) return refuse('password');
  const database = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1];
  if (database === undefined || (options.isCluster === true && Number(database) !== 0)) return refuse('database');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    database: Number(database),
    isTls,
    user: url.username === '' ? null : decodeURIComponent(url.username),
    password: url.password === '' ? null : decodeURIComponent(url.password),
  };
}
