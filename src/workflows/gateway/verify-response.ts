/** `verify-response`: an answer of a gateway from files, checked by the customer's key, the gateway's public key, or a proof. */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { findBase64Url, findJson } from '../../core/base64url.ts';
import { findBase64Bytes } from '../../core/bytes.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  type AskedRequest,
  type CheckKeys,
  type IntegrityReport,
  type ReceivedAnswer,
  verifyRequestProof,
  verifyResponse,
} from '../../gateway/index.ts';

export interface ResponseFiles {
  readonly request: AskedRequest;
  readonly answer: ReceivedAnswer;
  readonly keys: CheckKeys;
  /** Bytes of a proof of `log prove`; null for none. It is checked with the public key. */
  readonly proof: Uint8Array | null;
  readonly nowMs: number;
  readonly maxAgeMs: number | null;
}

/**
 * @throws GatewayError GATEWAY_PROOF_MALFORMED | GATEWAY_PROOF_SIGNATURE | GATEWAY_PROOF_REFUTED
 */
export function checkResponse({ proof, keys, ...check }: ResponseFiles): IntegrityReport {
  const { publicKey } = keys;
  const proven = proof === null || publicKey === null ? null : verifyRequestProof(findJson(proof), publicKey);
  return verifyResponse({ ...check, keys, proven });
}

const keyShape = z.object({
  keyId: z.string().min(1).max(200),
  tagKey: z.string().length(43),
});

/** The customer's file of an API key. @throws GatewayError INTEGRITY_FILE_MALFORMED */
export function readTagKey(bytes: Uint8Array): NonNullable<CheckKeys['tag']> {
  const parsed = keyShape.safeParse(findJson(bytes));
  const key = parsed.success ? findBase64Url(parsed.data.tagKey) : undefined;
  if (!parsed.success || key?.length !== 32) {
    throw new GatewayError('INTEGRITY_FILE_MALFORMED', { fields: { part: 'key' } });
  }
  return { keyId: parsed.data.keyId, key };
}

/** PEM, or base64 of the DER: an Ed25519 SPKI. @throws GatewayError INTEGRITY_FILE_MALFORMED */
export function readPublicKey(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1').trim();
  try {
    const der = findBase64Bytes(text);
    const key =
      der === undefined
        ? createPublicKey({ key: text, format: 'pem' })
        : createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519' || text.includes('PRIVATE')) throw new TypeError('no public Ed25519 key');
    return new Uint8Array(key.export({ format: 'der', type: 'spki' }));
  } catch (cause) {
    throw new GatewayError('INTEGRITY_FILE_MALFORMED', { fields: { part: 'public key' }, cause });
  }
}

/** PEM of an SPKI. */
export function toPublicPem(publicKey: Uint8Array): string {
  return createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' }).export({
    format: 'pem',
    type: 'spki',
  }) as string;
}
