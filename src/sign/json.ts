/** Strict reading of small JSON documents: size cap, UTF-8, schema; every failure is one coded error. */
import { z } from 'zod';
import { findBase64Bytes } from '../core/bytes.ts';
import { type ErrorCode, SignError } from '../core/errors.ts';

/** Standard padded base64 that decodes to bytes; `lengthBytes` fixes the length. */
export function base64Field(lengthBytes?: number) {
  return z.string().transform((text, context) => {
    const bytes = findBase64Bytes(text);
    if (bytes === undefined || (lengthBytes !== undefined && bytes.length !== lengthBytes)) {
      context.addIssue({ code: 'custom', message: 'not base64 of the right length' });
      return z.NEVER;
    }
    return bytes;
  });
}

/** An RFC 3339 UTC instant with milliseconds, as Date.toISOString writes it. */
export const instantField = z.string().refine((text) => {
  const ms = Date.parse(text);
  return Number.isFinite(ms) && new Date(ms).toISOString() === text;
});

/**
 * Parses `bytes` as JSON of the given shape.
 * @throws SignError `code`; the field `at` lists the places at fault, never their values
 */
export function parseDocument<T extends z.ZodType>(
  schema: T,
  bytes: Uint8Array,
  options: { readonly code: ErrorCode; readonly bytesMax: number },
): z.output<T> {
  if (bytes.length > options.bytesMax) {
    throw new SignError(options.code, { fields: { sizeBytes: bytes.length, bytesMax: options.bytesMax } });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // JSON.parse quotes the input in its message, and the input may be a secret file: no cause is kept.
    throw new SignError(options.code, { fields: { at: 'not JSON' } });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const at = result.error.issues.slice(0, 8).map((issue) => issue.path.map(String).join('.'));
  throw new SignError(options.code, { fields: { at: at.join(', ').slice(0, 200) } });
}
