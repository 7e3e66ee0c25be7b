/**
 * Google Cloud KMS as key provider: encrypt and decrypt with the context as additional authenticated data, CRC-32C of
 * everything checked both ways.
 * @see https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
 */
import { z } from 'zod';
import { findBase64Bytes, toBase64 } from '../../../core/bytes.ts';
import { crc32c } from '../../../core/crc32c.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { Pause } from '../../../core/ports.ts';
import type { KeyContext, KeyDescription, KeyProvider, KeyVersionState, WrappedKey } from '../../../seal/ports.ts';
import { toBoundBytes } from '../kek.ts';
import { readPages } from '../pages.ts';
import { toSecretJson } from '../secret-json.ts';
import { toMalformed } from '../service.ts';
import { callForSecret, type RestClient, toJson } from '../rest.ts';

const TYPE = 'gcp-kms';
/** Hardware keys are made in seconds; after a minute a version is left to itself. */
const READY_POLLS = 30;
const READY_POLL_MS = 2000;
const VERSION = /^[1-9]\d{0,9}$/;

const keyReply = z.object({
  purpose: z.string().max(64),
  primary: z.object({ name: z.string().max(1024) }).optional(),
});
const versionReply = z.object({
  name: z.string().max(1024),
  state: z.string().max(64),
  createTime: z.iso.datetime({ offset: true }).optional(),
});
const versionsReply = z.object({
  cryptoKeyVersions: z.array(versionReply).max(SEAL_LIMITS.keyVersionsMax).optional(),
  nextPageToken: z.string().max(4096).optional(),
});
const encryptReply = z.object({
  name: z.string().max(1024),
  ciphertext: z.base64(),
  ciphertextCrc32c: z.coerce.number(),
  verifiedPlaintextCrc32c: z.boolean().optional(),
  verifiedAdditionalAuthenticatedDataCrc32c: z.boolean().optional(),
});
const decryptReply = z.object({ plaintextCrc32c: z.coerce.number() });

export interface GcpKmsOptions {
  readonly client: RestClient;
  /** `projects/…/cryptoKeys/…`. */
  readonly key: string;
  readonly pause: Pause;
}

