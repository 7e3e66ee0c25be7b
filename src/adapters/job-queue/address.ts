/** The address of a PostgreSQL server as a URL: read strictly, safe settings unless the URL says otherwise. */
import { isIP } from 'node:net';
import { QueueError } from '../../core/errors.ts';
import { QUEUE_LIMITS } from '../../core/limits/queue.ts';

/** How far the server's certificate is checked; the names are those of libpq. */
export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface QueueAddress {
  /** Name or IP address, or the absolute path of the folder that holds the server's socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Secret; null when the server asks for none (peer, certificate). */
  readonly password: string | null;
  readonly tls: TlsMode;
  /** Paths of PEM files: authorities, own certificate and its key; null for none. */
  readonly tlsFiles: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
}

export interface ParseAddressOptions {
  /** False where the text could be seen by others: in arguments and in the environment. */
  readonly isPasswordAllowed: boolean;
}

const TLS_MODES: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'] satisfies TlsMode[];
const PARAMETERS = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey']);
const PORT = 5432;

/**
 * Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=…&sslrootcert=FILE&sslcert=FILE&sslkey=FILE]`; HOST is
 * the folder of a socket when it begins with an escaped slash, as in `%2Frun%2Fpostgresql`. Without sslmode, the connection is `verify-full`, or plain where it does not leave the
 * machine. Nothing of the text is in an error but the name of the part at fault.
 * @throws QueueError QUEUE_URL_MALFORMED | QUEUE_PASSWORD_EXPOSED
 * @see https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING 34.1.1.2
 */
export function parseQueueAddress(text: string, { isPasswordAllowed }: ParseAddressOptions): QueueAddress {
  const url = parseUrl(text);
  const password = decode(url.password, 'password');
  if (password !== '' && !isPasswordAllowed) throw new QueueError('QUEUE_PASSWORD_EXPOSED');
  const parameters = toParameters(url);
  const host = required(decode(url.hostname, 'host').replace(/^\[(.*)\]$/, '$1'), 'host');
  const tls = parameters.get('sslmode') ?? (isThisMachine(host) ? 'disable' : 'verify-full');
  if (!isTlsMode(tls)) throw malformed('sslmode');
  return {
    host,
    port: url.port === '' ? PORT : Number(url.port),
    database: required(decode(url.pathname.slice(1), 'database'), 'database'),
    user: required(decode(url.username, 'user'), 'user'),
    password: password === '' ? null : password,
    tls,
    tlsFiles: {
      ca: parameters.get('sslrootcert') ?? null,
      cert: parameters.get('sslcert') ?? null,
      key: parameters.get('sslkey') ?? null,
    },
  };
}

/** The server without its user, for messages. */
export function toServerName({ host, port }: Pick<QueueAddress, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseUrl(text: string): URL {
  if (text.length > QUEUE_LIMITS.urlCharsMax) throw malformed('length');
  // A control character would be dropped or encoded by the URL parser, and the address be another than it looks.
  if (/[\u0000-\u0020\u007f]/.test(text)) throw malformed('a blank or control character');
  if (!/^postgres(ql)?:\/\//.test(text)) throw malformed('scheme');
  if (text.includes('#')) throw malformed('fragment: write "#" as %23');
  if (!URL.canParse(text)) throw malformed('user, host or port');
  return new URL(text);
}

function toParameters({ searchParams }: URL): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of searchParams) {
    // "password" and "user" among them: one place for each thing.
    if (!PARAMETERS.has(name) || parameters.has(name) || value === '') throw malformed('parameters');
    parameters.set(name, value);
  }
  return parameters;
}

function isThisMachine(host: string): boolean {
  return (
    host.startsWith('/') || host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  );
}

function isTlsMode(text: string): text is TlsMode {
  return TLS_MODES.includes(text);
}

function decode(text: string, at: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed(at);
  }
}

function required(text: string, at: string): string {
  if (text === '' || text.includes('\0')) throw malformed(at);
  return text;
}

function malformed(at: string): QueueError {
  return new QueueError('QUEUE_URL_MALFORMED', { fields: { at } });
}
