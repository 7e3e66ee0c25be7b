/** The two parts of a body of the Open Inference Protocol: JSON, and behind it the bytes of the binary extension. */
import type { ErrorCode } from '../../../core/errors.ts';
import { GatewayError } from '../../../core/errors.ts';

/** In lower case, as requests have it. */
export const LENGTH_HEADER = 'inference-header-content-length';

export interface OipBody {
  readonly json: Uint8Array;
  /** null without the header. */
  readonly binary: Uint8Array | null;
}

const LENGTH = /^(0|[1-9][0-9]{0,9})$/;

/**
 * Views of the body; nothing is copied.
 * @param code of a header that names no length within the body
 */
export function splitBody(body: Uint8Array, header: string | undefined, code: ErrorCode): OipBody {
  if (header === undefined) return { json: body, binary: null };
  const length = LENGTH.test(header) ? Number(header) : Infinity;
  if (length > body.length) throw new GatewayError(code, { fields: { at: LENGTH_HEADER, max: body.length } });
  return { json: body.subarray(0, length), binary: body.subarray(length) };
}
