/** Key URIs: which provider holds the key, and which key of it (docs/spec/key-envelope.md section 5). */
import { SealError } from '../core/errors.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { parseParameters, splitQuery, toOrigin, toUriError } from './key-uri-parts.ts';
import type {
  AwsKmsUri,
  AzureKvUri,
  GcpKmsUri,
  KeyScheme,
  KeyUri,
  KeyUriOf,
  PathKeyUri,
  Tpm2Uri,
  VaultUri,
} from './key-uri-types.ts';
import { parsePkcs11Uri } from './pkcs11-uri.ts';

/** One row per scheme: reads what stands behind the colon. */
const SCHEMES: { readonly [S in KeyScheme]: (rest: string) => KeyUriOf<S> } = Object.freeze({
  local: toPathParser('local'),
  passphrase: toPathParser('passphrase'),
  tpm2: parseTpm2,
  age: parseAge,
  'aws-kms': parseAwsKms,
  'gcp-kms': parseGcpKms,
  vault: parseVault,
  'azure-kv': parseAzureKv,
  pkcs11: parsePkcs11Uri,
});

/** All schemes, in the order of the specification. */
export const KEY_SCHEMES = Object.keys(SCHEMES) as readonly KeyScheme[];

/**
 * Reads a key URI. The scheme is matched exactly.
 * @throws SealError KEY_URI_INVALID; KEY_URI_SECRET for a URI with a secret in it; KEY_SCHEME_UNKNOWN. None repeats more
 *   than the scheme and the name of the part at fault.
 */
export function parseKeyUri(uri: string): KeyUri {
  const match = /^([a-z][a-z0-9-]*):([^]*)$/.exec(uri);
  if (match === null || uri.length > SEAL_LIMITS.keyUriCharsMax) throw new SealError('KEY_URI_INVALID');
  const [, scheme, rest] = match;
  const known = KEY_SCHEMES.find((each) => each === scheme);
  // A name of any length could be a mistyped secret; no scheme is longer.
  if (known === undefined) throw new SealError('KEY_SCHEME_UNKNOWN', { fields: { scheme: scheme.slice(0, 16) } });
  return SCHEMES[known](rest);
}

/** The rest is a path as the file system takes it: no escapes, no parameters. */
function toPathParser<S extends string>(scheme: S): (rest: string) => PathKeyUri<S> {
  return (path) => {
    if (path === '' || path.includes('\0')) throw toUriError(scheme, 'path');
    return { scheme, path };
  };
}

const TPM_PCRS = /^(none|([0-9]|1[0-9]|2[0-3])(,([0-9]|1[0-9]|2[0-3]))*)$/;
const TPM_ADDRESS = /^(\/[^]*|tcp:(127\.0\.0\.1|\[::1\]):\d{1,5})$/;

function parseTpm2(rest: string): Tpm2Uri {
  const scheme = 'tpm2';
  const [path, query] = splitQuery(rest);
  const { pcrs, device } = parseParameters(query, { scheme, separator: '&', names: ['pcrs', 'device'] });
  if (path === '' || path.includes('\0')) throw toUriError(scheme, 'path');
  if (pcrs !== undefined && !TPM_PCRS.test(pcrs)) throw toUriError(scheme, 'pcrs');
  if (device !== undefined && !TPM_ADDRESS.test(device)) throw toUriError(scheme, 'device');
  return { scheme, path, pcrs: pcrs === undefined ? null : toPcrs(pcrs), device: device ?? null };
}

function toPcrs(text: string): number[] {
  const pcrs = text === 'none' ? [] : text.split(',').map(Number);
  return [...new Set(pcrs)].sort((a, b) => a - b);
}

/** An X25519 recipient; its checksum is the provider's to look at. */
const AGE_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;

/** What begins like a recipient is one: a mistyped one must not become the name of a new key file. */
function parseAge(rest: string): KeyUriOf<'age'> {
  if (!rest.startsWith('age1')) return toPathParser('age')(rest);
  if (!AGE_RECIPIENT.test(rest)) throw toUriError('age', 'recipient');
  return { scheme: 'age', recipient: rest };
}

