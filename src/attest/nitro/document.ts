/**
 * Attestation document of AWS Nitro Enclaves: COSE_Sign1 with ES384 around a CBOR map.
 * @see RFC 9052 4.2; AWS Nitro Enclaves, "Attestation document specification"
 */
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { concatBytes } from '../../core/bytes.ts';
import { type CborMap, type CborValue, readCbor, refuseDocument } from './cbor.ts';

export interface NitroDocument {
  readonly moduleId: string;
  readonly timestampMs: number;
  /** By number; 32, 48 or 64 bytes each. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** DER of the signer, and of its authorities, the root first. */
  readonly certificate: Uint8Array;
  readonly bundle: readonly Uint8Array[];
  /** Null when the enclave put nothing in. */
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
  /** Sig_structure: what was signed. */
  readonly signed: Uint8Array;
  /** r and s, 48 bytes each. */
  readonly signature: Uint8Array;
}

const COSE_SIGN1 = 18;
const HEADER_ALGORITHM = 1;
const ES384 = -35;

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED (field `at`) */
export function readNitroDocument(bytes: Uint8Array): NitroDocument {
  if (bytes.length > ATTEST_LIMITS.evidenceBytesMax) refuseDocument('size');
  const item = readCbor(bytes);
  const message = isTag(item) && item.tag === COSE_SIGN1 ? item.value : item;
  if (!Array.isArray(message) || message.length !== 4) refuseDocument('COSE_Sign1');
  const [first, unprotected, third, fourth] = message as readonly CborValue[];
  const toPart = (value: CborValue) => toBytes(value, 'COSE_Sign1', ATTEST_LIMITS.evidenceBytesMax);
  const [protectedHeader, payload, signature] = [first, third, fourth].map(toPart);
  // Nothing signs the unprotected header, so nothing may stand in it.
  if (toMap(unprotected, 'unprotected header').size > 0) refuseDocument('unprotected header');
  const header = toMap(readCbor(protectedHeader), 'protected header');
  // Nothing else may stand there: an unknown header could be one that changes what the signature means.
  if (header.size !== 1 || header.get(HEADER_ALGORITHM) !== ES384) refuseDocument('protected header');
  if (signature.length !== 96) refuseDocument('signature');
  const signed = encodeSigStructure(protectedHeader, payload);
  return { ...readPayload(toMap(readCbor(payload), 'payload')), signed, signature };
}

function readPayload(payload: CborMap) {
  const moduleId = payload.get('module_id');
  const timestampMs = payload.get('timestamp');
  if (typeof moduleId !== 'string' || moduleId === '' || moduleId.length > 256) refuseDocument('module_id');
  if (typeof timestampMs !== 'number' || timestampMs <= 0) refuseDocument('timestamp');
  if (payload.get('digest') !== 'SHA384') refuseDocument('digest');
  const bundle = payload.get('cabundle');
  if (!Array.isArray(bundle) || bundle.length < 1 || bundle.length > ATTEST_LIMITS.nitroBundleMax)
    refuseDocument('cabundle');
  const toCertificate = (value: CborValue | undefined, at: string) =>
    toBytes(value, at, ATTEST_LIMITS.certificateBytesMax);
  const findField = (name: string) => {
    const value = payload.get(name) ?? null;
    return value === null ? null : toBytes(value, name, ATTEST_LIMITS.nitroFieldBytesMax);
  };
  return {
    ...{ moduleId, timestampMs, pcrs: readPcrs(payload.get('pcrs')) },
    certificate: toCertificate(payload.get('certificate'), 'certificate'),
    bundle: (bundle as readonly CborValue[]).map((one) => toCertificate(one, 'cabundle')),
    publicKey: findField('public_key'),
    userData: findField('user_data'),
    nonce: findField('nonce'),
  };
}

function readPcrs(value: CborValue | undefined): Map<number, Uint8Array> {
  const pcrs = new Map<number, Uint8Array>();
  for (const [number, content] of toMap(value, 'pcrs')) {
    const bytes = toBytes(content, 'pcrs', 64);
    const isNumber = typeof number === 'number' && number >= 0 && number < ATTEST_LIMITS.nitroPcrsMax;
    if (!isNumber || ![32, 48, 64].includes(bytes.length)) refuseDocument('pcrs');
    pcrs.set(number, bytes);
  }
  return pcrs.has(0) ? pcrs : refuseDocument('pcrs');
}

function isTag(value: CborValue): value is Extract<CborValue, { readonly tag: number }> {
  return typeof value === 'object' && value !== null && 'tag' in value;
}

function toMap(value: CborValue | undefined, at: string): CborMap {
  return value instanceof Map ? value : refuseDocument(at);
}

function toBytes(value: CborValue | undefined, at: string, max: number): Uint8Array {
  return value instanceof Uint8Array && value.length <= max ? value : refuseDocument(at);
}

/** ["Signature1", protected, external_aad = "", payload]. @see RFC 9052 4.4 */
function encodeSigStructure(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  const context = new TextEncoder().encode('Signature1');
  return concatBytes(
    Uint8Array.of(0x84, 0x60 + context.length),
    context,
    encodeBytesHead(protectedHeader.length),
    protectedHeader,
    Uint8Array.of(0x40),
    encodeBytesHead(payload.length),
    payload,
  );
}

/** Head of a byte string, shortest form. */
function encodeBytesHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 0x100) return Uint8Array.of(0x58, length);
  if (length < 0x1_0000) return Uint8Array.of(0x59, length >> 8, length & 0xff);
  return Uint8Array.of(0x5a, (length >>> 24) & 0xff, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}
