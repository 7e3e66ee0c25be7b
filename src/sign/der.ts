/** DER as timestamps refuse it. */
import { createDerReader } from '../core/der.ts';
import { SignError } from '../core/errors.ts';

export { type DerElement, type DerFields, encodeDer, encodeOid, TAG, toContextTag, toIntegerHex } from '../core/der.ts';

/** Each throws SignError SIGN_TIMESTAMP_MALFORMED with the field `at`. */
export const { readDer, toChildren, openFields, openOnly, toOidText } = createDerReader((at) => {
  throw new SignError('SIGN_TIMESTAMP_MALFORMED', { fields: { at } });
});
