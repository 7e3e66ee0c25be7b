/** One tag or signature against the text that it is to cover, and against the time. */
import { createPublicKey, verify } from 'node:crypto';
import { isEqualConstantTime, toHex, utf8 } from '../../core/bytes.ts';
import { hmacSha256, sha256 } from '../../core/hash.ts';
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';
import type { CheckedMark, CheckKeys, CheckTime, Findings } from './report.ts';

export interface Mark {
  readonly kind: 'tag' | 'signature';
  readonly keyId: string;
  readonly createdMs: number;
  /** What is covered. */
  readonly text: string;
  readonly value: Uint8Array;
}

/** Nothing is told of a mark for which no key was given. */
export function checkMark(mark: Mark, keys: CheckKeys, time: CheckTime, findings: Findings): CheckedMark {
  const { kind, keyId, createdMs } = mark;
  const outcome = kind === 'tag' ? checkTag(mark, keys, findings) : checkSignature(mark, keys, findings);
  // A time that nobody vouches for says nothing.
  if (outcome === 'good') checkTime(createdMs, time, findings);
  return { kind, keyId, createdMs, outcome };
}

function checkTag({ keyId, text, value }: Mark, { tag }: CheckKeys, findings: Findings): CheckedMark['outcome'] {
  if (tag === null) return 'unchecked';
  if (keyId !== tag.keyId) {
    findings.add('INTEGRITY_KEY_OTHER', { key: keyId });
    return 'wrong';
  }
  if (isEqualConstantTime(hmacSha256(tag.key, utf8(text)), value)) return 'good';
  findings.add('INTEGRITY_TAG_WRONG');
  return 'wrong';
}

function checkSignature(
  { keyId, text, value }: Mark,
  { publicKey }: CheckKeys,
  findings: Findings,
): CheckedMark['outcome'] {
  if (publicKey === null) return 'unchecked';
  if (keyId !== toHex(sha256(publicKey))) {
    findings.add('INTEGRITY_KEY_OTHER', { key: keyId });
    return 'wrong';
  }
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  if (key.asymmetricKeyType === 'ed25519' && value.length === 64 && verify(null, utf8(text), key, value)) return 'good';
  findings.add('INTEGRITY_SIGNATURE_WRONG');
  return 'wrong';
}

function checkTime(createdMs: number, { nowMs, maxAgeMs }: CheckTime, findings: Findings): void {
  const created = new Date(createdMs).toISOString();
  if (maxAgeMs !== null && nowMs - createdMs > maxAgeMs + INTEGRITY_LIMITS.skewMs) {
    findings.add('INTEGRITY_TOO_OLD', { created });
  }
  if (createdMs - nowMs > INTEGRITY_LIMITS.skewMs) findings.add('INTEGRITY_TOO_NEW', { created });
}

/** Whether the kinds of marks that the given keys check are there. */
export function checkPresence(marks: readonly CheckedMark[], keys: CheckKeys, findings: Findings): void {
  const has = (kind: CheckedMark['kind']): boolean => marks.some((mark) => mark.kind === kind);
  if (keys.tag !== null && !has('tag')) findings.add('INTEGRITY_MISSING', { kind: 'tag' });
  if (keys.publicKey !== null && !has('signature')) findings.add('INTEGRITY_MISSING', { kind: 'signature' });
}
