/** Public areas (TPMT_PUBLIC) of the objects that are used here, their templates and names. */
import { createHash } from 'node:crypto';
import { concatBytes } from '../core/bytes.ts';
import { TpmError } from '../core/errors.ts';
import { ALG, CURVE_P256, OBJECT } from './codes.ts';
import { readWire, sized, u16, u32 } from './wire.ts';

/** A point on P-256: two coordinates of 32 bytes. */
export interface EccPoint {
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

export const COORDINATE_BYTES = 32;
const SPKI_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const NONE = new Uint8Array();

/** An ECC P-256 key; empty coordinates in a template. */
function eccArea(options: {
  readonly attributes: number;
  readonly policy: Uint8Array;
  /** AES-128-CFB for storage keys and the EK. */
  readonly isParent: boolean;
  readonly scheme: 'ecdsa' | null;
  readonly unique: EccPoint;
}): Uint8Array {
  const symmetric = options.isParent ? [u16(ALG.aes), u16(128), u16(ALG.cfb)] : [u16(ALG.null)];
  const scheme = options.scheme === 'ecdsa' ? [u16(ALG.ecdsa), u16(ALG.sha256)] : [u16(ALG.null)];
  return concatBytes(
    toHead(ALG.ecc, options.attributes, options.policy),
    ...symmetric,
    ...scheme,
    u16(CURVE_P256),
    u16(ALG.null),
    sized(options.unique.x),
    sized(options.unique.y),
  );
}

function toHead(type: number, attributes: number, policy: Uint8Array): Uint8Array {
  return concatBytes(u16(type), u16(ALG.sha256), u32(attributes), sized(policy));
}

const PARENT = OBJECT.fixedTpm | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin | OBJECT.restricted | OBJECT.decrypt;

/** Storage root key: the same template gives the same key on the same TPM until its owner clears it. */
export const STORAGE_ROOT_TEMPLATE = eccArea({
  attributes: PARENT | OBJECT.userWithAuth | OBJECT.noDa,
  policy: NONE,
  isParent: true,
  scheme: null,
  unique: { x: NONE, y: NONE },
});

/** PolicySecret(endorsement): who may use the EK (TCG EK Credential Profile, B.3.4, policy A). */
const EK_POLICY = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');

/** Endorsement key, template L-1: RSA 2048 (TCG EK Credential Profile, B.3.3); the one that nearly all TPMs have a certificate of. */
export const RSA_ENDORSEMENT_TEMPLATE = concatBytes(
  toHead(ALG.rsa, PARENT | OBJECT.adminWithPolicy, EK_POLICY),
  ...[ALG.aes, 128, ALG.cfb, ALG.null, 2048].map(u16),
  u32(0),
  sized(new Uint8Array(2048 / 8)),
);

/** Endorsement key, template L-2: ECC P-256 (TCG EK Credential Profile, B.3.4). */
export const ENDORSEMENT_TEMPLATE = eccArea({
  attributes: PARENT | OBJECT.adminWithPolicy,
  policy: EK_POLICY,
  isParent: true,
  scheme: null,
  unique: { x: new Uint8Array(COORDINATE_BYTES), y: new Uint8Array(COORDINATE_BYTES) },
});

const LEAF = OBJECT.fixedTpm | OBJECT.fixedParent | OBJECT.sensitiveDataOrigin | OBJECT.userWithAuth | OBJECT.noDa;

/** A key that signs only what the TPM itself made: quotes and certifications. */
export const ATTESTATION_TEMPLATE = eccArea({
  attributes: LEAF | OBJECT.restricted | OBJECT.sign,
  policy: NONE,
  isParent: false,
  scheme: 'ecdsa',
  unique: { x: NONE, y: NONE },
});

/** A P-256 key for ECDH; its private part never leaves the TPM. */
export const AGREEMENT_TEMPLATE = eccArea({
  attributes: LEAF | OBJECT.decrypt,
  policy: NONE,
  isParent: false,
  scheme: null,
  unique: { x: NONE, y: NONE },
});

/** The template up to the point, which is empty there: two sizes of two bytes. */
const AGREEMENT_HEAD = AGREEMENT_TEMPLATE.subarray(0, AGREEMENT_TEMPLATE.length - 4);
/** Type and name algorithm, then the attributes. */
const ATTRIBUTES_AT = 4;

/**
 * Why a public area is not that of a key by {@link AGREEMENT_TEMPLATE}, whose private part was made in the TPM and stays
 * there: attributes that are missing or too many by their names, else `attributes`, `kind` or `policy`. Empty for one that is.
 */
export function listAgreementFaults(area: Uint8Array): readonly string[] {
  const head = area.subarray(0, AGREEMENT_HEAD.length);
  if (Buffer.compare(head, AGREEMENT_HEAD) === 0) return [];
  if (head.length < AGREEMENT_HEAD.length || Buffer.compare(head.subarray(0, 4), AGREEMENT_HEAD.subarray(0, 4)) !== 0) {
    return ['kind'];
  }
  const toBits = (bytes: Uint8Array): number =>
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(ATTRIBUTES_AT);
  const differing = toBits(head) ^ toBits(AGREEMENT_HEAD);
  const names = Object.entries(OBJECT).filter(([, bit]) => (differing & bit) !== 0);
  if (names.length > 0) return names.map(([name]) => name);
  return [differing === 0 ? 'policy' : 'attributes'];
}

/** A data object. With a policy, only the policy opens it; without, whoever can use the TPM. @param policy 32 bytes or none */
export function toSealedTemplate(policy: Uint8Array): Uint8Array {
  const access = policy.length === 0 ? OBJECT.userWithAuth : 0;
  const attributes = OBJECT.fixedTpm | OBJECT.fixedParent | OBJECT.noDa | access;
  return concatBytes(toHead(ALG.keyedHash, attributes, policy), u16(ALG.null), sized());
}

/** The name of an object: its algorithm and the digest of its public area. */
export function toName(area: Uint8Array): Uint8Array {
  return concatBytes(u16(ALG.sha256), createHash('sha256').update(area).digest());
}

/** The point of an ECC P-256 public area. @throws TpmError TPM_RESPONSE_INVALID for another kind of key */
export function readPoint(area: Uint8Array): EccPoint {
  const reader = readWire(area);
  const type = reader.u16();
  const nameAlg = reader.u16();
  reader.u32();
  reader.sized();
  if (reader.u16() !== ALG.null) reader.bytes(4);
  if (reader.u16() !== ALG.null) reader.bytes(2);
  const curve = reader.u16();
  reader.u16();
  const point = { x: toCoordinate(reader.sized()), y: toCoordinate(reader.sized()) };
  reader.end();
  if (type !== ALG.ecc || nameAlg !== ALG.sha256 || curve !== CURVE_P256) throw new TpmError('TPM_RESPONSE_INVALID');
  return point;
}

/** The modulus of an RSA public area with exponent 65537. @throws TpmError TPM_RESPONSE_INVALID for another kind of key */
export function readModulus(area: Uint8Array): Uint8Array {
  const reader = readWire(area);
  const type = reader.u16();
  reader.bytes(2 + 4);
  reader.sized();
  if (reader.u16() !== ALG.null) reader.bytes(4);
  if (reader.u16() !== ALG.null) reader.bytes(2);
  reader.u16();
  const exponent = reader.u32();
  const modulus = reader.sized();
  reader.end();
  if (type !== ALG.rsa || exponent !== 0) throw new TpmError('TPM_RESPONSE_INVALID');
  return modulus.slice();
}

/** A P-256 point as DER of a SubjectPublicKeyInfo (RFC 5480). */
export function toSpki({ x, y }: EccPoint): Uint8Array {
  return concatBytes(SPKI_HEAD, x, y);
}

/** TPMs may leave leading zeros out. @throws TpmError TPM_RESPONSE_INVALID for more than 32 bytes */
export function toCoordinate(bytes: Uint8Array): Uint8Array {
  if (bytes.length > COORDINATE_BYTES) throw new TpmError('TPM_RESPONSE_INVALID');
  const coordinate = new Uint8Array(new ArrayBuffer(COORDINATE_BYTES));
  coordinate.set(bytes, COORDINATE_BYTES - bytes.length);
  return coordinate;
}
