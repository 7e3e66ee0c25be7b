/**
 * Azure Key Vault and Managed HSM as key provider. The service has no associated data: it wraps a one-time key, and the data
 * key is encrypted under that with the context as associated data (docs/decisions/0010).
 * @see https://learn.microsoft.com/rest/api/keyvault/keys/wrap-key
 */
import { z } from 'zod';
import { allocSecret, concatBytes, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { Random } from '../../../core/ports.ts';
import type { KeyContext, KeyDescription, KeyProvider, WrappedKey } from '../../../seal/ports.ts';
import { findUnder, IV_BYTES, KEK_BYTES, sealUnder, TAG_BYTES, toBoundBytes } from '../kek.ts';
import { readPages } from '../pages.ts';
import { toSecretJson } from '../secret-json.ts';
import { toMalformed } from '../service.ts';
import { callForSecret, type RestClient, toJson } from '../rest.ts';

const TYPE = 'azure-kv';
const VERSION = /^[0-9a-f]{32}$/;
/** First byte of a wrapped key: how the service wrapped the one-time key. */
const ALGORITHMS = [
  { mark: 1, alg: 'RSA-OAEP-256', keyTypes: ['RSA', 'RSA-HSM'] },
  { mark: 2, alg: 'A256KW', keyTypes: ['oct', 'oct-HSM'] },
] as const;
const HEAD_BYTES = 3;

const unixSeconds = z.number().min(0).max(8e9);
const attributes = z.object({ enabled: z.boolean(), created: unixSeconds.optional() });
const keyReply = z.object({ key: z.object({ kid: z.string().max(1024), kty: z.string().max(32) }), attributes });
const wrapReply = z.object({ kid: z.string().max(1024), value: z.base64url().max(8192) });
const unwrapReply = z.object({ kid: z.string().max(1024) });
const versionsReply = z.object({
  value: z.array(z.object({ kid: z.string().max(1024), attributes })).max(SEAL_LIMITS.keyVersionsMax),
  nextLink: z.string().max(4096).nullish(),
});

export interface AzureKvOptions {
  readonly client: RestClient;
  /** Origin of the vault. */
  readonly vault: string;
  readonly key: string;
  readonly random: Random;
}

/** The name under which envelopes know the key; the service does not look at the case of letters. */
export function toAzureKeyRef({ vault, key }: Pick<AzureKvOptions, 'vault' | 'key'>): string {
  return `${vault}/keys/${key.toLowerCase()}`;
}

/** The service has no rewrap of its own: it passes through this process. */
export function createAzureKv(options: AzureKvOptions): Required<Omit<KeyProvider, 'rewrapKey'>> {
  return {
    wrapKey: ({ dek, context }) => wrap(options, dek, context),
    unwrapKey: (request) => unwrap(options, request),
    describe: () => describe(options),
    rotate: () => rotate(options),
    disableVersion: (version) => disable(options, version),
    close: () => {
      options.client.close();
      return Promise.resolve();
    },
  };
}

interface CurrentKey {
  readonly version: string;
  readonly algorithm: (typeof ALGORITHMS)[number];
}

/** @throws SealError KEY_SERVICE_UNFIT for a key that cannot wrap, such as one on a curve */
async function readCurrent(options: AzureKvOptions): Promise<CurrentKey> {
  const { client, key } = options;
  const reply = await client.call({ method: 'GET', path: `/keys/${key}` }, keyReply);
  const { kid, kty } = reply.key;
  const algorithm = ALGORITHMS.find(({ keyTypes }) => (keyTypes as readonly string[]).includes(kty));
  if (algorithm === undefined) throw new SealError('KEY_SERVICE_UNFIT', { fields: { keyRef: toAzureKeyRef(options) } });
  return { version: toVersion(kid, options), algorithm };
}

/** The version in a key id, which must be one of this key: a reply about another key is not taken. */
function toVersion(kid: string, options: AzureKvOptions): string {
  const prefix = `${toAzureKeyRef(options)}/`;
  const version = kid.slice(prefix.length);
  if (!kid.toLowerCase().startsWith(prefix) || !VERSION.test(version))
    throw toMalformed({ host: options.client.host, at: 'kid' });
  return version;
}

async function wrap(options: AzureKvOptions, dek: Uint8Array, context: KeyContext): Promise<WrappedKey> {
  const { client, key, random } = options;
  const { version, algorithm } = await readCurrent(options);
  const name = { type: TYPE, keyRef: toAzureKeyRef(options), keyVersion: version };
  const oneTime = allocSecret(KEK_BYTES);
  random.fill(oneTime);
  try {
    const body = toSecretJson({ alg: algorithm.alg }, { name: 'value', bytes: oneTime, kind: 'base64url' });
    const path = `/keys/${key}/${version}/wrapkey`;
    const reply = await client.call({ method: 'POST', path, body }, wrapReply);
    if (toVersion(reply.kid, options) !== version) throw toMalformed({ host: client.host, at: 'kid' });
    const wrappedKey = new Uint8Array(Buffer.from(reply.value, 'base64url'));
    const sealed = sealUnder(oneTime, dek, { aad: toBoundBytes(name, context), random });
    const head = Uint8Array.of(algorithm.mark, wrappedKey.length >> 8, wrappedKey.length & 255);
    return { ...name, wrapped: concatBytes(head, wrappedKey, sealed) };
  } finally {
    zeroize(oneTime);
  }
}

interface Parts {
  readonly alg: string;
  readonly wrappedKey: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Algorithm(1) ‖ length(2, big-endian) ‖ one-time key as the service wrapped it ‖ IV(12) ‖ AES-256-GCM(data key) ‖ tag(16). */
function findParts(wrapped: Uint8Array): Parts | undefined {
  if (wrapped.length > SEAL_LIMITS.wrappedBytesMax || wrapped.length < HEAD_BYTES) return undefined;
  const algorithm = ALGORITHMS.find(({ mark }) => mark === wrapped[0]);
  const end = HEAD_BYTES + wrapped[1] * 256 + wrapped[2];
  if (algorithm === undefined || end === HEAD_BYTES || wrapped.length <= end + IV_BYTES + TAG_BYTES) return undefined;
  return { alg: algorithm.alg, wrappedKey: wrapped.subarray(HEAD_BYTES, end), sealed: wrapped.subarray(end) };
}

interface UnwrapRequest {
  readonly wrapped: WrappedKey;
  readonly context: KeyContext;
}

async function unwrap(options: AzureKvOptions, request: UnwrapRequest): Promise<Uint8Array | null> {
  const { type, keyRef, keyVersion, wrapped } = request.wrapped;
  if (type !== TYPE || keyRef.toLowerCase() !== toAzureKeyRef(options)) return null;
  if (!VERSION.test(keyVersion)) throw new SealError('KEY_VERSION_GONE', { fields: { keyRef } });
  const refusal = new SealError('KEY_REFUSED', { fields: { keyRef, keyVersion } });
  const parts = findParts(wrapped);
  if (parts === undefined) throw refusal;
  const oneTime = await unwrapOneTime(options, keyVersion, parts);
  try {
    const isKey = oneTime.length === KEK_BYTES;
    const dek = isKey ? findUnder(oneTime, parts.sealed, toBoundBytes(request.wrapped, request.context)) : undefined;
    if (dek === undefined) throw refusal;
    return dek;
  } finally {
    zeroize(oneTime);
  }
}

async function unwrapOneTime(options: AzureKvOptions, version: string, parts: Parts): Promise<Uint8Array> {
  const { client, key } = options;
  const body = toJson({ alg: parts.alg, value: Buffer.from(parts.wrappedKey).toString('base64url') });
  const path = `/keys/${key}/${version}/unwrapkey`;
  return callForSecret(
    (take) => client.call({ method: 'POST', path, body }, unwrapReply, take),
    { name: 'value', kind: 'base64url' },
    ({ kid }) => {
      if (toVersion(kid, options) !== version) throw toMalformed({ host: client.host, at: 'kid' });
    },
  ).catch((error: unknown) => {
    throw toGone(error);
  });
}

/** A version that the service does not know is gone. */
function toGone(error: unknown): unknown {
  if (!(error instanceof SealError) || error.code !== 'KEY_SERVICE_MISSING') return error;
  return new SealError('KEY_VERSION_GONE', { fields: error.fields });
}

async function rotate(options: AzureKvOptions): Promise<string> {
  const { client, key } = options;
  const reply = await client.call({ method: 'POST', path: `/keys/${key}/rotate`, body: toJson({}) }, keyReply);
  return toVersion(reply.key.kid, options);
}

async function disable(options: AzureKvOptions, version: string): Promise<void> {
  const { client, key } = options;
  const fields = { keyRef: toAzureKeyRef(options), version: version.slice(0, 32) };
  if (!VERSION.test(version)) throw new SealError('KEY_VERSION_GONE', { fields });
  if (version === (await readCurrent(options)).version) throw new SealError('KEY_VERSION_CURRENT', { fields });
  const body = toJson({ attributes: { enabled: false } });
  try {
    await client.call({ method: 'PATCH', path: `/keys/${key}/${version}`, body }, keyReply);
  } catch (error) {
    throw toGone(error);
  }
}

async function describe(options: AzureKvOptions): Promise<KeyDescription> {
  const { client, key, vault } = options;
  const { version: currentVersion } = await readCurrent(options);
  const first = `/keys/${key}/versions?maxresults=25`;
  const found = await readPages(async (path: string | null) => {
    const { value, nextLink } = await client.call({ method: 'GET', path: path ?? first }, versionsReply);
    return { items: value, next: nextLink ? toNextPath(nextLink, { vault, host: client.host }) : null };
  }, client.host);
  const versions = found
    .map(({ kid, attributes: { enabled, created } }) => ({
      version: toVersion(kid, options),
      createdAt: created === undefined ? null : new Date(created * 1000).toISOString(),
      state: enabled ? ('enabled' as const) : ('disabled' as const),
    }))
    .sort((a, b) => (a.createdAt ?? '').localeCompare(b.createdAt ?? ''));
  return { type: TYPE, keyRef: toAzureKeyRef(options), currentVersion, versions, standing: null };
}

/** The service names the next page by a whole URL; the token is sent to no other place. */
function toNextPath(link: string, { vault, host }: { vault: string; host: string }): string {
  const url = URL.canParse(link) ? new URL(link) : undefined;
  if (url?.origin !== vault) throw toMalformed({ host, at: 'nextLink' });
  url.searchParams.delete('api-version');
  return `${url.pathname}${url.search}`;
}
