/** The `age:` key provider: the way back in when every service is gone. What it wraps, `age -d` opens. */
import { createHash } from 'node:crypto';
import { isEqualConstantTime, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { Random } from '../../../core/ports.ts';
import type { KeyContext, KeyProvider, WrappedKey } from '../../../seal/ports.ts';
import { toBoundBytes } from '../kek.ts';
import { decryptAgeFile, encryptAgeFile } from './file.ts';
import type { Stanza } from './format.ts';
import { withIdentities } from './identity.ts';
import { findRecipient, toPublicKey, toRecipientText } from './x25519.ts';

const TYPE = 'age';
/** A key pair of age has no versions: another pair is another recipient. */
const VERSION = '1';
const CONTEXT_STANZA = 'modelward-context';

export interface AgeKeyOptions {
  /** `age1…`; may be left out where the identity file says it. */
  readonly recipient?: string;
  /** A file with one `AGE-SECRET-KEY-1…`; without it, the provider wraps only. */
  readonly identityPath?: string;
  readonly random: Random;
}

/**
 * A provider over one X25519 recipient. The wrapped key is an armored age file whose plaintext is the data key and
 * nothing else. age has no associated data; the context enters as the SHA-256 of its canonical form in a stanza of our
 * own, which age programs skip and the header's MAC, made with the file key, covers.
 *
 * The identity file is read anew for every unwrapping, so that no key stays in memory between calls.
 * @throws SealError KEY_URI_INVALID for what is no recipient, or not the one of the identity file; KEY_STORE_MISSING |
 *   KEY_STORE_UNSAFE | KEY_STORE_INVALID for the identity file
 */
export function openAgeKey(options: AgeKeyOptions): KeyProvider {
  const recipient = toRecipient(options);
  const publicKey = findRecipient(recipient);
  if (publicKey === undefined) throw toUriError('This is no X25519 recipient of age.');
  return {
    wrapKey: ({ dek, context }) =>
      settle(() => {
        const extra = toContextStanza(context, recipient);
        const wrapped = encryptAgeFile({ plain: dek, publicKey, extra, random: options.random });
        return { type: TYPE, keyRef: recipient, keyVersion: VERSION, wrapped };
      }),
    unwrapKey: ({ wrapped, context }) => settle(() => unwrap(wrapped, context, { recipient, options })),
    describe: () =>
      Promise.resolve({
        type: TYPE,
        keyRef: recipient,
        currentVersion: VERSION,
        versions: [{ version: VERSION, createdAt: null, state: 'enabled' }],
        standing: 'break-glass: keep the identity offline',
      }),
  };
}

function toRecipient({ recipient, identityPath }: AgeKeyOptions): string {
  if (identityPath === undefined) {
    if (recipient === undefined) throw new TypeError('an age key needs a recipient or an identity file');
    return recipient;
  }
  const owned = withIdentities(identityPath, (secrets) =>
    secrets.map((secret) => toRecipientText(toPublicKey(secret))),
  );
  if (recipient === undefined && owned.length > 1)
    throw toUriError('The identity file holds several: name the recipient.');
  if (recipient !== undefined && !owned.includes(recipient))
    throw toUriError('The identity file is of another recipient.');
  return recipient ?? owned[0];
}

function toUriError(message: string): SealError {
  return new SealError('KEY_URI_INVALID', { message });
}

function unwrap(
  key: WrappedKey,
  context: KeyContext,
  { recipient, options }: { recipient: string; options: AgeKeyOptions },
): Uint8Array | null {
  if (key.type !== TYPE || key.keyRef !== recipient) return null;
  const fields = { keyRef: recipient, keyVersion: key.keyVersion };
  const { identityPath } = options;
  if (identityPath === undefined) {
    throw new SealError('KEY_REFUSED', { message: 'Only the recipient is at hand, not its identity file.', fields });
  }
  if (key.keyVersion !== VERSION) throw new SealError('KEY_VERSION_GONE', { fields });
  if (key.wrapped.length > SEAL_LIMITS.wrappedBytesMax) throw new SealError('KEY_REFUSED', { fields });
  const opened = withIdentities(identityPath, (secrets) =>
    secrets.map((secret) => decryptAgeFile(key.wrapped, secret)).find((each) => each !== null),
  );
  if (opened === undefined) throw new SealError('KEY_REFUSED', { fields });
  if (isBoundTo(opened.stanzas, toContextStanza(context, recipient))) return opened.plain;
  zeroize(opened.plain);
  throw new SealError('KEY_REFUSED', { fields });
}

function toContextStanza(context: KeyContext, recipient: string): Stanza {
  const bound = toBoundBytes({ type: TYPE, keyRef: recipient, keyVersion: VERSION }, context);
  return { type: CONTEXT_STANZA, args: [], body: createHash('sha256').update(bound).digest() };
}

function isBoundTo(stanzas: readonly Stanza[], expected: Stanza): boolean {
  const found = stanzas.filter(({ type }) => type === expected.type);
  return found.length === 1 && found[0].args.length === 0 && isEqualConstantTime(found[0].body, expected.body);
}

/** Turns a synchronous call into a promise, its exception into a rejection. */
function settle<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(call());
  });
}
