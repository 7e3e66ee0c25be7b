/** The versions of a key on a token: AES-256 objects with one CKA_LABEL, told apart by CKA_ID. */
import type { Handle } from 'pkcs11js';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { Pkcs11Uri } from '../../../seal/ports.ts';
import { KEK_BYTES } from '../kek.ts';
import type { TokenSession } from './token.ts';

/** CKA_ID of a version that was made here, in hex: its number in 4 bytes, then the day as decimal digits, YYYYMMDD. */
const OWN_ID = /^([0-9a-f]{8})(\d{4})(0[1-9]|1[0-2])([0-2]\d|3[01])$/;
const NUMBER_MAX = 0xffffffffn;
const ID_BYTES_MAX = 64;

export interface TokenKey {
  readonly handle: Handle;
  /** CKA_ID in hex: the name of the version. */
  readonly version: string;
  /** CKA_LABEL; empty for none. */
  readonly label: string;
  /**
   * The day that stands in an id of ours; null for another id. CKA_START_DATE would be the place for it, but SoftHSM
   * cannot read it back from a private key.
   */
  readonly createdAt: string | null;
  /** False when CKA_ENCRYPT or CKA_DECRYPT was taken away. */
  readonly isEnabled: boolean;
}

/** Which objects a URI names. */
export type KeyNaming = Pick<Pkcs11Uri['attributes'], 'object' | 'id'>;

/**
 * Ascending by CKA_ID as a number; may be empty.
 * @throws SealError KEY_SERVICE_UNFIT for a key that is not AES-256, or can leave the token, and for two with one id
 */
export function listVersions(token: TokenSession, naming: KeyNaming): TokenKey[] {
  const keys = findHandles(token, naming).map((handle) => readKey(token, handle));
  keys.sort((a, b) => (toNumber(a.version) < toNumber(b.version) ? -1 : 1));
  const twin = keys.find(({ version }, at) => at > 0 && toNumber(version) === toNumber(keys[at - 1].version));
  if (twin !== undefined) throw toUnfit('Two keys on the token have the same label and id.', twin.version);
  return keys;
}

/** The version that wraps: the newest that is enabled. */
export function findCurrent(keys: readonly TokenKey[]): TokenKey | undefined {
  return keys.findLast(({ isEnabled }) => isEnabled);
}

/** Makes a version on the token; its bytes never leave it. Returns its name. */
export function generateVersion(token: TokenSession, at: { label: string; id: string }): string {
  const { bridge: c, api, session } = token;
  const handle = api.C_GenerateKey(session, { mechanism: c.CKM_AES_KEY_GEN }, [
    { type: c.CKA_CLASS, value: c.CKO_SECRET_KEY },
    { type: c.CKA_KEY_TYPE, value: c.CKK_AES },
    { type: c.CKA_VALUE_LEN, value: KEK_BYTES },
    ...[c.CKA_TOKEN, c.CKA_PRIVATE, c.CKA_SENSITIVE, c.CKA_ENCRYPT, c.CKA_DECRYPT].map((type) => ({
      type,
      value: true,
    })),
    { type: c.CKA_EXTRACTABLE, value: false },
    ...[c.CKA_WRAP, c.CKA_UNWRAP, c.CKA_SIGN, c.CKA_VERIFY].map((type) => ({ type, value: false })),
    { type: c.CKA_LABEL, value: at.label },
    { type: c.CKA_ID, value: Buffer.from(at.id, 'hex') },
  ]);
  if (findHandles(token, { object: at.label, id: at.id }).length === 1) return at.id;
  // Two rotated at once: both take theirs back, since nothing was wrapped under either.
  api.C_DestroyObject(session, handle);
  const message = 'Somebody else made the same version of the key at this moment.';
  throw new SealError('KEY_PROVIDER_UNAVAILABLE', { message, fields: { version: at.id } });
}

/** An id that is higher than all others, and tells the day. @param day YYYY-MM-DD */
export function toNextId(keys: readonly TokenKey[], day: string): string {
  const last = keys.at(-1)?.version ?? '00';
  const number = BigInt(`0x${OWN_ID.exec(last)?.[1] ?? last}`) + 1n;
  if (number <= NUMBER_MAX) return `${number.toString(16).padStart(8, '0')}${day.replaceAll('-', '')}`;
  const digits = number.toString(16);
  return digits.padStart(Math.max(last.length, digits.length + (digits.length % 2)), '0');
}

/** Takes the right to encrypt and decrypt away; the object stays, so that a mistake can be undone with its HSM's tools. */
export function disable({ bridge: c, api, session }: TokenSession, { handle }: TokenKey): void {
  api.C_SetAttributeValue(session, handle, [
    { type: c.CKA_ENCRYPT, value: false },
    { type: c.CKA_DECRYPT, value: false },
  ]);
}

function findHandles({ bridge: c, api, session }: TokenSession, { object, id }: KeyNaming): Handle[] {
  api.C_FindObjectsInit(session, [
    { type: c.CKA_CLASS, value: c.CKO_SECRET_KEY },
    { type: c.CKA_TOKEN, value: true },
    ...(object === undefined ? [] : [{ type: c.CKA_LABEL, value: object }]),
    ...(id === undefined ? [] : [{ type: c.CKA_ID, value: Buffer.from(id, 'hex') }]),
  ]);
  try {
    const found = api.C_FindObjects(session, SEAL_LIMITS.keyVersionsMax + 1);
    if (found.length > SEAL_LIMITS.keyVersionsMax) throw toUnfit('The token has too many keys of this name.', '');
    return found;
  } finally {
    api.C_FindObjectsFinal(session);
  }
}

function readKey({ bridge: c, api, session }: TokenSession, handle: Handle): TokenKey {
  const read = (type: number): Buffer => api.C_GetAttributeValue(session, handle, [{ type }])[0].value;
  const is = (type: number): boolean => read(type)[0] === 1;
  const version = read(c.CKA_ID).toString('hex');
  if (version === '' || version.length > 2 * ID_BYTES_MAX) throw toUnfit('A key of this name has no usable id.', '');
  if (toUnsigned(read(c.CKA_KEY_TYPE)) !== c.CKK_AES || toUnsigned(read(c.CKA_VALUE_LEN)) !== KEK_BYTES) {
    throw toUnfit('The key on the token is not AES-256.', version);
  }
  if (!is(c.CKA_SENSITIVE) || is(c.CKA_EXTRACTABLE)) throw toUnfit('The key can be read out of the token.', version);
  const isEnabled = is(c.CKA_ENCRYPT) && is(c.CKA_DECRYPT);
  const label = read(c.CKA_LABEL).toString('utf8');
  return { handle, version, label, createdAt: toInstant(version), isEnabled };
}

function toInstant(idHex: string): string | null {
  const match = OWN_ID.exec(idHex);
  if (match === null) return null;
  const at = Date.parse(`${match[2]}-${match[3]}-${match[4]}T00:00:00.000Z`);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}

/** An unsigned long of this machine. */
function toUnsigned(bytes: Buffer): number {
  return bytes.length < 4 ? -1 : bytes.readUInt32LE();
}

function toNumber(idHex: string): bigint {
  return BigInt(`0x${idHex}`);
}

function toUnfit(message: string, version: string): SealError {
  return new SealError('KEY_SERVICE_UNFIT', { message, fields: { version } });
}
