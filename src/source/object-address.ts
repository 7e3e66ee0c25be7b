/** Addresses of objects in stores, as users write them: `s3://bucket/key` and `gs://bucket/key`, with parameters behind `?`. */
import { SourceError } from '../core/errors.ts';
import { OBJECT_LIMITS } from '../core/limits/objects.ts';
import { findContainedParts } from './names.ts';

export type ObjectScheme = 's3' | 'gs';

export interface ObjectAddress {
  readonly scheme: ObjectScheme;
  readonly bucket: string;
  /** As it is named in the store, not percent-encoded. */
  readonly key: string;
  /** Origin of another server than the store's own; https, or http on this machine. */
  readonly endpoint: string | null;
  /** Region of the bucket (s3 alone). */
  readonly region: string | null;
  /** Section of the AWS configuration files (s3 alone). */
  readonly profile: string | null;
}

const SCHEME = /^(s3|gs):\/\//;
const BUCKETS = {
  s3: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  gs: /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/,
} as const;
const PARAMETERS: Readonly<Record<ObjectScheme, readonly string[]>> = {
  s3: ['endpoint', 'region', 'profile'],
  gs: ['endpoint'],
};

/** True for what begins like an address of an object; everything else is a path. */
export function isObjectAddress(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * Reads an address. A key holds no "?", no control character and no part "." or "..", which servers resolve each in
 * their own way.
 * @throws SourceError OBJECT_ADDRESS_INVALID; its fields never hold the text, which may carry a secret
 */
export function parseObjectAddress(text: string): ObjectAddress {
  const scheme = SCHEME.exec(text)?.[1] as ObjectScheme | undefined;
  if (scheme === undefined || text.length > OBJECT_LIMITS.addressCharsMax) throw toInvalid('scheme');
  const [name, ...behind] = text.slice(scheme.length + 3).split('?');
  if (behind.length > 1) throw toInvalid('parameters');
  const slash = name.indexOf('/');
  const bucket = slash < 0 ? name : name.slice(0, slash);
  const key = slash < 0 ? '' : name.slice(slash + 1);
  if (!BUCKETS[scheme].test(bucket) || bucket.includes('..')) throw toInvalid('bucket');
  if (!isKey(key)) throw toInvalid('key');
  return { scheme, bucket, key, ...parseParameters(scheme, behind.at(0) ?? '') };
}

function isKey(key: string): boolean {
  const bytes = Buffer.byteLength(key);
  // Behind a "?" an address has its end point: a name out of a model must never get there.
  if (bytes === 0 || bytes > OBJECT_LIMITS.keyBytesMax || key.endsWith('/') || /[\x00-\x1f\x7f?]/.test(key))
    return false;
  return !key.split('/').some((part) => part === '.' || part === '..');
}

function parseParameters(scheme: ObjectScheme, query: string): Pick<ObjectAddress, 'endpoint' | 'region' | 'profile'> {
  const given = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!PARAMETERS[scheme].includes(name) || given.has(name)) throw toInvalid('parameters');
    given.set(name, value);
  }
  const endpoint = given.get('endpoint');
  const region = given.get('region') ?? null;
  const profile = given.get('profile') ?? null;
  if (region !== null && !isRegion(region)) throw toInvalid('region');
  if (profile !== null && !/^[\x20-\x7e]{1,128}$/.test(profile)) throw toInvalid('profile');
  return { endpoint: endpoint === undefined ? null : toEndpoint(endpoint), region, profile };
}

export function isRegion(text: string): boolean {
  return /^[a-z0-9-]{1,32}$/.test(text);
}

/**
 * The origin of a server that speaks the store's protocol.
 * @throws SourceError OBJECT_ADDRESS_INVALID for http to another machine, for a name or password in it, and for a path
 */
export function toEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLoopback = url !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  const isAllowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback);
  if (url === undefined || !isAllowed) throw toInvalid('endpoint');
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw toInvalid('endpoint');
  }
  return url.origin;
}

/** Last part of the key. */
export function toObjectName({ key }: Pick<ObjectAddress, 'key'>): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** The address as a user writes it. */
export function toObjectText({ scheme, bucket, key, endpoint, region, profile }: ObjectAddress): string {
  const given = Object.entries({ endpoint, region, profile }).filter(([, value]) => value !== null);
  const query = new URLSearchParams(given as [string, string][]).toString();
  return `${scheme}://${bucket}/${key}${query === '' ? '' : `?${query}`}`;
}

/**
 * Another object in the "folder" of `address`: its key up to the last "/", then `name`.
 * @throws SourceError SOURCE_OUTSIDE_FOLDER for a name from a file that would leave it
 */
export function toSibling(address: ObjectAddress, name: string): ObjectAddress {
  const parts = findContainedParts(name);
  const key = `${toPrefix(address.key)}${parts?.join('/') ?? ''}`;
  if (parts === undefined || !isKey(key)) throw new SourceError('SOURCE_OUTSIDE_FOLDER', { fields: { name } });
  return { ...address, key };
}

/** Key up to and with its last "/"; "" at the top of the bucket. */
export function toPrefix(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}

function toInvalid(part: string): SourceError {
  return new SourceError('OBJECT_ADDRESS_INVALID', { fields: { part } });
}
