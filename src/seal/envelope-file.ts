/** The key envelope's file: schema, encoding and MAC (docs/spec/key-envelope.md sections 2 and 3). */
import { findBase64Bytes, findHexBytes, isEqualConstantTime, toHex, utf8, zeroize } from '../core/bytes.ts';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { SealError } from '../core/errors.ts';
import { hkdfSha256, hmacSha256 } from '../core/hash.ts';
import { SEAL_LIMITS } from '../core/limits/seal.ts';
import { findFaults, freeText, hexOf, integer, listOf, objectOf, sealIdText, textThat, timeText } from './shape.ts';

/** What a provider binds to a wrapped key. */
export type RecipientContext = Readonly<{
  sealId: string;
  model: string;
  purpose: string;
}>;

/** One way to the data key. */
export type Recipient = Readonly<{
  type: string;
  keyRef: string;
  keyVersion: string;
  ctx: RecipientContext;
  /** Standard base64. */
  wrapped: string;
  createdAt: string;
  expiresAt?: string | undefined;
}>;

/** The key envelope: who can open a seal. It lies with the keys' service, never with the weights. */
export type KeyEnvelope = Readonly<{
  v: 1;
  sealId: string;
  model: string;
  dekCheck: string;
  seq: number;
  recipients: readonly Recipient[];
  mac: string;
}>;

const wrappedText = textThat((text) => {
  const length = findBase64Bytes(text)?.length ?? 0;
  return length > 0 && length <= SEAL_LIMITS.wrappedBytesMax;
});

const recipientShape = objectOf<Recipient>(
  {
    type: freeText,
    keyRef: freeText,
    keyVersion: freeText,
    ctx: objectOf<RecipientContext>({ sealId: sealIdText, model: freeText, purpose: freeText }),
    wrapped: wrappedText,
    createdAt: timeText,
    expiresAt: timeText,
  },
  ['expiresAt'],
);

const envelopeShape = objectOf<KeyEnvelope>({
  v: integer(1, 1),
  sealId: sealIdText,
  model: freeText,
  dekCheck: hexOf(32),
  seq: integer(1),
  recipients: listOf(recipientShape, SEAL_LIMITS.recipientsMax),
  mac: hexOf(32),
});

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
  const value = parseJson(bytes);
  const members = findFaults(envelopeShape, value, 'envelope');
  if (members.length > 0) throw invalid(members);
  const envelope = value as KeyEnvelope;
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
  return new SealError('ENVELOPE_INVALID', { fields: { members } });
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
