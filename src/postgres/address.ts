/** The address of a PostgreSQL server as a URL: read strictly, safe settings unless the URL says otherwise. */
import { isIP } from 'node:net';

/** How far the server's certificate is checked; the names are those of libpq. */
export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface PostgresAddress {
  /** Name or IP address, or the absolute path of the folder that holds the server's socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Secret; null when the URL holds none. */
  readonly password: string | null;
  readonly tls: TlsMode;
  /** Paths of PEM files: authorities, own certificate and its key; null for none. */
  readonly tlsFiles: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
}

/** What is wrong with an address, for the caller's own error. */
export type AddressFault =
  /** `at` names the part, and holds nothing of the text. */
  | { readonly kind: 'malformed'; readonly at: string }
  /** A password where others could see it. */
  | { readonly kind: 'exposed' };

export interface ParseAddressOptions {
  /** False where the text could be seen by others: in arguments and in the environment. */
  readonly isPasswordAllowed: boolean;
  /** Makes the error to throw. */
  readonly toError: (fault: AddressFault) => Error;
}

const TLS_MODES: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'] satisfies TlsMode[];
const PARAMETERS = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey']);
const PORT = 5432;
/** Characters of an address. */
const URL_CHARS_MAX = 1024;

/**
 * Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=…&sslrootcert=FILE&sslcert=FILE&sslkey=FILE]`; HOST is
 * the folder of a socket when it begins with an escaped slash, as in `%2Frun%2Fpostgresql`. Without sslmode, the connection is `verify-full`, or plain where it does not leave the
 * machine. Nothing of the text is in a fault but the name of the part.
 * @throws what `toError` makes
 * @see https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING 34.1.1.2
 */
export function parsePostgresAddress(
  text: string,
  { isPasswordAllowed, toError }: ParseAddressOptions,
): PostgresAddress {
  const malformed = (at: string): Error => toError({ kind: 'malformed', at });
  const decode = (part: string, at: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw malformed(at);
    }
  };
  const required = (part: string, at: string): string => {
    if (part === '' || part.includes('\0')) throw malformed(at);
    return part;
  };
  const url = parseUrl(text, malformed);
  const password = decode(url.password, 'password');
  if (password !== '' && !isPasswordAllowed) throw toError({ kind: 'exposed' });
  const parameters = toParameters(url, malformed);
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
export function toServerName({ host, port }: Pick<PostgresAddress, 'host' | 'port'>): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

type Malformed = (at: string) => Error;

function parseUrl(text: string, malformed: Malformed): URL {
  if (text.length > URL_CHARS_MAX) throw malformed('length');
  // A control character would be dropped or encoded by the URL parser, and the address be another than it looks.
  if (/[\u0000-\u0020\u007f]/.test(text)) throw malformed('a blank or control character');
  if (!/^postgres(ql)?:\/\//.test(text)) throw malformed('scheme');
  if (text.includes('#')) throw malformed('fragment: write "#" as %23');
  if (!URL.canParse(text)) throw malformed('user, host or port');
  return new URL(text);
}

function toParameters({ searchParams }: URL, malformed: Malformed): ReadonlyMap<string, string> {
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
