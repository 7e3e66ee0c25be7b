/** How inputs are refused. */
import { type ErrorCode, type ErrorFields, GatewayError } from '../../core/errors.ts';

/** @param at which member of the request, such as `inputs[0].shape`; never its value */
export function refuse(code: ErrorCode, at: string, fields: ErrorFields = {}): never {
  throw new GatewayError(code, { fields: { at, ...fields } });
}
