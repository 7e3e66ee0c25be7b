/** The key envelope's file: schema, encoding and MAC (docs/spec/key-envelope.md sections 2 and 3). */
import { z } from 'zod';
import { findBase64Bytes, findHexBytes, isEqualConstantTime, toHex, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { SealError } from '../core/errors.ts';
import { hkdfSha256, hmacSha256 } from '../core/hash.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { sealIdSchema, textSchema, timeSchema } from './header.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const wrapped = z.string().refine((value) => {
  const length = findBase64Bytes(value)?.length ?? 0;
  return length > 0 && length <= SEAL_LIMITS.wrappedBytesMax;
});

const recipientSchema = z.strictObject({
  type: textSchema,
  keyRef: textSchema,
  keyVersion: textSchema,
  ctx: z.strictObject({ sealId: sealIdSchema, model: textSchema, purpose: textSchema }),
  wrapped,
  createdAt: timeSchema,
  expiresAt: timeSchema.optional(),
});

const envelopeSchema = z.strictObject({
  v: z.literal(1),
  sealId: sealIdSchema,
  model: textSchema,
  dekCheck: hex32,
  seq: z.int().min(1),
  recipients: z.array(recipientSchema).min(1).max(SEAL_LIMITS.recipientsMax),
  mac: hex32,
});

/** One way to the data key. */
export type Recipient = z.infer<typeof recipientSchema>;

/** The key envelope: who can open a seal. It lies with the keys' service, never with the weights. */
export type KeyEnvelope = z.infer<typeof envelopeSchema>;

export type EnvelopeBody = Omit<KeyEnvelope, 'mac'>;

/** The bytes of a `.keys.json` file: canonical JSON and a line feed. */
export function encodeEnvelope(envelope: KeyEnvelope): Uint8Array {
  return utf8(`${new TextDecoder().decode(toCanonicalJsonBytes(envelope))}\n`);
}

/**
 * Reads an envelope. Nothing in it is authentic until a key is unwrapped and the MAC checked (`unwrapDek`).
 * @throws SealError ENVELOPE_INVALID with the members at fault
 */
export function parseEnvelope(bytes: Uint8Array): KeyEnvelope {
  if (bytes.length > SEAL_LIMITS.envelopeBytesMax) throw invalid(['length']);
  const parsed = envelopeSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw invalid(parsed.error.issues.map((issue) => issue.path.join('.') || 'envelope'));
  const envelope = parsed.data;
  const isBound = envelope.recipients.every(
    ({ ctx }) => ctx.sealId === envelope.sealId && ctx.model === envelope.model,
  );
  if (!isBound) throw invalid(['recipients.ctx']);
  return envelope;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw invalid(['not JSON']);
  }
}

function invalid(members: readonly string[]): SealError {
  return new SealError('ENVELOPE_INVALID', { fields: { members: [...new Set(members)] } });
}

/** The envelope with its MAC under `dek`: HMAC-SHA-256(HKDF-SHA-256(dek, "envelope"), RFC 8785(body)). */
export function authenticateEnvelope(body: EnvelopeBody, dek: Uint8Array): KeyEnvelope {
  return { ...body, mac: toHex(computeMac(body, dek)) };
}

/** True when the MAC holds under `dek`; constant time. */
export function isEnvelopeAuthentic(envelope: KeyEnvelope, dek: Uint8Array): boolean {
  const { mac, ...body } = envelope;
  return isEqualConstantTime(findHexBytes(mac) ?? new Uint8Array(), computeMac(body, dek));
}

function computeMac(body: EnvelopeBody, dek: Uint8Array): Uint8Array {
  const key = hkdfSha256(dek, utf8(body.sealId), 'modelward/seal/v1/envelope', 32);
  try {
    return hmacSha256(key, toCanonicalJsonBytes(body));
  } finally {
    zeroize(key);
  }
}
