/** Revocation: a signed, compressed string of bits, one place per licence (draft-ietf-oauth-status-list-21, sections 4, 5, 8). */
import { deflateSync, inflateSync } from 'node:zlib';
import { z } from 'zod';
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import { findBase64Url, toBase64Url } from '../core/base64url.ts';
import { parseShape } from './claims.ts';
import { type DocumentSigner, signDocument, TYPES, type VendorKey, verifyDocument } from './jws.ts';

/** Values of section 7.1. */
export const STATUS = { valid: 0, invalid: 1, suspended: 2 } as const;
export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Two bits: valid, revoked, suspended. */
const BITS = 2;

const listShape = z.strictObject({
  bits: z.union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)]),
  lst: z.string(),
  aggregation_uri: z.string().optional(),
});

const tokenShape = z.object({
  iss: z.string().optional(),
  sub: z.string().min(1).max(1024),
  iat: z.int().min(0),
  exp: z.int().min(0).optional(),
  ttl: z.number().positive().optional(),
  status_list: listShape,
});

/** Compressed list as the draft has it; statuses that are not named are 0. */
export function encodeStatusList(statuses: ReadonlyMap<number, Status>, bits: 1 | 2 | 4 | 8 = BITS): string {
  let count = 1;
  for (const index of statuses.keys()) count = Math.max(count, index + 1);
  const bytes = new Uint8Array(Math.ceil((count * bits) / 8));
  // From the least significant bit of each byte on (section 4.1).
  for (const [index, status] of statuses) bytes[Math.floor((index * bits) / 8)] |= status << ((index * bits) % 8);
  return toBase64Url(deflateSync(bytes, { level: 9 }));
}

/** @throws LicenseError LICENSE_STATUS_MALFORMED | LICENSE_STATUS_INDEX */
export function readStatus(list: { readonly bits: number; readonly lst: string }, index: number): number {
  const bytes = inflate(list.lst);
  const at = Math.floor((index * list.bits) / 8);
  if (at >= bytes.length) throw new LicenseError('LICENSE_STATUS_INDEX', { fields: { index } });
  return (bytes[at] >> ((index * list.bits) % 8)) & (2 ** list.bits - 1);
}

function inflate(lst: string): Uint8Array {
  try {
    const bytes = findBase64Url(lst);
    if (bytes !== undefined) return inflateSync(bytes, { maxOutputLength: LICENSE_LIMITS.statusListBytesMax });
  } catch {
    // Cut, not zlib, or larger than any list: all are told the same.
  }
  throw new LicenseError('LICENSE_STATUS_MALFORMED');
}

/**
 * Signs a list.
 * @param options.uri where the list is fetched; licences name the same address
 */
export async function signStatusList(
  signer: DocumentSigner,
  options: {
    readonly uri: string;
    readonly statuses: ReadonlyMap<number, Status>;
    readonly iatSec: number;
    readonly ttlSec: number;
  },
): Promise<string> {
  const { uri, statuses, iatSec, ttlSec } = options;
  const list = { bits: BITS, lst: encodeStatusList(statuses) };
  const payload = { iss: signer.issuer, sub: uri, iat: iatSec, exp: iatSec + ttlSec, ttl: ttlSec, status_list: list };
  return signDocument(signer, TYPES.statusList, payload);
}

export interface VerifiedStatusList {
  /** Who signed: `judgeLicense` takes the list of the licence's own vendor alone. */
  readonly issuer: string;
  readonly uri: string;
  readonly iatSec: number;
  readonly expSec: number | null;
  /** @throws LicenseError LICENSE_STATUS_MALFORMED | LICENSE_STATUS_INDEX */
  statusOf(index: number): number;
}

/** @throws LicenseError as `verifyDocument`; LICENSE_STATUS_MALFORMED | LICENSE_ISSUER */
export function verifyStatusList(text: string, keys: readonly VendorKey[]): VerifiedStatusList {
  const charsMax = LICENSE_LIMITS.statusTokenCharsMax;
  const { payload, key } = verifyDocument(text, { typ: TYPES.statusList, keys, charsMax });
  const token = parseShape(tokenShape, payload, 'LICENSE_STATUS_MALFORMED');
  if (token.iss !== undefined && token.iss !== key.issuer) throw new LicenseError('LICENSE_ISSUER');
  return {
    issuer: key.issuer,
    uri: token.sub,
    iatSec: token.iat,
    expSec: token.exp ?? null,
    statusOf: (index) => readStatus(token.status_list, index),
  };
}
