/**
 * AWS KMS as key provider: Encrypt, Decrypt and ReEncrypt with the context as encryption context.
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/
 */
import { z } from 'zod';
import { findBase64Bytes, toBase64 } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Pause } from '../../../core/ports.ts';
import type {
  KeyContext,
  KeyDescription,
  KeyProvider,
  KeyVersionDescription,
  WrappedKey,
} from '../../../seal/ports.ts';
import { toSecretJson } from '../secret-json.ts';
import { callForSecret, toJson } from '../rest.ts';
import { toMalformed } from '../service.ts';
import type { AwsClient } from './client.ts';
import { type AwsKey, describeAwsKey, listAwsVersions } from './key.ts';
import {
  type AwsName,
  type AwsVersion,
  findAwsName,
  isSameKey,
  parseVersionName,
  toArn,
  toVersionName,
} from './names.ts';

const TYPE = 'aws-kms';
/** Longest ciphertext that Decrypt takes. */
const CIPHERTEXT_BYTES_MAX = 6144;
/** A rotation on demand takes seconds; after a minute it is left to itself. */
const ROTATION_POLLS = 30;
const ROTATION_POLL_MS = 2000;
/** A rotation between two looks at the key is seen by the next look; three in a row are no chance. */
const WRAP_ATTEMPTS = 3;

export interface AwsKmsOptions {
  readonly client: AwsClient;
  /** Key id, alias, or the ARN of either. */
  readonly key: string;
  /** Ids of the keys that an alias led to before: only these, and the one that it leads to now, open anything. */
  readonly also: readonly string[];
  readonly pause: Pause;
}

interface State extends AwsKmsOptions {
  /** The key's name with its place, once it is known. */
  name: AwsName | undefined;
  /** Material that was last seen as the current one of a key ARN. */
  readonly seen: Map<string, string>;
}

const encryptReply = z.object({ CiphertextBlob: z.base64(), KeyId: z.string() });
const decryptReply = z.object({ KeyId: z.string().optional(), KeyMaterialId: z.string().optional() });
const reEncryptReply = z.object({
  CiphertextBlob: z.base64(),
  KeyId: z.string(),
  SourceKeyId: z.string().optional(),
  SourceKeyMaterialId: z.string().optional(),
  DestinationKeyMaterialId: z.string().optional(),
});

/**
 * A key or an alias. What AWS cannot do is absent: the materials of one key cannot be disabled one by one, so only an
 * alias whose earlier keys are known, which can be, has `disableVersion`.
 */
export function createAwsKms(options: AwsKmsOptions): KeyProvider {
  const name = findAwsName(options.key);
  const state: State = { ...options, name, seen: new Map() };
  return {
    wrapKey: ({ dek, context }) => wrap(state, dek, context),
    unwrapKey: (request) => unwrap(state, request),
    rewrapKey: (request) => rewrap(state, request),
    describe: () => describe(state),
    rotate: () => rotate(state),
    ...(options.also.length > 0 && { disableVersion: (version: string) => disableKeyOf(state, version) }),
    close: () => {
      options.client.close();
      return Promise.resolve();
    },
  };
}

/** The name as the user gave it, with account and Region; asked of the service once where he gave no ARN. */
async function resolveName(state: State): Promise<AwsName> {
  return (state.name ??= withPlace(state.key, await describeAwsKey(state.client, state.key)));
}

function withPlace(key: string, { arn }: AwsKey): AwsName {
  const name = findAwsName(arn);
  if (name === undefined) throw toMalformed({ at: 'Arn' });
  return key.startsWith('alias/') ? { ...name, kind: 'alias', id: key } : name;
}

/** All three members, as they are: AWS compares them exactly and writes them to CloudTrail. */
function toEncryptionContext({ sealId, model, purpose }: KeyContext): Readonly<Record<string, string>> {
  return { sealId, model, purpose };
}

async function wrap(state: State, dek: Uint8Array, context: KeyContext): Promise<WrappedKey> {
  const { client, key } = state;
  const EncryptionContext = toEncryptionContext(context);
  return wrapUnderSeen(state, async () => {
    const members = { KeyId: key, EncryptionContext };
    const body = toSecretJson(members, { name: 'Plaintext', bytes: dek, kind: 'base64' });
    return client.call('Encrypt', body, encryptReply);
  });
}

/**
 * Encrypt does not tell which material it used. Materials follow each other and never come back: when the same one is
 * current before and after a call, the call used it.
 */
