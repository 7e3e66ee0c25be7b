/**
 * AWS Signature Version 4 of one HTTP request, in its `Authorization` header.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { toHex, utf8, zeroize } from './bytes.ts';
import { hmacSha256, sha256 } from './hash.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';

export interface SigV4Credentials {
  readonly accessKeyId: string;
  /** Secret. */
  readonly secretAccessKey: string;
  /** Secret; null for long-lived keys. */
  readonly sessionToken: string | null;
}

export interface SigV4Request {
  readonly method: string;
  /** Path as it is sent, percent-encoded once. */
  readonly path: string;
  /** Names and values, not encoded. */
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** All of them are signed; names in lower case, `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, hex. */
  readonly bodySha256: string;
}

export interface SigV4Scope {
  readonly region: string;
  readonly service: string;
  readonly nowMs: number;
  readonly credentials: SigV4Credentials;
}

/** The headers of `request` with `x-amz-date`, the session token if any, and `authorization`. */
export function signSigV4(request: SigV4Request, scope: SigV4Scope): Record<string, string> {
  const { credentials, region, service } = scope;
  const date = new Date(scope.nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const headers: Record<string, string> = { ...request.headers, 'x-amz-date': date };
  if (credentials.sessionToken !== null) headers['x-amz-security-token'] = credentials.sessionToken;
  const names = Object.keys(headers).sort();
  const signedHeaders = names.join(';');
  const canonical = [
    request.method,
    toCanonicalPath(request.path, service),
    toCanonicalQuery(request.query ?? []),
    ...names.map((name) => `${name}:${headers[name].trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    request.bodySha256,
  ].join('\n');
  const day = date.slice(0, 8);
  const credentialScope = `${day}/${region}/${service}/aws4_request`;
  const toSign = [ALGORITHM, date, credentialScope, toHex(sha256(utf8(canonical)))].join('\n');
  const key = deriveKey(credentials.secretAccessKey, [day, region, service, 'aws4_request']);
  const signature = toHex(hmacSha256(key, utf8(toSign)));
  zeroize(key);
  const authorization = `${ALGORITHM} Credential=${credentials.accessKeyId}/${credentialScope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return { ...headers, authorization };
}

/** All services but S3 sign the path encoded once more. */
function toCanonicalPath(path: string, service: string): string {
  return service === 's3' ? path : path.split('/').map(encodeStrictly).join('/');
}

function toCanonicalQuery(query: NonNullable<SigV4Request['query']>): string {
  return query
    .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
    .sort()
    .join('&');
}

/** RFC 3986: everything but unreserved characters. */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function deriveKey(secretAccessKey: string, parts: readonly string[]): Uint8Array {
  let key = utf8(`AWS4${secretAccessKey}`);
  for (const part of parts) {
    const next = hmacSha256(key, utf8(part));
    zeroize(key);
    key = next;
  }
  return key;
}
