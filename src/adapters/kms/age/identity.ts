/** The identity file of age: what `age-keygen` writes, readable by its owner only. */
import { allocSecret, concatBytes, utf8, zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Clock, Random } from '../../../core/ports.ts';
import { createPrivateFile, withPrivateFile } from '../private-file.ts';
import { encodeIdentity, findIdentity, toPublicKey, toRecipientText, X25519_BYTES } from './x25519.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const HASH = 0x23;

/**
 * Makes an identity file as `age-keygen` would, mode 0600.
 * @returns the recipient, `age1…`, to be given to whoever wraps
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE
 */
export function createAgeIdentity(options: { path: string; random: Random; clock: Clock }): string {
  const secret = allocSecret(X25519_BYTES);
  options.random.fill(secret);
  const identity = encodeIdentity(secret);
  try {
    const recipient = toRecipientText(toPublicKey(secret));
    const created = new Date(options.clock.nowMs()).toISOString();
    const head = utf8(`# created: ${created}\n# public key: ${recipient}\n`);
    createPrivateFile(options.path, concatBytes(head, identity, Uint8Array.of(LINE_FEED)));
    return recipient;
  } finally {
    zeroize(secret, identity);
  }
}

/**
 * Calls `use` with the secret keys of an identity file, 32 bytes each, and wipes them afterwards.
 * @throws SealError KEY_STORE_MISSING | KEY_STORE_UNSAFE; KEY_STORE_INVALID for a line that is no X25519 identity
 */
export function withIdentities<T>(path: string, use: (secrets: readonly Uint8Array[]) => T): T {
  const secrets = withPrivateFile(path, parseIdentities);
  try {
    return use(secrets);
  } finally {
    zeroize(...secrets);
  }
}

function parseIdentities(bytes: Uint8Array): Uint8Array[] {
  const secrets: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = toLineEnd(bytes, start);
    const line = bytes.subarray(start, bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end);
    start = end + 1;
    if (line.length === 0 || line[0] === HASH) continue;
    const secret = findIdentity(line);
    if (secret !== undefined) secrets.push(secret);
    else {
      zeroize(...secrets);
      throw new SealError('KEY_STORE_INVALID');
    }
  }
  if (secrets.length === 0) throw new SealError('KEY_STORE_INVALID');
  return secrets;
}

function toLineEnd(bytes: Uint8Array, start: number): number {
  const end = bytes.indexOf(LINE_FEED, start);
  return end < 0 ? bytes.length : end;
}
