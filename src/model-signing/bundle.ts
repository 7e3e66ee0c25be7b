/** Sigstore bundles v0.3 as model signatures use them: what was signed, by whom, and with what to verify it (OMS v1.0 section 4). */
import { z } from 'zod';
import { findBase64Bytes } from '../core/bytes.ts';
import { type ErrorCode, ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import { BUNDLE_MEDIA_TYPE } from '../sign/index.ts';

/** With what a bundle says that it can be verified. */
export type Material =
  | {
      readonly kind: 'key';
      /** Hex SHA-256 of the PEM text of the public key; null in bundles of older tools. */
      readonly hint: string | null;
      /** PEM of the public key in bundles of older tools; it is compared, never believed. */
      readonly pem: Uint8Array | null;
    }
  | {
      readonly kind: 'certificate';
      /** DER, the signer's first. */
      readonly certificates: readonly Uint8Array[];
    }
  | { readonly kind: 'sigstore' };

/** The parts of a bundle. */
export interface Bundle {
  readonly material: Material;
  readonly payloadType: string;
  /** The statement as signed. */
  readonly payload: Uint8Array;
  /** ASN.1 DER. */
  readonly signature: Uint8Array;
  /** RFC 3161 answers over the signature, DER. */
  readonly timestamps: readonly Uint8Array[];
}

const base64 = (bytesMax: number) =>
  z.string().transform((text, context) => {
    const bytes = text.length <= 2 * bytesMax ? findBase64Bytes(text) : undefined;
    if (bytes !== undefined && bytes.length > 0 && bytes.length <= bytesMax) return bytes;
    context.addIssue({ code: 'custom', message: 'not base64 of a fitting length' });
    return z.NEVER;
  });

const { bundleBytesMax, certificateBytesMax, certificatesMax, logEntriesMax, signatureBytesMax, timestampsMax } =
  MODEL_SIGNING_LIMITS;

const certificate = z.object({ rawBytes: base64(certificateBytesMax) });

// Bundles come from several tools; where the schemas of OMS v1.0 leave room, unknown members are left alone.
const materialSchema = z.object({
  publicKey: z.object({ hint: z.string().max(256).nullish(), rawBytes: base64(4096).nullish() }).optional(),
  x509CertificateChain: z.object({ certificates: z.array(certificate).min(1).max(certificatesMax) }).optional(),
  certificate: certificate.optional(),
  tlogEntries: z.array(z.looseObject({})).max(logEntriesMax).nullish(),
  timestampVerificationData: z
    .object({
      rfc3161Timestamps: z
        .array(z.object({ signedTimestamp: base64(certificateBytesMax) }))
        .max(timestampsMax)
        .nullish(),
    })
    .nullish(),
});

const envelopeSchema = z.strictObject({
  payload: base64(bundleBytesMax),
  payloadType: z.string().min(1).max(256),
  // A Sigstore bundle holds exactly one; with more, it would be open which of them has to hold.
  signatures: z
    .array(z.strictObject({ sig: base64(signatureBytesMax), keyid: z.string().max(256).nullish() }))
    .length(1),
});

const bundleSchema = z.strictObject({
  mediaType: z.string().max(256),
  verificationMaterial: materialSchema,
  dsseEnvelope: envelopeSchema,
});

function refuse(code: ErrorCode, at?: string): never {
  throw new ModelSigningError(code, at === undefined ? {} : { fields: { at: at.slice(0, 200) } });
}

/** What is wrong as a whole is said first, and in words of its own. */
function assertOutline(value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse('OMS_BUNDLE_MALFORMED', 'not an object');
  const { mediaType, verificationMaterial, dsseEnvelope } = value as Record<string, unknown>;
  if (verificationMaterial === undefined) refuse('OMS_NO_MATERIAL');
  if (dsseEnvelope === undefined) refuse('OMS_NO_ENVELOPE');
  if (typeof mediaType === 'string' && mediaType !== BUNDLE_MEDIA_TYPE) refuse('OMS_MEDIA_TYPE', mediaType);
}

function toMaterial(material: z.output<typeof materialSchema>): Material {
  const { publicKey, x509CertificateChain: chain, certificate: leaf, tlogEntries } = material;
  const given = [publicKey, chain, leaf].filter((one) => one !== undefined);
  if (given.length === 0) refuse('OMS_NO_MATERIAL');
  if (given.length > 1) refuse('OMS_BUNDLE_MALFORMED', 'verificationMaterial: more than one kind');
  if (publicKey !== undefined) {
    const { hint, rawBytes } = publicKey;
    if (!hint && !rawBytes) refuse('OMS_BUNDLE_MALFORMED', 'verificationMaterial.publicKey');
    return { kind: 'key', hint: hint === '' ? null : (hint ?? null), pem: rawBytes ?? null };
  }
  if (chain !== undefined) return { kind: 'certificate', certificates: chain.certificates.map((one) => one.rawBytes) };
  if (!tlogEntries?.length) refuse('OMS_NO_LOG_ENTRY');
  return { kind: 'sigstore' };
}

/**
 * Reads a bundle file. Nothing in it is verified yet.
 * @throws ModelSigningError OMS_BUNDLE_EMPTY | OMS_BUNDLE_MALFORMED | OMS_MEDIA_TYPE | OMS_NO_MATERIAL |
 *   OMS_NO_ENVELOPE | OMS_NO_LOG_ENTRY
 */
export function decodeBundle(bytes: Uint8Array): Bundle {
  if (bytes.length > bundleBytesMax) refuse('OMS_BUNDLE_MALFORMED', `larger than ${bundleBytesMax} bytes`);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (text.trim() === '') refuse('OMS_BUNDLE_EMPTY');
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof ModelSigningError) throw error;
    refuse('OMS_BUNDLE_MALFORMED', 'not JSON');
  }
  assertOutline(value);
  const read = bundleSchema.safeParse(value);
  if (!read.success) {
    refuse('OMS_BUNDLE_MALFORMED', read.error.issues.map((issue) => issue.path.map(String).join('.')).join(', '));
  }
  const { verificationMaterial, dsseEnvelope } = read.data;
  return {
    material: toMaterial(verificationMaterial),
    payloadType: dsseEnvelope.payloadType,
    payload: dsseEnvelope.payload,
    signature: dsseEnvelope.signatures[0].sig,
    timestamps: (verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? []).map(
      (one) => one.signedTimestamp,
    ),
  };
}
