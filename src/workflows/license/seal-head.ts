/** What a licence knows a sealed file by. */
import { sha256 } from '../../core/hash.ts';
import { toBase64Url } from '../../core/base64url.ts';
import type { SealInfo } from '../../seal/index.ts';

/** SHA-256, base64url, of preamble and FLOE header, whose tag commits to the data key: no byte more has to be read. */
export function toHeadDigest({ preamble, floeHeader }: Pick<SealInfo, 'preamble' | 'floeHeader'>): string {
  return toBase64Url(sha256(preamble, floeHeader));
}
