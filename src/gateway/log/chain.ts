/** The chain of a stream of rows (docs/spec/request-log.md section 2). */
import { utf8 } from '../../core/bytes.ts';
import { sha256, sha256OfShort } from '../../core/hash.ts';

const START = utf8('modelward request log v1\0');

/** Before the first row; 32 bytes. */
export function toChainStart(stream: string): Uint8Array {
  return sha256(START, utf8(stream));
}

/** Chain and leaf of one {@link toNextChain}. */
const input = new Uint8Array(64);

/** Behind a row whose leaf hash is `leaf`; 32 bytes. */
export function toNextChain(chain: Uint8Array, leaf: Uint8Array): Uint8Array {
  input.set(chain);
  input.set(leaf, 32);
  return sha256OfShort(input);
}
