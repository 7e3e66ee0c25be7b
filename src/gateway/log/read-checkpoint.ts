/** Checkpoints that somebody else may have written, read and verified; the thread that writes them does without. */
import { createPublicKey, verify } from 'node:crypto';
import { z } from 'zod';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { type Checkpoint, toSigned } from './checkpoint.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);

const checkpointSchema = z.strictObject({
  chain: hash,
  from: count,
  isLast: z.boolean(),
  prev: hash.nullable(),
  root: hash,
  seq: count,
  stream: z.string().min(1).max(64),
  timeMs: count,
  to: count,
  v: z.literal(1),
});

/** The checkpoint in `body`, null when it is none, or not in canonical form. */
export function findCheckpoint(body: string): Checkpoint | null {
  try {
    const parsed = checkpointSchema.safeParse(JSON.parse(body));
    return parsed.success && toCanonicalJson(parsed.data) === body ? parsed.data : null;
  } catch {
    return null;
  }
}

/** @param publicKey DER of an Ed25519 SPKI */
export function isCheckpointSigned(body: string, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return key.asymmetricKeyType === 'ed25519' && verify(null, toSigned(body), key, signature);
}
