/** The owner as vendor of licences: the identity's key signs, and a key derived from the owner's secrets takes proofs. */
import { createECDH, createPrivateKey } from 'node:crypto';
import { allocSecret, utf8, zeroize } from '../../core/bytes.ts';
import { hkdfSha256 } from '../../core/hash.ts';
import {
  type AgreementKey,
  type DocumentSigner,
  openAgreementKey,
  parseVendorKey,
  type SecretOf,
  toIssuer,
  toJoseSignature,
  type VendorKey,
} from '../../license/index.ts';
import { type Owner, ownerSigner } from '../../sign/index.ts';

export interface Vendor {
  readonly signer: DocumentSigner;
  /** Proofs of devices are made for it; its public half is in every licence. */
  readonly agreement: AgreementKey;
  /** The public key, as integrators pin it. */
  readonly key: VendorKey;
  /** Secrets of questions to devices: the same for the same question, so that none has to be kept. */
  readonly secretOf: SecretOf;
}

export function openVendor(owner: Owner): Vendor {
  const message = ownerSigner(owner);
  return {
    signer: {
      kid: message.keyId,
      algorithm: 'ES256',
      issuer: toIssuer(message.keyId),
      sign: async (bytes) => toJoseSignature(await message.sign(bytes)),
    },
    agreement: deriveAgreement(owner.secrets.sealKey),
    key: parseVendorKey(message.publicKeyPem),
    secretOf: (question) => hkdfSha256(owner.secrets.sealKey, utf8(question), 'modelward/license/v1/challenge', 32),
  };
}

/** Order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The same key for the same owner, so that a restored backup takes the proofs of all devices (FIPS 186-5 A.2.1). */
function deriveAgreement(ownerKey: Uint8Array): AgreementKey {
  const drawn = hkdfSha256(ownerKey, new Uint8Array(), 'modelward/license/v1/agreement', 48);
  const scalar = allocSecret(32);
  let pkcs8: Buffer | undefined;
  try {
    const number = (BigInt(`0x${Buffer.from(drawn).toString('hex')}`) % (ORDER - 1n)) + 1n;
    scalar.set(Buffer.from(number.toString(16).padStart(64, '0'), 'hex'));
    pkcs8 = toPkcs8(scalar);
    return openAgreementKey(pkcs8);
  } finally {
    zeroize(drawn, scalar);
    if (pkcs8 !== undefined) zeroize(pkcs8);
  }
}

function toPkcs8(scalar: Uint8Array): Buffer {
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  const part = (from: number): string => point.subarray(from, from + 32).toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', d: Buffer.from(scalar).toString('base64url'), x: part(1), y: part(33) };
  return createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' });
}