async function wrapUnderSeen(state: State, call: () => Promise<z.infer<typeof encryptReply>>): Promise<WrappedKey> {
  const { client, key, seen } = state;
  if (seen.size === 0) seeMaterial(state, await describeAwsKey(client, key));
  for (let attempt = 0; attempt < WRAP_ATTEMPTS; attempt++) {
    const { KeyId, CiphertextBlob } = await call();
    const before = seen.get(KeyId);
    const now = await describeAwsKey(client, KeyId);
    seeMaterial(state, now);
    if (before === now.material) return toWrapped(await resolveName(state), now, CiphertextBlob);
  }
  throw new SealError('KEY_PROVIDER_UNAVAILABLE', { fields: { reason: 'the key is being rotated' } });
}

function seeMaterial({ seen }: State, { arn, material }: AwsKey): void {
  seen.set(arn, material);
}

function toWrapped(name: AwsName, version: AwsVersion, ciphertext: string): WrappedKey {
  const wrapped = findBase64Bytes(ciphertext);
  if (wrapped === undefined || wrapped.length > CIPHERTEXT_BYTES_MAX) throw toMalformed({ at: 'CiphertextBlob' });
  return { type: TYPE, keyRef: toArn(name), keyVersion: toVersionName(name, version), wrapped };
}

interface UnwrapRequest {
  readonly wrapped: WrappedKey;
  readonly context: KeyContext;
}

interface NamedVersion extends AwsVersion {
  /** Of the key itself, never of an alias. */
  readonly arn: string;
  /** What the service is told to open with: the envelope does not choose it. */
  readonly openWith: string;
}

/** The version that a wrapped key of ours names; null for a key of another. */
async function findVersion(state: State, wrapped: WrappedKey): Promise<NamedVersion | null> {
  const asked = findAwsName(wrapped.keyRef);
  if (wrapped.type !== TYPE || asked === undefined) return null;
  const name = await resolveName(state);
  if (!isSameKey(name, asked)) return null;
  const version = parseVersionName(name, wrapped.keyVersion);
  if (wrapped.wrapped.length === 0 || wrapped.wrapped.length > CIPHERTEXT_BYTES_MAX) {
    throw toRefusal(name, 'length');
  }
  const arn = toArn({ ...name, kind: 'key', id: version.keyId });
  // Whoever writes an envelope writes the id in it. The service itself follows an alias to the key that it leads to now.
  const isNamed = name.kind === 'key' || state.also.includes(version.keyId);
  return { ...version, arn, openWith: isNamed ? arn : toArn(name) };
}

/** That the service opened with the key that the version names. */
function assertKey(state: State, { keyId }: NamedVersion, told: string | undefined): void {
  if (told === undefined || findAwsName(told)?.id !== keyId) {
    throw new SealError('KEY_REFUSED', { fields: { keyRef: state.key, reason: 'another key' } });
  }
}

const FORMER =
  'The wrapped key is of another key than the one that the alias leads to now. If it led there before, name that key with also=KEYID.';

/** The service's refusal of a ciphertext of another key, in words that tell what to do. */
function toFormer(state: State, error: unknown): unknown {
  const isOther = error instanceof SealError && error.fields.reason === 'IncorrectKeyException';
  if (!isOther || state.name?.kind !== 'alias') return error;
  return new SealError('KEY_REFUSED', { message: FORMER, fields: error.fields, cause: error });
}

async function unwrap(state: State, request: UnwrapRequest): Promise<Uint8Array | null> {
  const version = await findVersion(state, request.wrapped);
  if (version === null) return null;
  const body = toJson({
    // Named although the ciphertext names it, too: else whoever wrote the ciphertext could choose the key.
    KeyId: version.openWith,
    CiphertextBlob: toBase64(request.wrapped.wrapped),
    EncryptionContext: toEncryptionContext(request.context),
  });
  return callForSecret(
    (take) => goneIfMissing(state.client.call('Decrypt', body, decryptReply, take)),
    { name: 'Plaintext', kind: 'base64' },
    async ({ KeyId, KeyMaterialId }) => {
      assertKey(state, version, KeyId);
      await assertMaterial(state, version, KeyMaterialId);
    },
  ).catch((error: unknown) => {
    throw toFormer(state, error);
  });
}

