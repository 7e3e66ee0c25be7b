/**
 * The transit engine of HashiCorp Vault and OpenBao as key provider. The key is a derived one: every context has a key of its
 * own, so that no other context can unwrap.
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit
 */
import { z } from 'zod';
import { toBase64, utf8 } from '../../../core/bytes.ts';
import { toCanonicalJsonBytes } from '../../../core/canonical-json.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { KeyContext, KeyDescription, KeyProvider, WrappedKey } from '../../../seal/ports.ts';
import { toSecretJson } from '../secret-json.ts';
import { toMalformed } from '../service.ts';
import { callForSecret, type RestClient, toJson } from '../rest.ts';

const TYPE = 'vault';
const VERSION = /^[1-9]\d{0,9}$/;
/** `vault:vN:` and standard base64, as transit writes it. */
const CIPHERTEXT = /^vault:v([1-9]\d{0,9}):((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

const version = z.int().min(0);
const keyReply = z.object({
  data: z.object({
    type: z.string().max(64),
    derived: z.boolean(),
    latest_version: version.min(1),
    min_decryption_version: version,
    min_encryption_version: version.optional(),
    // Seconds since 1970 for symmetric keys; other kinds have objects here.
    keys: z.record(z.string().regex(VERSION), z.unknown()),
  }),
});
const ciphertextReply = z.object({ data: z.object({ ciphertext: z.string().max(SEAL_LIMITS.wrappedBytesMax) }) });
const anyReply = z.object({});

type VaultKey = z.infer<typeof keyReply>['data'];

export interface VaultOptions {
  readonly client: RestClient;
  readonly mount: string;
  readonly key: string;
  readonly namespace: string | null;
}

interface State extends VaultOptions {
  readonly keyRef: string;
  /** True once the key was seen to be fit; a key never stops being derived. */
  isFit: boolean;
}

/** The name under which envelopes know the key: without the server, so that it may move. */
export function toVaultKeyRef({ mount, key, namespace }: Omit<VaultOptions, 'client'>): string {
  return `${namespace === null ? '' : `${namespace}/`}${mount}/${key}`;
}

export function createVault(options: VaultOptions): Required<KeyProvider> {
  const state: State = { ...options, keyRef: toVaultKeyRef(options), isFit: false };
  return {
    wrapKey: ({ dek, context }) => wrap(state, dek, context),
    unwrapKey: (request) => unwrap(state, request),
    rewrapKey: (request) => rewrap(state, request),
    describe: () => describe(state),
    rotate: () => rotate(state),
    disableVersion: (asked) => disable(state, asked),
    close: () => {
      options.client.close();
      return Promise.resolve();
    },
  };
}

/** What each context's key is derived from. */
function toDerivation({ sealId, model, purpose }: KeyContext): string {
  return toBase64(toCanonicalJsonBytes({ sealId, model, purpose }));
}

async function readKey(state: State): Promise<VaultKey> {
  const { client, mount, key, keyRef } = state;
  const { data } = await client.call({ method: 'GET', path: `${mount}/keys/${key}` }, keyReply);
  const isSymmetric = /^(aes(128|256)-gcm96|chacha20-poly1305)$/.test(data.type);
  // A key that is not derived takes the context and does not look at it.
  if (!isSymmetric || !data.derived) throw new SealError('KEY_SERVICE_UNFIT', { fields: { keyRef } });
  state.isFit = true;
  return data;
}

/** Before the first use: transit would make a key that is missing, and ignore the context of one that is not derived. */
async function assertFit(state: State): Promise<void> {
  if (!state.isFit) await readKey(state);
}

async function wrap(state: State, dek: Uint8Array, context: KeyContext): Promise<WrappedKey> {
  await assertFit(state);
  const { client, mount, key } = state;
  const members = { context: toDerivation(context) };
  const body = toSecretJson(members, { name: 'plaintext', bytes: dek, kind: 'base64' });
  const reply = await client.call({ method: 'POST', path: `${mount}/encrypt/${key}`, body }, ciphertextReply);
  return toWrapped(state, reply.data.ciphertext);
}

function toWrapped({ client, keyRef }: State, ciphertext: string): WrappedKey {
  const keyVersion = CIPHERTEXT.exec(ciphertext)?.[1];
  if (keyVersion === undefined) throw toMalformed({ host: client.host, at: 'ciphertext' });
  return { type: TYPE, keyRef, keyVersion, wrapped: utf8(ciphertext) };
}

interface UnwrapRequest {
  readonly wrapped: WrappedKey;
  readonly context: KeyContext;
}

/**
 * The ciphertext of a key of ours, null for that of another. Its version chooses the key that opens it, so that a label which
 * says another one is found out here.
 */
function findCiphertext({ keyRef }: State, { type, wrapped, ...named }: WrappedKey): string | null {
  if (type !== TYPE || named.keyRef !== keyRef) return null;
  const fields = { keyRef };
  if (!VERSION.test(named.keyVersion)) throw new SealError('KEY_VERSION_GONE', { fields });
  const isSized = wrapped.length <= SEAL_LIMITS.wrappedBytesMax;
  const text = isSized ? Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.length).toString('latin1') : '';
  if (CIPHERTEXT.exec(text)?.[1] !== named.keyVersion) throw new SealError('KEY_REFUSED', { fields });
  return text;
}

async function unwrap(state: State, request: UnwrapRequest): Promise<Uint8Array | null> {
  const ciphertext = findCiphertext(state, request.wrapped);
  if (ciphertext === null) return null;
  const { client, mount, key } = state;
  const body = toJson({ ciphertext, context: toDerivation(request.context) });
  return callForSecret(
    (take) => client.call({ method: 'POST', path: `${mount}/decrypt/${key}`, body }, anyReply, take),
    { name: 'plaintext', kind: 'base64' },
    () => undefined,
  );
}

async function rewrap(state: State, request: UnwrapRequest): Promise<WrappedKey> {
  const { client, mount, key, keyRef } = state;
  const ciphertext = findCiphertext(state, request.wrapped);
  if (ciphertext === null) throw new SealError('KEY_REFUSED', { fields: { keyRef, reason: 'another key' } });
  await assertFit(state);
  const body = toJson({ ciphertext, context: toDerivation(request.context) });
  const reply = await client.call({ method: 'POST', path: `${mount}/rewrap/${key}`, body }, ciphertextReply);
  return toWrapped(state, reply.data.ciphertext);
}

async function rotate(state: State): Promise<string> {
  await assertFit(state);
  const { client, mount, key } = state;
  await client.call({ method: 'POST', path: `${mount}/keys/${key}/rotate`, body: toJson({}) }, anyReply);
  return String((await readKey(state)).latest_version);
}

/**
 * Vault disables all versions below one, so that they are disabled from the oldest on.
 * @throws SealError KEY_REFUSED while an older version is enabled
 */
async function disable(state: State, asked: string): Promise<void> {
  const { client, mount, key, keyRef } = state;
  const { latest_version: latest, min_decryption_version: oldest } = await readKey(state);
  const fields = { keyRef, version: asked.slice(0, 16) };
  const number = VERSION.test(asked) ? Number(asked) : 0;
  if (number === latest) throw new SealError('KEY_VERSION_CURRENT', { fields });
  if (number === 0 || number > latest) throw new SealError('KEY_VERSION_GONE', { fields });
  if (number < oldest) return;
  if (number > Math.max(1, oldest)) {
    const message = 'Vault disables versions from the oldest on: disable the older ones first.';
    throw new SealError('KEY_REFUSED', { message, fields });
  }
  const body = toJson({ min_decryption_version: number + 1 });
  await client.call({ method: 'POST', path: `${mount}/keys/${key}/config`, body }, anyReply);
}

async function describe(state: State): Promise<KeyDescription> {
  const { latest_version: latest, min_decryption_version: oldest, keys } = await readKey(state);
  const numbers = Object.keys(keys)
    .map(Number)
    .sort((a, b) => a - b)
    .slice(-SEAL_LIMITS.keyVersionsMax);
  return {
    type: TYPE,
    keyRef: state.keyRef,
    currentVersion: String(latest),
    versions: numbers.map((number) => ({
      version: String(number),
      createdAt: toTime(keys[String(number)]),
      state: number < oldest ? 'disabled' : 'enabled',
    })),
    standing: null,
  };
}

function toTime(seconds: unknown): string | null {
  const isTime = typeof seconds === 'number' && seconds > 0 && seconds < 8e9;
  return isTime ? new Date(seconds * 1000).toISOString() : null;
}
