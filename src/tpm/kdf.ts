/** Key derivation of TPM 2.0 (Part 1, 11.4.10): KDFa over HMAC-SHA-256, KDFe over SHA-256. */
import { createHash, createHmac } from 'node:crypto';
import { allocSecret, u32be, utf8, zeroize } from '../core/bytes.ts';

const DIGEST_BYTES = 32;

/** SP 800-108 in counter mode. @param label without its closing zero byte */
export function kdfa(
  key: Uint8Array,
  label: string,
  { u, v, lengthBytes }: { readonly u: Uint8Array; readonly v: Uint8Array; readonly lengthBytes: number },
): Uint8Array {
  const out = allocSecret(lengthBytes);
  for (let at = 0, counter = 1; at < lengthBytes; at += DIGEST_BYTES, counter++) {
    const hmac = createHmac('sha256', key)
      .update(u32be(counter))
      .update(utf8(`${label}\0`))
      .update(u)
      .update(v);
    const block = hmac.update(u32be(lengthBytes * 8)).digest();
    out.set(block.subarray(0, lengthBytes - at), at);
    zeroize(block);
  }
  return out;
}

/** SP 800-56A, one block: 32 bytes. @param z x coordinate of the shared point */
export function kdfe(
  z: Uint8Array,
  label: string,
  { u, v }: { readonly u: Uint8Array; readonly v: Uint8Array },
): Uint8Array {
  const digest = createHash('sha256')
    .update(u32be(1))
    .update(z)
    .update(utf8(`${label}\0`))
    .update(u)
    .update(v)
    .digest();
  const out = allocSecret(DIGEST_BYTES);
  out.set(digest);
  zeroize(digest);
  return out;
}