async function rewrap(state: State, request: UnwrapRequest): Promise<WrappedKey> {
  const version = await findVersion(state, request.wrapped);
  if (version === null) throw toRefusal(await resolveName(state), 'another key');
  const EncryptionContext = toEncryptionContext(request.context);
  const members = {
    SourceKeyId: version.openWith,
    DestinationKeyId: state.key,
    CiphertextBlob: toBase64(request.wrapped.wrapped),
    SourceEncryptionContext: EncryptionContext,
    DestinationEncryptionContext: EncryptionContext,
  };
  return wrapUnderSeen(state, async () => {
    const reply = await goneIfMissing(state.client.call('ReEncrypt', toJson(members), reEncryptReply)).catch(
      (error: unknown) => {
        throw toFormer(state, error);
      },
    );
    assertKey(state, version, reply.SourceKeyId);
    await assertMaterial(state, version, reply.SourceKeyMaterialId);
    return reply;
  });
}

/** Where the service tells which material opened the key, the label must agree; else it must be one that there is. */
async function assertMaterial(state: State, version: NamedVersion, told: string | undefined): Promise<void> {
  if (told === version.material) return;
  const name = await resolveName(state);
  if (told !== undefined) throw toRefusal(name, 'another material');
  const now = await describeAwsKey(state.client, version.arn);
  if (now.isMaterialTold || Number(version.material) > Number(now.material)) {
    throw new SealError('KEY_VERSION_GONE', { fields: { keyRef: toArn(name) } });
  }
}

function toRefusal(name: AwsName, reason: string): SealError {
  return new SealError('KEY_REFUSED', { fields: { keyRef: toArn(name), reason } });
}

/** For a wrapped key that names a key which the service does not know, the version is gone. */
async function goneIfMissing<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof SealError) || error.code !== 'KEY_SERVICE_MISSING') throw error;
    throw new SealError('KEY_VERSION_GONE', { fields: error.fields });
  }
}

async function rotate(state: State): Promise<string> {
  const { client, key, pause } = state;
  const before = await describeAwsKey(client, key);
  await client.call('RotateKeyOnDemand', toJson({ KeyId: before.keyId }), z.object({}));
  for (let poll = 0; poll < ROTATION_POLLS; poll++) {
    const now = await describeAwsKey(client, before.arn);
    seeMaterial(state, now);
    if (now.material !== before.material) return toVersionName(await resolveName(state), now);
    await pause(ROTATION_POLL_MS);
  }
  throw new SealError('KEY_PROVIDER_UNAVAILABLE', {
    message: 'AWS KMS started the rotation and has not finished it yet.',
    fields: { keyRef: before.arn },
  });
}

/** Disables the whole key that the alias once led to. @throws SealError KEY_VERSION_GONE for one that was not named */
async function disableKeyOf(state: State, version: string): Promise<void> {
  const { client, key, also } = state;
  const name = await resolveName(state);
  const { keyId } = parseVersionName(name, version);
  const current = await describeAwsKey(client, key);
  const fields = { keyRef: toArn(name), version };
  if (keyId === current.keyId) {
    throw new SealError('KEY_VERSION_CURRENT', {
      message: 'AWS KMS keeps all materials of a key usable: point the alias at a new key first.',
      fields,
    });
  }
  if (!also.includes(keyId)) throw new SealError('KEY_VERSION_GONE', { fields });
  await goneIfMissing(client.call('DisableKey', toJson({ KeyId: keyId }), z.unknown()));
}

const ALIAS_STANDING =
  'alias: of the keys that it led to before, those named with also=KEYID open and can be ended; earlier materials of its key cannot';

/** An alias's earlier keys are those that were named; with them, the versions are what can be ended: whole keys. */
async function describe(state: State): Promise<KeyDescription> {
  const { client, also } = state;
  const key = await describeAwsKey(client, state.key);
  const name = (state.name ??= withPlace(state.key, key));
  const ids = [...new Set(also)].filter((id) => id !== key.keyId);
  const versions: KeyVersionDescription[] = [];
  for (const id of ids) {
    const former = await describeAwsKey(client, toArn({ ...name, kind: 'key', id }));
    versions.push(...(await listNamed(state, name, former)));
  }
  const own = await listNamed(state, name, key);
  const currentVersion = toVersionName(name, key);
  versions.push(...own.filter(({ version }) => also.length === 0 || version === currentVersion));
  const standing = name.kind === 'alias' ? ALIAS_STANDING : null;
  return { type: TYPE, keyRef: toArn(name), currentVersion, versions, standing };
}

async function listNamed({ client }: State, name: AwsName, key: AwsKey): Promise<KeyVersionDescription[]> {
  const { keyId, state } = key;
  return (await listAwsVersions(client, key)).map(({ material, createdAt }) => {
    return { version: toVersionName(name, { keyId, material }), createdAt, state };
  });
}
