/** DSSE v1 envelopes signed with ECDSA P-256 and SHA-256 (secure-systems-lab/dsse protocol.md and envelope.md). */
import { z } from 'zod';
import { concatBytes, toBase64, utf8 } from '../core/bytes.ts';
import { SignError } from '../core/errors.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import { BUNDLE_MEDIA_TYPE } from './in-toto.ts';
import { base64Field, parseDocument } from './json.ts';
import { isP256Signature, parseP256PublicKey } from './p256.ts';
import type { MessageSigner } from './ports.ts';

/** The JSON form of an envelope; `payload` and `sig` are standard base64. */
export interface DsseEnvelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export interface VerifiedDsse {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  /** Hex SHA-256 of the SPKI of the key whose signature held. */
  readonly keyId: string;
}

const envelopeSchema = z.object({
  payload: base64Field(),
  payloadType: z.string().min(1).max(256),
  signatures: z
    .array(z.object({ keyid: z.string().max(256).nullish(), sig: base64Field() }))
    .min(1)
    .max(SIGN_LIMITS.signaturesMax),
});

/** The file is an envelope, or a Sigstore bundle that holds one. */
const fileSchema = z.union([
  envelopeSchema,
  z
    .object({ mediaType: z.literal(BUNDLE_MEDIA_TYPE), dsseEnvelope: envelopeSchema })
    .transform((bundle) => bundle.dsseEnvelope),
]);

/**
 * The bytes that are signed: "DSSEv1" SP len(type) SP type SP len(payload) SP payload; lengths in bytes, ASCII decimal.
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export function toPae(payloadType: string, payload: Uint8Array): Uint8Array {
  return concatBytes(toPaeHeader(payloadType, payload.length), payload);
}

function toPaeHeader(payloadType: string, payloadBytes: number): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payloadBytes} `));
}

/** Signs `payload` as a document of `payloadType`. */
export async function signDsse(options: {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signer: MessageSigner;
}): Promise<DsseEnvelope> {
  const sig = await options.signer.sign(toPae(options.payloadType, options.payload));
  return {
    payload: toBase64(options.payload),
    payloadType: options.payloadType,
    signatures: [{ keyid: options.signer.keyId, sig: toBase64(sig) }],
  };
}

/** UTF-8 bytes of an envelope file: JSON and a final newline. */
export function encodeDsse(envelope: DsseEnvelope): Uint8Array {
  return utf8(`${JSON.stringify(envelope)}\n`);
}

/**
 * Verifies an envelope and returns its payload; nothing of an unverified payload is ever returned.
 * @param options.envelope the file's bytes: an envelope, or a Sigstore bundle of one
 * @param options.payloadType what the document must be; one of several
 * @param options.publicKeyPem the one key that is believed (P-256 SPKI PEM)
 * @throws SignError SIGN_ENVELOPE_MALFORMED | SIGN_TYPE_MISMATCH | SIGN_OTHER_SIGNER | SIGN_SIGNATURE_INVALID |
 *   SIGN_KEY_INVALID
 */
export function verifyDsse(options: {
  readonly envelope: Uint8Array;
  readonly payloadType: string | readonly string[];
  readonly publicKeyPem: string;
}): VerifiedDsse {
  const expected = [options.payloadType].flat();
  const publicKey = parseP256PublicKey(options.publicKeyPem);
  const envelope = parseDocument(fileSchema, options.envelope, {
    code: 'SIGN_ENVELOPE_MALFORMED',
    bytesMax: SIGN_LIMITS.envelopeBytesMax,
  });
  if (!expected.includes(envelope.payloadType)) {
    throw new SignError('SIGN_TYPE_MISMATCH', {
      fields: { expected: expected.join(', '), actual: envelope.payloadType },
    });
  }
  const pae = [toPaeHeader(envelope.payloadType, envelope.payload.length), envelope.payload];
  // keyid is an unauthenticated hint (DSSE protocol.md): it chooses the message of a refusal, never what is accepted.
  if (envelope.signatures.some((one) => isP256Signature(publicKey, pae, one.sig))) {
    return { payload: envelope.payload, payloadType: envelope.payloadType, keyId: publicKey.keyId };
  }
  const claimsKey = envelope.signatures.some((one) => !one.keyid || one.keyid === publicKey.keyId);
  throw new SignError(claimsKey ? 'SIGN_SIGNATURE_INVALID' : 'SIGN_OTHER_SIGNER', {
    fields: {
      expected: publicKey.keyId,
      actual: envelope.signatures
        .map((one) => one.keyid ?? '')
        .join(', ')
        .slice(0, 200),
    },
  });
}
