/** A gateway's key for checkpoints of its log, drawn anew for each file of tests. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { toHex } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';
import type { GatewaySigner } from '../../src/gateway/ports.ts';

export function makeLogSigner(): GatewaySigner {
  const { privateKey, publicKey: key } = generateKeyPairSync('ed25519');
  const publicKey = new Uint8Array(key.export({ format: 'der', type: 'spki' }));
  return {
    ...{ keyId: toHex(sha256(publicKey)), publicKey },
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}