const AWS_REGION = /^[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}$/;
const AWS_KEY = /^(alias\/[A-Za-z0-9/_-]{1,256}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const AWS_KEY_ID = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
/** Each is one or two requests when the key is described. */
const AWS_ALSO_MAX = 16;
const AWS_ARN = /^arn:aws(?:-[a-z]+)*:kms:([a-z0-9-]+):\d{12}:(?:key\/)?([A-Za-z0-9/_-]+)$/;

function parseAwsKms(rest: string): AwsKmsUri {
  const scheme = 'aws-kms';
  const [key, query] = splitQuery(rest);
  const given = parseParameters(query, { scheme, separator: '&', names: ['region', 'endpoint', 'profile', 'also'] });
  const arn = AWS_ARN.exec(key);
  if (!AWS_KEY.test(arn === null ? key : arn[2])) throw toUriError(scheme, 'key');
  const region = arn?.[1] ?? given.region;
  if (region === undefined || !AWS_REGION.test(region)) throw toUriError(scheme, 'region');
  if (given.region !== undefined && given.region !== region) throw toUriError(scheme, 'region');
  const endpoint = given.endpoint === undefined ? null : toOrigin(given.endpoint, { scheme, part: 'endpoint' });
  const also = given.also === undefined ? [] : given.also.split(',');
  const isAlias = (arn?.[2] ?? key).startsWith('alias/');
  if (also.length > AWS_ALSO_MAX || also.some((id) => !isAlias || !AWS_KEY_ID.test(id)))
    throw toUriError(scheme, 'also');
  return { scheme, key, also, region, endpoint, profile: given.profile ?? null };
}

const GCP_KEY =
  /^projects\/[a-z0-9.:-]{1,63}\/locations\/[a-z0-9-]{1,63}\/keyRings\/[A-Za-z0-9_-]{1,63}\/cryptoKeys\/[A-Za-z0-9_-]{1,63}$/;

function parseGcpKms(rest: string): GcpKmsUri {
  const scheme = 'gcp-kms';
  const [key, query] = splitQuery(rest);
  const given = parseParameters(query, { scheme, separator: '&', names: ['endpoint', 'credentials-file'] });
  if (!GCP_KEY.test(key)) throw toUriError(scheme, 'key');
  const endpoint = given.endpoint === undefined ? null : toOrigin(given.endpoint, { scheme, part: 'endpoint' });
  // A token would go to whoever wrote the URI.
  if (endpoint?.startsWith('https:') === true && !endpoint.endsWith('.googleapis.com'))
    throw toUriError(scheme, 'endpoint');
  return { scheme, key, endpoint, credentialsPath: given['credentials-file'] ?? null };
}

const VAULT_KEY = /^((?:[A-Za-z0-9_.-]{1,128}\/){1,8})([A-Za-z0-9_.-]{1,128})$/;
const VAULT_NAMESPACE = /^[A-Za-z0-9_.-]{1,128}(\/[A-Za-z0-9_.-]{1,128}){0,7}\/?$/;
const VAULT_NAMES = ['addr', 'namespace', 'ca-file', 'token-file', 'approle-file'] as const;

function parseVault(rest: string): VaultUri {
  const scheme = 'vault';
  const [head, query] = splitQuery(rest);
  const given = parseParameters(query, { scheme, separator: '&', names: VAULT_NAMES });
  const match = VAULT_KEY.exec(head);
  if (match === null || hasDotSegment(head)) throw toUriError(scheme, 'key');
  const namespace = given.namespace ?? null;
  if (namespace !== null && (!VAULT_NAMESPACE.test(namespace) || hasDotSegment(namespace))) {
    throw toUriError(scheme, 'namespace');
  }
  if (given['token-file'] !== undefined && given['approle-file'] !== undefined)
    throw toUriError(scheme, 'approle-file');
  return {
    scheme,
    mount: match[1].slice(0, -1),
    key: match[2],
    addr: toOrigin(given.addr ?? '', { scheme, part: 'addr' }),
    namespace: namespace === null ? null : namespace.replace(/\/$/, ''),
    caPath: given['ca-file'] ?? null,
    tokenPath: given['token-file'] ?? null,
    appRolePath: given['approle-file'] ?? null,
  };
}

/** `.` and `..` would name another path of the service. */
function hasDotSegment(path: string): boolean {
  return path.split('/').some((part) => part === '.' || part === '..');
}

/** Whose vaults may be sent a token: Microsoft's clouds; else a token would go to whoever wrote the URI. */
const AZURE_HOST =
  /^[a-z0-9-]{3,24}\.(vault|managedhsm)\.(azure\.net|azure\.cn|usgovcloudapi\.net|microsoftazure\.de)$/;
/** Who may be sent a client's secret or what it signs. */
const AZURE_LOGIN = /^login\.(microsoftonline\.(com|us|de)|chinacloudapi\.cn|partner\.microsoftonline\.cn)$/;
const AZURE_KEY = /^\/keys\/([A-Za-z0-9-]{1,127})$/;

function parseAzureKv(rest: string): AzureKvUri {
  const scheme = 'azure-kv';
  const [head, query] = splitQuery(rest);
  const given = parseParameters(query, { scheme, separator: '&', names: ['credentials-file', 'login'] });
  const at = /^(https?:\/\/[^/?#]*)(\/[^?#]*)$/.exec(head);
  const key = AZURE_KEY.exec(at?.[2] ?? '')?.[1];
  if (at === null || key === undefined) throw toUriError(scheme, 'key');
  const vault = toOrigin(at[1], { scheme, part: 'vault' });
  const { protocol, hostname } = new URL(vault);
  if (protocol === 'https:' && !AZURE_HOST.test(hostname)) throw toUriError(scheme, 'vault');
  const login = given.login === undefined ? null : toOrigin(given.login, { scheme, part: 'login' });
  if (login?.startsWith('https:') === true && !AZURE_LOGIN.test(new URL(login).host)) throw toUriError(scheme, 'login');
  return { scheme, vault, key, credentialsPath: given['credentials-file'] ?? null, login };
}