/** The service re-encrypts nothing by itself: a rewrap passes through this process, so there is no `rewrapKey`. */
export function createGcpKms(options: GcpKmsOptions): Required<Omit<KeyProvider, 'rewrapKey'>> {
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

/** Wraps under the primary version by its number, so that the number can be authenticated, too. */
async function wrap(options: GcpKmsOptions, dek: Uint8Array, context: KeyContext): Promise<WrappedKey> {
  const { client, key } = options;
  const name = { type: TYPE, keyRef: key, keyVersion: await readPrimary(options) };
  const aad = toBoundBytes(name, context);
  const versionName = `${key}/cryptoKeyVersions/${name.keyVersion}`;
  const members = {
    additionalAuthenticatedData: toBase64(aad),
    additionalAuthenticatedDataCrc32c: String(crc32c(aad)),
    plaintextCrc32c: String(crc32c(dek)),
  };
  const body = toSecretJson(members, { name: 'plaintext', bytes: dek, kind: 'base64' });
  const reply = await client.call({ method: 'POST', path: `${versionName}:encrypt`, body }, encryptReply);
  const wrapped = findBase64Bytes(reply.ciphertext);
  const isIntact =
    reply.verifiedPlaintextCrc32c === true &&
    reply.verifiedAdditionalAuthenticatedDataCrc32c === true &&
    wrapped !== undefined &&
    crc32c(wrapped) === reply.ciphertextCrc32c;
  if (!isIntact || reply.name !== versionName || wrapped.length > SEAL_LIMITS.wrappedBytesMax) {
    throw toMalformed({ host: client.host, at: isIntact ? 'name' : 'CRC-32C' });
  }
  return { ...name, wrapped };
}

interface UnwrapRequest {
  readonly wrapped: WrappedKey;
  readonly context: KeyContext;
}

async function unwrap({ client, key }: GcpKmsOptions, request: UnwrapRequest): Promise<Uint8Array | null> {
  const { type, keyRef, keyVersion, wrapped } = request.wrapped;
  if (type !== TYPE || keyRef !== key) return null;
  const fields = { keyRef, keyVersion: VERSION.test(keyVersion) ? keyVersion : null };
  if (fields.keyVersion === null) throw new SealError('KEY_VERSION_GONE', { fields });
  if (wrapped.length === 0 || wrapped.length > SEAL_LIMITS.wrappedBytesMax)
    throw new SealError('KEY_REFUSED', { fields });
  const aad = toBoundBytes(request.wrapped, request.context);
  const body = toJson({
    ciphertext: toBase64(wrapped),
    ciphertextCrc32c: String(crc32c(wrapped)),
    additionalAuthenticatedData: toBase64(aad),
    additionalAuthenticatedDataCrc32c: String(crc32c(aad)),
  });
  return callForSecret(
    (take) => client.call({ method: 'POST', path: `${key}:decrypt`, body }, decryptReply, take),
    { name: 'plaintext', kind: 'base64' },
    ({ plaintextCrc32c }, dek) => {
      if (crc32c(dek) !== plaintextCrc32c) throw toMalformed({ host: client.host, at: 'CRC-32C' });
    },
  );
}

/** Number of the version that wraps. @throws SealError KEY_SERVICE_UNFIT */
async function readPrimary({ client, key }: GcpKmsOptions): Promise<string> {
  const { purpose, primary } = await client.call({ method: 'GET', path: key }, keyReply);
  if (purpose !== 'ENCRYPT_DECRYPT' || primary === undefined) {
    throw new SealError('KEY_SERVICE_UNFIT', { fields: { keyRef: key } });
  }
  return toVersion(primary.name, { client, key });
}

function toVersion(name: string, { client, key }: Pick<GcpKmsOptions, 'client' | 'key'>): string {
  const prefix = `${key}/cryptoKeyVersions/`;
  const version = name.slice(prefix.length);
  if (!name.startsWith(prefix) || !VERSION.test(version)) throw toMalformed({ host: client.host, at: 'name' });
  return version;
}

async function rotate(options: GcpKmsOptions): Promise<string> {
  const { client, key, pause } = options;
  const path = `${key}/cryptoKeyVersions`;
  const made = await client.call({ method: 'POST', path, body: toJson({}) }, versionReply);
  const version = toVersion(made.name, options);
  let { state } = made;
  for (let poll = 0; state === 'PENDING_GENERATION' && poll < READY_POLLS; poll++) {
    await pause(READY_POLL_MS);
    ({ state } = await client.call({ method: 'GET', path: `${path}/${version}` }, versionReply));
  }
  if (state !== 'ENABLED') {
    const fields = { keyRef: key, version, state: state.slice(0, 32) };
    throw new SealError('KEY_PROVIDER_UNAVAILABLE', {
      message: 'The new version of the key is not ready yet.',
      fields,
    });
  }
  const body = toJson({ cryptoKeyVersionId: version });
  await client.call({ method: 'POST', path: `${key}:updatePrimaryVersion`, body }, keyReply);
  return version;
}

async function disable(options: GcpKmsOptions, version: string): Promise<void> {
  const { client, key } = options;
  const fields = { keyRef: key, version: version.slice(0, 16) };
  if (!VERSION.test(version)) throw new SealError('KEY_VERSION_GONE', { fields });
  if (version === (await readPrimary(options))) throw new SealError('KEY_VERSION_CURRENT', { fields });
  const path = `${key}/cryptoKeyVersions/${version}?updateMask=state`;
  try {
    await client.call({ method: 'PATCH', path, body: toJson({ state: 'DISABLED' }) }, versionReply);
  } catch (error) {
    if (!(error instanceof SealError) || error.code !== 'KEY_SERVICE_MISSING') throw error;
    throw new SealError('KEY_VERSION_GONE', { fields });
  }
}

const STATES: ReadonlyMap<string, KeyVersionState> = new Map([
  ['ENABLED', 'enabled'],
  ['DESTROYED', 'destroyed'],
  ['DESTROY_SCHEDULED', 'destroyed'],
]);

async function describe(options: GcpKmsOptions): Promise<KeyDescription> {
  const { client, key } = options;
  const currentVersion = await readPrimary(options);
  const found = await readPages(async (pageToken: string | null) => {
    const query = new URLSearchParams({ pageSize: '1000', ...(pageToken !== null && { pageToken }) }).toString();
    const path = `${key}/cryptoKeyVersions?${query}`;
    const { cryptoKeyVersions = [], nextPageToken = '' } = await client.call({ method: 'GET', path }, versionsReply);
    return { items: cryptoKeyVersions, next: nextPageToken === '' ? null : nextPageToken };
  }, client.host);
  const versions = found.map(({ name, state, createTime }) => ({
    version: toVersion(name, options),
    createdAt: createTime === undefined ? null : new Date(createTime).toISOString(),
    state: STATES.get(state) ?? ('disabled' as const),
  }));
  versions.sort((a, b) => Number(a.version) - Number(b.version));
  return { type: TYPE, keyRef: key, currentVersion, versions, standing: null };
}
