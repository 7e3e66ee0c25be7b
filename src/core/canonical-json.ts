/** RFC 8785 canonical JSON: the only serialisation that is ever hashed or signed. */
import canonicalizeJson from 'canonicalize';
import { utf8 } from './bytes.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * Canonical text of `value`; members that are undefined are left out.
 * @throws TypeError when the value holds NaN, an infinity or a function
 * @see RFC 8785
 */
export function toCanonicalJson(value: Json): string {
  const text = canonicalizeJson(value);
  if (text === undefined) throw new TypeError('value has no JSON form');
  return text;
}

/** UTF-8 bytes of {@link toCanonicalJson}. */
export function toCanonicalJsonBytes(value: Json): Uint8Array {
  return utf8(toCanonicalJson(value));
}
