/** The token that a `pkcs11:` URI names, and a session on it with the user logged in. */
import type { Handle } from 'pkcs11js';
import { zeroize } from '../../../core/bytes.ts';
import { SealError } from '../../../core/errors.ts';
import type { Pkcs11Attribute, Pkcs11Uri } from '../../../seal/ports.ts';
import { loadBridge, type Pkcs11Module, toModulePath, useModule } from './bridge.ts';
import { toCkr, toFailure } from './failures.ts';

/** A session that is logged in; it lasts until `end`. */
export interface TokenSession extends Pkcs11Module {
  readonly session: Handle;
  /** CKA_LABEL of the token. */
  readonly tokenLabel: string;
  readonly end: () => void;
}

export interface OpenTokenOptions {
  readonly uri: Pkcs11Uri;
  /** The user's PIN as UTF-8; what it gives is wiped here. */
  readonly readPin: () => Promise<Uint8Array>;
}

/**
 * Opens a session, for reading and writing, and logs in once. The module keeps the login per process: a second session
 * on the same token finds itself logged in.
 * @throws SealError KEY_PACKAGE_MISSING | KEY_URI_INVALID | KEY_SERVICE_MISSING | KEY_PROVIDER_UNAVAILABLE |
 *   KEY_CREDENTIALS_REFUSED and those of `readPin`
 */
export async function openTokenSession({ uri, readPin }: OpenTokenOptions): Promise<TokenSession> {
  const path = toModulePath(uri);
  const used = useModule(await loadBridge(), path);
  const { bridge, api } = used;
  let session: Handle | undefined;
  const end = (): void => {
    closeQuietly(used, session);
    session = undefined;
    used.release();
  };
  try {
    const { slot, label } = findSlot(used, uri.attributes);
    session = api.C_OpenSession(slot, bridge.CKF_SERIAL_SESSION | bridge.CKF_RW_SESSION);
    await logIn(used, session, readPin);
    return { ...used, session, tokenLabel: label, end };
  } catch (error) {
    end();
    throw toFailure(error);
  }
}

function closeQuietly({ api }: Pkcs11Module, session: Handle | undefined): void {
  if (session === undefined) return;
  try {
    api.C_CloseSession(session);
  } catch {
    // A session of a token that was pulled out is closed already.
  }
}

async function logIn(
  { bridge, api }: Pkcs11Module,
  session: Handle,
  readPin: () => Promise<Uint8Array>,
): Promise<void> {
  if (USER_STATES.includes(api.C_GetSessionInfo(session).state)) return;
  const pin = await readPin();
  try {
    // The bridge takes the PIN as a string: this one copy lives until it is collected.
    api.C_Login(session, bridge.CKU_USER, Buffer.from(pin.buffer, pin.byteOffset, pin.length).toString('utf8'));
  } catch (error) {
    if (toCkr(error) !== 'CKR_USER_ALREADY_LOGGED_IN') throw error;
  } finally {
    zeroize(pin);
  }
}

/** CKS_RO_USER_FUNCTIONS and CKS_RW_USER_FUNCTIONS, which the bridge does not name. */
const USER_STATES: readonly number[] = [1, 3];

/** The one slot whose token fits all that the URI says. */
function findSlot(used: Pkcs11Module, wanted: Pkcs11Uri['attributes']): { slot: Handle; label: string } {
  const fitting = used.api
    .C_GetSlotList(true)
    .map((slot) => ({ slot, traits: readTraits(used, slot) }))
    .filter(({ traits }) => traits.token !== NOT_READY && isFitting(traits, wanted));
  if (fitting.length > 1) {
    const message = 'Several tokens fit the URI: add the label of the token, or its serial number.';
    throw new SealError('KEY_URI_INVALID', { message, fields: { scheme: 'pkcs11', part: 'token' } });
  }
  if (fitting.length === 0) {
    const message = 'No token fits the URI: it is not there, or not initialised.';
    throw new SealError('KEY_PROVIDER_UNAVAILABLE', { message });
  }
  const [{ slot, traits }] = fitting;
  return { slot, label: traits.token ?? '' };
}

type Traits = Readonly<Partial<Record<Pkcs11Attribute, string>>>;

function isFitting(traits: Traits, wanted: Pkcs11Uri['attributes']): boolean {
  return Object.entries(traits).every(([name, value]) => {
    const asked = wanted[name as Pkcs11Attribute];
    return asked === undefined || asked === value;
  });
}

/** Stands for the label of a token that was not initialised: it fits nothing. No label has it. */
const NOT_READY = '\0';

/** Texts of PKCS#11 are padded with blanks. */
function readTraits({ bridge, api }: Pkcs11Module, slot: Handle): Traits {
  const token = api.C_GetTokenInfo(slot);
  const place = api.C_GetSlotInfo(slot);
  const library = api.C_GetInfo();
  const isReady = (token.flags & bridge.CKF_TOKEN_INITIALIZED) !== 0;
  return {
    token: isReady ? token.label.trimEnd() : NOT_READY,
    manufacturer: token.manufacturerID.trimEnd(),
    serial: token.serialNumber.trimEnd(),
    model: token.model.trimEnd(),
    'slot-description': place.slotDescription.trimEnd(),
    'slot-manufacturer': place.manufacturerID.trimEnd(),
    'slot-id': String(toSlotId(slot)),
    'library-manufacturer': library.manufacturerID.trimEnd(),
    'library-description': library.libraryDescription.trimEnd(),
    'library-version': `${library.libraryVersion.major}.${library.libraryVersion.minor}`,
  };
}

/** The bridge hands out slot numbers as the bytes of an unsigned long of this machine. */
function toSlotId(slot: Handle): bigint {
  return slot.length === 8 ? slot.readBigUInt64LE() : BigInt(slot.readUInt32LE());
}
