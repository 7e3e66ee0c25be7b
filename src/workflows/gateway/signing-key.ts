/** The key by which a gateway signs answers and checkpoints of its log: made once, kept in the home, stated in the ledger. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { allocSecret, concatBytes, toBase64, toHex, utf8, zeroize } from '../../core/bytes.ts';
import { GatewayError, SourceError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { Random } from '../../core/ports.ts';
import type { GatewaySigner } from '../../gateway/ports.ts';
import type { Storage } from '../../source/ports.ts';
import type { Home } from '../home.ts';
import type { Recorder } from '../recorder.ts';
import { writeBytes } from '../write-bytes.ts';

export interface GatewayKeyHolder {
  readonly storage: Storage;
  readonly home: Home;
  readonly random: Random;
  readonly recorder: Pick<Recorder, 'record' | 'actor' | 'reader'>;
}

export interface GatewayKey {
  readonly signer: GatewaySigner;
  /** Ed25519, private: for the thread of the log. */
  readonly privateKey: KeyObject;
  /** Ledger entry that states the public key. */
  readonly leafIndex: number;
}

/** What is noted of a key once the ledger states it. */
const noteShape = z.strictObject({
  v: z.literal(1),
  keyId: z.string().regex(/^[0-9a-f]{64}$/),
  leafIndex: z.int().min(0),
});

// DER of everything before the 32 bytes of the seed (RFC 8410 section 7).
const PKCS8_PREFIX = Uint8Array.from(Buffer.from('302e020100300506032b657004220420', 'hex'));
const SEED_BYTES = 32;

/**
 * The key of this home; on first use it is drawn, written to a file of mode 0600, and stated in the ledger.
 * @throws GatewayError GATEWAY_KEY_DAMAGED; LedgerError; SourceError
 */
export async function openGatewayKey(holder: GatewayKeyHolder): Promise<GatewayKey> {
  const { storage, home } = holder;
  const folder = join(home.root, 'gateway');
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
  const path = join(folder, 'signing.key');
  if (!storage.exists(path)) makeKey(holder, path);
  const privateKey = readKey(storage, path);
  const signer = toSigner(privateKey);
  const leafIndex = await state(holder, signer, join(folder, 'signing.json'));
  return { signer, privateKey, leafIndex };
}

/** PKCS#8 in PEM. Of two processes that begin at once, the first one's key stays. */
function makeKey({ storage, random }: GatewayKeyHolder, path: string): void {
  const seed = allocSecret(SEED_BYTES);
  random.fill(seed);
  const der = concatBytes(PKCS8_PREFIX, seed);
  const pem = utf8(`-----BEGIN PRIVATE KEY-----\n${toBase64(der)}\n-----END PRIVATE KEY-----\n`);
  try {
    writeBytes(storage, { path, mode: 0o600, bytes: pem, replace: false });
  } catch (error) {
    if (!(error instanceof SourceError && error.code === 'WRITE_EXISTS')) throw error;
  } finally {
    zeroize(seed, der, pem);
  }
}

function readKey(storage: Storage, path: string): KeyObject {
  const pem = storage.read(path);
  try {
    const key = createPrivateKey({ key: Buffer.from(pem.buffer, pem.byteOffset, pem.length), format: 'pem' });
    if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('no Ed25519 key');
    return key;
  } catch (cause) {
    throw new GatewayError('GATEWAY_KEY_DAMAGED', { fields: { file: 'signing.key' }, cause });
  } finally {
    zeroize(pem);
  }
}

function toSigner(privateKey: KeyObject): GatewaySigner {
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }));
  return {
    keyId: toHex(sha256(publicKey)),
    publicKey,
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

/** A process that was killed between entry and note leaves a second entry of the same key, which says the same. */
async function state(
  { storage, recorder }: GatewayKeyHolder,
  { keyId, publicKey }: GatewaySigner,
  path: string,
): Promise<number> {
  if (storage.exists(path)) return readStatement({ storage, recorder }, { keyId, path });
  const { firstIndex: leafIndex } = await recorder.record([
    {
      type: 'gateway-key',
      actor: recorder.actor,
      subject: 'gateway',
      digests: { key: keyId },
      detail: { publicKey: toBase64(publicKey) },
    },
  ]);
  const note = { v: 1, keyId, leafIndex };
  writeBytes(storage, { path, mode: 0o644, bytes: utf8(`${JSON.stringify(note)}\n`) });
  return leafIndex;
}

/** The entry that states the key, held against the key that is there. */
function readStatement(
  { storage, recorder }: Pick<GatewayKeyHolder, 'storage' | 'recorder'>,
  { keyId, path }: { readonly keyId: string; readonly path: string },
): number {
  const note = noteShape.safeParse(findJson(storage.read(path)));
  const reader = recorder.reader();
  const isStated = note.success && note.data.keyId === keyId && note.data.leafIndex < reader.head.size;
  const entry = isStated ? reader.read(note.data.leafIndex) : null;
  if (entry?.type !== 'gateway-key' || entry.digests.key !== keyId) {
    throw new GatewayError('GATEWAY_KEY_DAMAGED', { fields: { file: 'signing.json', key: keyId } });
  }
  return entry.seq;
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
