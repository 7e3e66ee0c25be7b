/** Signs with an elliptic-curve key of a token that cannot leave it (PKCS#11 2.40, 6.3; RFC 7512). */
import { createHash, createPublicKey } from 'node:crypto';
import type { Handle } from 'pkcs11js';
import { concatBytes } from '../../../core/bytes.ts';
import { createDerReader, encodeDer, encodeOid, TAG } from '../../../core/der.ts';
import { SealError } from '../../../core/errors.ts';
import type { ModelSigner } from '../../../model-signing/ports.ts';
import type { Pkcs11Uri } from '../../../seal/ports.ts';
import { toFailure } from './failures.ts';
import { openTokenSession, type TokenSession } from './token.ts';

export interface OpenTokenSignerOptions {
  readonly uri: Pkcs11Uri;
  /** The user's PIN as UTF-8; what it gives is wiped here. */
  readonly readPin: () => Promise<Uint8Array>;
}

/** DER of the OID of a curve (CKA_EC_PARAMS), in hex: its hash, and the bytes of a coordinate. */
const CURVES: Readonly<Record<string, { readonly hash: string; readonly bytes: number } | undefined>> = {
  '06082a8648ce3d030107': { hash: 'sha256', bytes: 32 },
  '06052b81040022': { hash: 'sha384', bytes: 48 },
  '06052b81040023': { hash: 'sha512', bytes: 66 },
};

interface TokenPair {
  readonly handle: Handle;
  readonly publicKeyPem: string;
  readonly hash: string;
  readonly coordinateBytes: number;
}

/**
 * The one pair of private and public key that the URI names by label or id. The session stays open until `close`.
 * @throws SealError KEY_STORE_MISSING for no such pair; KEY_SERVICE_UNFIT for a key that can leave the token, or is on no curve of
 *   model signatures; KEY_URI_INVALID for several; and those of `openTokenSession`
 */
export async function openTokenSigner(
  options: OpenTokenSignerOptions,
): Promise<{ readonly signer: ModelSigner; close(): void }> {
  const token = await openTokenSession(options);
  try {
    const pair = findPair(token, options.uri);
    const { publicKeyPem } = pair;
    const sign = async (message: Uint8Array): Promise<Uint8Array> => {
      await Promise.resolve();
      return signOnToken(token, pair, message);
    };
    return { signer: { publicKeyPem, sign }, close: token.end };
  } catch (error) {
    token.end();
    throw toFailure(error);
  }
}

function findPair(token: TokenSession, uri: Pkcs11Uri): TokenPair {
  const { bridge: c } = token;
  const handles = findObjects(token, c.CKO_PRIVATE_KEY, uri.attributes);
  if (handles.length > 1) {
    const message = 'Several private keys fit the URI: name one by its id.';
    throw new SealError('KEY_URI_INVALID', { message, fields: { scheme: 'pkcs11', part: 'id' } });
  }
  if (handles.length === 0) throw toMissing('No private key on the token fits the URI.');
  const [handle] = handles;
  const read = (of: Handle, type: number): Buffer =>
    token.api.C_GetAttributeValue(token.session, of, [{ type }])[0].value;
  if (read(handle, c.CKA_EXTRACTABLE)[0] !== 0 || read(handle, c.CKA_SENSITIVE)[0] !== 1) {
    throw toUnfit('The private key can leave the token: make one that is sensitive and not extractable.');
  }
  // The public half has the same id (PKCS#11 2.40, 4.6.1): a private key does not say its point.
  const id = read(handle, c.CKA_ID).toString('hex');
  const publics = findObjects(token, c.CKO_PUBLIC_KEY, { id });
  if (id === '' || publics.length !== 1) throw toMissing('The token does not hold the public half with the same id.');
  const params = read(publics[0], c.CKA_EC_PARAMS);
  const curve = CURVES[params.toString('hex')];
  if (curve === undefined) throw toUnfit('The key is on none of the curves P-256, P-384 and P-521.');
  const { hash, bytes: coordinateBytes } = curve;
  return { handle, hash, coordinateBytes, publicKeyPem: toPem(params, read(publics[0], c.CKA_EC_POINT)) };
}

function findObjects(
  { bridge: c, api, session }: TokenSession,
  kind: number,
  { object, id }: { readonly object?: string | undefined; readonly id?: string | undefined },
): Handle[] {
  api.C_FindObjectsInit(session, [
    { type: c.CKA_CLASS, value: kind },
    { type: c.CKA_KEY_TYPE, value: c.CKK_EC },
    { type: c.CKA_TOKEN, value: true },
    ...(object === undefined ? [] : [{ type: c.CKA_LABEL, value: object }]),
    ...(id === undefined ? [] : [{ type: c.CKA_ID, value: Buffer.from(id, 'hex') }]),
  ]);
  try {
    return api.C_FindObjects(session, 2);
  } finally {
    api.C_FindObjectsFinal(session);
  }
}

const EC_PUBLIC_KEY = encodeOid('1.2.840.10045.2.1');

/** CKA_EC_POINT is an OCTET STRING around the point; some tokens give the point bare. */
function toPem(params: Uint8Array, pointValue: Uint8Array): string {
  const refuse = (): never => {
    throw toUnfit('The token does not tell the point of the public key.');
  };
  const point = pointValue[0] === TAG.octets ? createDerReader(refuse).readDer(pointValue).body : pointValue;
  const bits = encodeDer(TAG.bits, Uint8Array.of(0), point);
  const der = encodeDer(TAG.sequence, encodeDer(TAG.sequence, EC_PUBLIC_KEY, params), bits);
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    return key.export({ type: 'spki', format: 'pem' }).toString();
  } catch {
    return refuse();
  }
}

function signOnToken({ bridge, api, session }: TokenSession, pair: TokenPair, message: Uint8Array): Uint8Array {
  const { handle, hash, coordinateBytes } = pair;
  try {
    // The digest is made here: tokens differ in which hashes they can join with ECDSA.
    const digest = createHash(hash).update(message).digest();
    api.C_SignInit(session, { mechanism: bridge.CKM_ECDSA }, handle);
    const raw = api.C_Sign(session, digest, Buffer.alloc(2 * coordinateBytes));
    const [r, s] = [raw.subarray(0, coordinateBytes), raw.subarray(coordinateBytes)].map(toDerInteger);
    return encodeDer(TAG.sequence, r, s);
  } catch (error) {
    throw toFailure(error);
  }
}

/** An INTEGER is as short as can be, and not negative. */
function toDerInteger(bytes: Uint8Array): Uint8Array {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const short = bytes.subarray(from);
  return encodeDer(TAG.integer, short[0] >= 0x80 ? concatBytes(Uint8Array.of(0), short) : short);
}

function toMissing(message: string): SealError {
  return new SealError('KEY_STORE_MISSING', { message });
}

function toUnfit(message: string): SealError {
  return new SealError('KEY_SERVICE_UNFIT', { message });
}
