/** Licences: signed by the vendor, bound to a device key and a sealed model (docs/spec/license.md sections 2 and 3). */
import { z } from 'zod';
import { utf8 } from '../core/bytes.ts';
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { toCanonicalJson } from '../core/canonical-json.ts';
import { type LicenseClaims, parseClaims, parseShape } from './claims.ts';
import { type DocumentSigner, signDocument, splitCompact, TYPES, type VendorKey, verifyDocument } from './jws.ts';
import { type KeyDocument, parseKeyDocument } from './key-document.ts';

/** What licences are for, unless the vendor says otherwise. */
export const DEFAULT_AUDIENCE = 'modelward';

export interface VerifiedLicense {
  readonly text: string;
  readonly claims: LicenseClaims;
  readonly vendorKey: VendorKey;
}

/** Signs claims; `iss` follows from the key. @throws LicenseError LICENSE_CLAIMS_INVALID */
export async function signLicense(signer: DocumentSigner, claims: Omit<LicenseClaims, 'iss'>): Promise<string> {
  return signDocument(signer, TYPES.license, parseClaims({ ...claims, iss: signer.issuer }));
}

/**
 * Verifies that the vendor of a pinned key made this licence for this product; whether it may be used now, and here, is
 * for `judgeLicense`.
 * @param options.audience what the integrator's product is called, never taken from the licence; null for the vendor, who
 *   reads his own
 * @throws LicenseError as `verifyDocument`; LICENSE_CLAIMS_INVALID | LICENSE_ISSUER | LICENSE_AUDIENCE
 */
export function verifyLicense(
  text: string,
  options: { readonly keys: readonly VendorKey[]; readonly audience: string | null },
): VerifiedLicense {
  const { payload, key } = verifyDocument(text, { typ: TYPES.license, keys: options.keys });
  const claims = parseClaims(payload);
  if (claims.iss !== key.issuer) throw new LicenseError('LICENSE_ISSUER');
  if (options.audience !== null && claims.aud !== options.audience) throw new LicenseError('LICENSE_AUDIENCE');
  return { text, claims, vendorKey: key };
}

/** What a licence claims; anyone may have written it. @throws LicenseError LICENSE_MALFORMED | LICENSE_CLAIMS_INVALID */
export function readUnverified(text: string): LicenseClaims {
  return parseClaims(splitCompact(text).payload);
}

/** A licence and the key document that belongs to it; nothing in it is verified. */
export interface LicenseFile {
  readonly license: string;
  readonly keyDocument: KeyDocument;
}

const fileShape = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-license'),
  license: z.string().max(LICENSE_LIMITS.jwsCharsMax),
  key: z.unknown(),
});

/** Canonical JSON and a line feed. */
export function encodeLicenseFile({ license, keyDocument }: LicenseFile): Uint8Array {
  return utf8(`${toCanonicalJson({ v: 1, kind: 'modelward-license', license, key: keyDocument })}\n`);
}

/** @throws LicenseError LICENSE_TOO_LARGE | LICENSE_MALFORMED | LICENSE_KEY_DOCUMENT_MALFORMED */
export function parseLicenseFile(bytes: Uint8Array): LicenseFile {
  const { license, key } = parseShape(fileShape, parseJson(bytes), 'LICENSE_MALFORMED');
  return { license, keyDocument: parseKeyDocument(key) };
}

/** @throws LicenseError LICENSE_TOO_LARGE | LICENSE_MALFORMED */
function parseJson(bytes: Uint8Array, bytesMax: number = LICENSE_LIMITS.fileBytesMax): unknown {
  if (bytes.length > bytesMax) throw new LicenseError('LICENSE_TOO_LARGE', { fields: { bytesMax } });
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new LicenseError('LICENSE_MALFORMED');
  }
}
