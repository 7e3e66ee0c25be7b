/** The `passphrase:` key provider: KEKs in a file, closed under a passphrase that a person knows. */
import { allocSecret, toBase64, toHex, zeroize } from '../../../core/bytes.ts';
import { toCanonicalJsonBytes } from '../../../core/canonical-json.ts';
import { SealError } from '../../../core/errors.ts';
import type { Clock, Random } from '../../../core/ports.ts';
import type { KeyProvider } from '../../../seal/ports.ts';
import { findUnder, KEK_BYTES, sealUnder } from '../kek.ts';
import { openKeyring, toCurrent } from '../keyring.ts';
import { createPrivateFile, updatePrivateFile, withPrivateFile } from '../private-file.ts';
import { assertLongPassphrase, derivePassphraseKey } from './derive.ts';
import {
  encodePassphraseFile,
  type Kdf,
  type PassphraseRing,
  type PassphraseVersion,
  parsePassphraseFile,
  SALT_BYTES,
} from './key-file.ts';

const TYPE = 'passphrase';
export const PASSPHRASE_STANDING = 'as strong as the passphrase: whoever has the file can guess';
const LOG_N_DEFAULT = 17;

/** A passphrase key can do all but rewrap by itself. */
export type PassphraseKey = Required<Omit<KeyProvider, 'rewrapKey'>>;

export interface PassphraseKeyOptions {
  readonly path: string;
  readonly random: Random;
  readonly clock: Clock;
  /** Asks for the passphrase, twice when it is new; what it gives is wiped here. */
  readonly askPassphrase: (request: { readonly isNew: boolean }) => Promise<Uint8Array>;
}

/**
 * Makes a file with one version; its folder must exist.
 * @param logN cost of scrypt, 14 to 19
 * @throws SealError KEY_STORE_EXISTS | KEY_STORE_UNWRITABLE | SIGN_PASSPHRASE_SHORT
 */
export async function createPassphraseKey(
  options: PassphraseKeyOptions,
  { logN = LOG_N_DEFAULT }: { readonly logN?: number } = {},
): Promise<PassphraseKey> {
  const { random } = options;
  const id = new Uint8Array(16);
  random.fill(id);
  const salt = new Uint8Array(SALT_BYTES);
  random.fill(salt);
  const blank: PassphraseRing = { keyId: toHex(id), kdf: { name: 'scrypt', logN, r: 8, p: 1, salt }, versions: [] };
  const key = await askNew(options, blank.kdf);
  try {
    const first = makeVersion(blank, 1, { key, options });
    createPrivateFile(options.path, encodePassphraseFile({ ...blank, versions: [first] }));
  } catch (error) {
    zeroize(key);
    throw error;
  }
  return openHolding(options, holdKey(options, { of: toKdfText(blank.kdf), key: Promise.resolve(key) }));
}

async function askNew(options: PassphraseKeyOptions, kdf: Kdf): Promise<Uint8Array> {
  const passphrase = await options.askPassphrase({ isNew: true });
  try {
    assertLongPassphrase(passphrase);
    return await derivePassphraseKey(passphrase, kdf);
  } finally {
    zeroize(passphrase);
  }
}

/**
 * Opens a file; the passphrase is asked for when a key is first used. What scrypt makes of it, 32 bytes, stays in memory
 * until `close`, so that a person is asked once; the passphrase itself does not.
 * @throws SealError KEY_STORE_MISSING | KEY_STORE_UNSAFE | KEY_STORE_INVALID
 */
export function openPassphraseKey(options: PassphraseKeyOptions): PassphraseKey {
  readPassphraseKeyId(options.path);
  return openHolding(options, holdKey(options));
}

function openHolding(options: PassphraseKeyOptions, held: HeldKey): PassphraseKey {
  const read = (): PassphraseRing => withPrivateFile(options.path, parsePassphraseFile);
  return openKeyring<PassphraseRing>({
    type: TYPE,
    standing: PASSPHRASE_STANDING,
    random: options.random,
    read,
    update: (change) => {
      updatePrivateFile(options.path, () => encodePassphraseFile(change(read())));
    },
    openKek: (ring, version) => openHeld(ring, version, held),
    makeVersion: async (ring, version) => {
      // A mistyped passphrase must not close a new version: it opens the current one first.
      zeroize(await openHeld(ring, toCurrent(ring), held));
      return makeVersion(ring, version, { key: await held.get(ring.kdf), options });
    },
    check: () => Promise.resolve(),
    close: held.wipe,
  });
}

/** The `keyRef` of a file. @throws SealError as {@link openPassphraseKey} */
export function readPassphraseKeyId(path: string): string {
  return withPrivateFile(path, parsePassphraseFile).keyId;
}

interface HeldKey {
  readonly get: (kdf: Kdf) => Promise<Uint8Array>;
  readonly wipe: () => Promise<void>;
}

interface KnownKey {
  /** Salt and cost, as {@link toKdfText} writes them. */
  readonly of: string;
  readonly key: Promise<Uint8Array>;
}

function toKdfText({ logN, p, salt }: Kdf): string {
  return `${logN} ${p} ${toBase64(salt)}`;
}

/** Asks and derives once per salt and cost, however many calls wait for it, and again after `wipe` or a failure. */
function holdKey({ askPassphrase }: PassphraseKeyOptions, known?: KnownKey): HeldKey {
  let held = known;
  const wipe = async (): Promise<void> => {
    const last = held;
    held = undefined;
    const key = await last?.key.catch(() => undefined);
    if (key !== undefined) zeroize(key);
  };
  const isHeld = (key: Promise<Uint8Array>): boolean => held?.key === key;
  const ask = async (kdf: Kdf): Promise<Uint8Array> => {
    const passphrase = await askPassphrase({ isNew: false });
    try {
      return await derivePassphraseKey(passphrase, kdf);
    } finally {
      zeroize(passphrase);
    }
  };
  return {
    wipe,
    get: async (kdf) => {
      const of = toKdfText(kdf);
      if (held?.of !== of) {
        await wipe();
        held ??= { of, key: ask(kdf) };
      }
      const { key } = held;
      try {
        return await key;
      } catch (error) {
        if (isHeld(key)) held = undefined;
        throw error;
      }
    },
  };
}

function makeVersion(
  ring: PassphraseRing,
  version: number,
  { key, options: { random, clock } }: { key: Uint8Array; options: PassphraseKeyOptions },
): PassphraseVersion {
  const kek = allocSecret(KEK_BYTES);
  random.fill(kek);
  try {
    const box = sealUnder(key, kek, { aad: toBoxAad(ring, version), random });
    return { version, createdAt: new Date(clock.nowMs()).toISOString(), box };
  } finally {
    zeroize(kek);
  }
}

/**
 * The KEK of a version. A passphrase that does not fit is asked for again the next time.
 * @throws SealError KEY_REFUSED for a wrong passphrase or an altered file, which look alike
 */
async function openHeld(ring: PassphraseRing, { version, box }: PassphraseVersion, held: HeldKey): Promise<Uint8Array> {
  const kek = findUnder(await held.get(ring.kdf), box, toBoxAad(ring, version));
  if (kek !== undefined) return kek;
  await held.wipe();
  const message = 'The passphrase is wrong, or the key file was altered.';
  throw new SealError('KEY_REFUSED', { message, fields: { keyRef: ring.keyId, keyVersion: String(version) } });
}

function toBoxAad({ keyId, kdf }: PassphraseRing, version: number): Uint8Array {
  const box = { v: 1, type: TYPE, keyId, version, kdf: { ...kdf, salt: toBase64(kdf.salt) } };
  return toCanonicalJsonBytes(box);
}
