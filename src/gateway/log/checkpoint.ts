/** Signed statements of what a stream held, and proofs that a row is in it (docs/spec/request-log.md sections 4 and 5). */
import { concatBytes, findHexBytes, toHex, utf8 } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { sha256 } from '../../core/hash.ts';
import type { GatewaySigner } from '../ports.ts';

const DOMAIN = utf8('modelward request log checkpoint v1\0');

export interface Checkpoint {
  /** Of the last of these rows, hex. */
  readonly chain: string;
  /** Rows from here on, up to but without `to`. */
  readonly from: number;
  readonly isLast: boolean;
  /** Hash of the checkpoint before, hex; null for the first. */
  readonly prev: string | null;
  /** Merkle root of these rows alone (RFC 6962), hex. */
  readonly root: string;
  readonly seq: number;
  readonly stream: string;
  /** Unix time, milliseconds. */
  readonly timeMs: number;
  readonly to: number;
  readonly v: 1;
}

export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** What is signed and hashed: canonical JSON. */
  readonly body: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly keyId: string;
}

export function signCheckpoint(checkpoint: Checkpoint, signer: GatewaySigner): SignedCheckpoint {
  const body = toCanonicalJson({ ...checkpoint });
  return { checkpoint, body, signature: signer.sign(toSigned(body)), keyId: signer.keyId };
}

/** SHA-256 of a checkpoint's bytes, hex: how the next one, and the ledger, name it. */
export function toCheckpointHash(body: string): string {
  return toHex(sha256(utf8(body)));
}

/** What the signature is over. */
export function toSigned(body: string): Uint8Array {
  return concatBytes(DOMAIN, utf8(body));
}

/** Bytes of hex that a schema has checked. */
export function toHashBytes(hex: string): Uint8Array {
  const bytes = findHexBytes(hex);
  if (bytes?.length !== 32) throw new TypeError('internal error: no hash');
  return bytes;
}
