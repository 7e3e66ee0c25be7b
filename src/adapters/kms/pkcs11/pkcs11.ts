/** The `pkcs11:` key provider: AES-256-GCM inside a token, by a key that cannot leave it (PKCS#11 2.40, RFC 7512). */
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { Clock } from '../../../core/ports.ts';
import type { KeyContext, KeyDescription, KeyProvider, Pkcs11Uri, WrappedKey } from '../../../seal/ports.ts';
import { toBoundBytes } from '../kek.ts';
import { toFailure } from './failures.ts';
import { encryptOnToken, findOnToken } from './gcm.ts';
import { findNames, isAgreeing, type TokenNames, toKeyRef } from './names.ts';
import { openTokenSession, type TokenSession } from './token.ts';
import { disable, findCurrent, generateVersion, listVersions, toNextId, type TokenKey } from './versions.ts';

const TYPE = 'pkcs11';

export interface Pkcs11KeyOptions {
  readonly uri: Pkcs11Uri;
  readonly clock: Clock;
  /** The user's PIN as UTF-8; what it gives is wiped here. */
  readonly readPin: () => Promise<Uint8Array>;
}

/**
 * A key on a token. The versions are the objects with the URI's `object` as label; a URI with an `id` names one of them,
 * and then there is no rotation. The session stays open, logged in, until `close`, so that the PIN is asked for once;
 * after an outage it is opened anew. Calls into the token block this process while they run.
 */
export function openPkcs11Key(options: Pkcs11KeyOptions): KeyProvider {
  const held = holdSession(options);
  const naming = options.uri.attributes;
  const isPinned = naming.id !== undefined;
  return {
    wrapKey: ({ dek, context }) => held.use((token) => wrap(token, dek, { context, uri: options.uri })),
    unwrapKey: (request) => unwrap(held, request, options.uri),
    describe: () => held.use((token) => describe(token, options.uri)),
    ...(isPinned ? {} : { rotate: () => held.use((token) => rotate(token, options)) }),
    disableVersion: (version) =>
      held.use((token) => {
        disable(token, findDisablable(listVersions(token, naming), version));
      }),
    close: held.end,
  };
}

/** Makes the first version where there is none. @throws SealError as the provider's methods */
export async function ensurePkcs11Key(options: Pkcs11KeyOptions): Promise<void> {
  const held = holdSession(options);
  try {
    await held.use((token) => {
      if (listVersions(token, options.uri.attributes).length === 0) rotate(token, options);
    });
  } finally {
    await held.end();
  }
}

interface HeldSession {
  readonly use: <T>(act: (token: TokenSession) => T) => Promise<T>;
  readonly end: () => Promise<void>;
}

/** One session for all calls; it is dropped with an outage, and opened anew by the next call. */
function holdSession(options: Pkcs11KeyOptions): HeldSession {
  let held: Promise<TokenSession> | undefined;
  const end = async (): Promise<void> => {
    const last = held;
    held = undefined;
    const token = await last?.catch(() => undefined);
    token?.end();
  };
  return {
    end,
    use: async (act) => {
      held ??= openTokenSession(options);
      try {
        return act(await held);
      } catch (error) {
        const failure = toFailure(error);
        const isLasting = failure instanceof SealError && failure.code !== 'KEY_PROVIDER_UNAVAILABLE';
        if (!isLasting) await end();
        throw failure;
      }
    },
  };
}

function wrap(
  token: TokenSession,
  dek: Uint8Array,
  { context, uri }: { context: KeyContext; uri: Pkcs11Uri },
): WrappedKey {
  const current = toCurrent(listVersions(token, uri.attributes));
  const name = { type: TYPE, keyRef: toKeyRef(toNames(token, current)), keyVersion: current.version };
  const wrapped = encryptOnToken(token, dek, { key: current.handle, aad: toBoundBytes(name, context) });
  return { ...name, wrapped };
}

/** The names of a key as its token has them, however a URI spells it: a rotation counts by them what hangs on the key. */
function toNames({ tokenLabel }: TokenSession, { label, version }: TokenKey): TokenNames {
  return label === '' ? { token: tokenLabel, id: version } : { token: tokenLabel, object: label };
}

/**
 * Envelopes of before the names came from the token say what the URI said that they were made with: what they say has to agree.
 * They are bound to the name that they carry.
 */
async function unwrap(
  held: HeldSession,
  { wrapped: key, context }: { readonly wrapped: WrappedKey; readonly context: KeyContext },
  uri: Pkcs11Uri,
): Promise<Uint8Array | null> {
  const { type, keyRef, keyVersion } = key;
  const said = findNames(keyRef);
  if (type !== TYPE || said === undefined || !isAgreeing(said, uri.attributes)) return null;
  return held.use((token) => {
    const keys = listVersions(token, uri.attributes);
    const object = uri.attributes.object ?? keys[0]?.label;
    if (!isAgreeing(said, { token: token.tokenLabel, object })) return null;
    // Cut to what an id can be: the text comes from the envelope.
    const fields = { keyRef, keyVersion: keyVersion.slice(0, 128) };
    const version = keys.find((each) => each.version === keyVersion);
    if (version?.isEnabled !== true) throw new SealError('KEY_VERSION_GONE', { fields });
    const isSized = key.wrapped.length <= SEAL_LIMITS.wrappedBytesMax;
    if (!isSized || !isAgreeing(said, { id: keyVersion })) throw new SealError('KEY_REFUSED', { fields });
    const aad = toBoundBytes({ type: TYPE, keyRef, keyVersion }, context);
    const dek = findOnToken(token, key.wrapped, { key: version.handle, aad });
    if (dek === undefined) throw new SealError('KEY_REFUSED', { fields });
    return dek;
  });
}

function describe(token: TokenSession, uri: Pkcs11Uri): KeyDescription {
  const keys = listVersions(token, uri.attributes);
  const current = toCurrent(keys);
  return {
    type: TYPE,
    keyRef: toKeyRef(toNames(token, current)),
    currentVersion: current.version,
    versions: keys.map(({ version, createdAt, isEnabled }) => {
      return { version, createdAt, state: isEnabled ? 'enabled' : 'disabled' };
    }),
    standing: null,
  };
}

function rotate(token: TokenSession, { uri, clock }: Pkcs11KeyOptions): string {
  const { object: label, id } = uri.attributes;
  if (label === undefined) throw new SealError('KEY_SERVICE_MISSING', { fields: { id: id ?? null } });
  const day = new Date(clock.nowMs()).toISOString().slice(0, 'YYYY-MM-DD'.length);
  return generateVersion(token, { label, id: id ?? toNextId(listVersions(token, { object: label }), day) });
}

/** @throws SealError KEY_SERVICE_MISSING for no key; KEY_SERVICE_UNFIT when all of them are disabled */
function toCurrent(keys: readonly TokenKey[]): TokenKey {
  if (keys.length === 0) throw new SealError('KEY_SERVICE_MISSING');
  const current = findCurrent(keys);
  if (current === undefined) {
    throw new SealError('KEY_SERVICE_UNFIT', { message: 'Every version of the key on the token is disabled.' });
  }
  return current;
}

function findDisablable(keys: readonly TokenKey[], version: string): TokenKey {
  const found = keys.find((each) => each.version === version);
  const fields = { version: version.slice(0, 128) };
  if (found === undefined) throw new SealError('KEY_VERSION_GONE', { fields });
  if (found.version === findCurrent(keys)?.version) throw new SealError('KEY_VERSION_CURRENT', { fields });
  return found;
}
