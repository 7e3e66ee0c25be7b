/** What is known of the time of a commitment: a token is believed for what it says itself, never for what stands beside it. */
import { findBase64Bytes, findHexBytes } from '../core/bytes.ts';
import { SignError } from '../core/errors.ts';
import { type VerifiedTimestamp, verifyTimestamp } from '../sign/index.ts';
import type { Storage } from '../source/ports.ts';
import type { Claim } from '../watermark/index.ts';

const TIME_BY_OWNER = 'time attested only by the owner';

/** A token over the commitment whose signature holds. */
export interface CommitmentTimestamp {
  /** Time inside the token, ISO 8601. */
  readonly time: string;
  /** Subject of the authority's certificate. */
  readonly authority: string;
  /** False without root certificates: then anyone could have made the token. */
  readonly isTrusted: boolean;
}

export interface CommitmentTime {
  readonly words: string;
  /** Null without a token that holds. */
  readonly timestamp: CommitmentTimestamp | null;
}

/** Certificates of a PEM file. @throws SourceError */
export function readRoots(storage: Storage, path: string | undefined): string[] | null {
  if (path === undefined) return null;
  const text = Buffer.from(storage.read(path)).toString('utf8');
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/**
 * Verifies the token that travels in a claim over the claim's commitment. The attestations of a claim are not committed:
 * whoever has the file can change them.
 * @param roots PEM certificates that are believed; null tells the time without trusting its authority
 */
export function toCommitmentTime(claim: Claim, roots: readonly string[] | null): CommitmentTime {
  const tsa = claim.attestations?.tsa;
  if (tsa === undefined) return { words: TIME_BY_OWNER, timestamp: null };
  const text = typeof tsa === 'object' && tsa !== null && 'token' in tsa ? tsa.token : undefined;
  const token = typeof text === 'string' ? findBase64Bytes(text) : undefined;
  const digest = findHexBytes(claim.commitment.digest) ?? new Uint8Array();
  try {
    if (token === undefined) throw new SignError('SIGN_TIMESTAMP_MALFORMED');
    const timestamp = toTimestamp(verifyTimestamp({ token, digest, roots }));
    return { words: toWords(timestamp), timestamp };
  } catch (error) {
    if (!(error instanceof SignError)) throw error;
    return { words: `${TIME_BY_OWNER}: the time stamp of the claim does not hold (${error.code})`, timestamp: null };
  }
}

function toTimestamp({ info, authority, isTrusted }: VerifiedTimestamp): CommitmentTimestamp {
  return { time: new Date(info.genTimeMs).toISOString(), authority, isTrusted };
}

function toWords({ time, authority, isTrusted }: CommitmentTimestamp): string {
  return isTrusted
    ? `attested by a time stamp of ${authority}: ${time}`
    : `time stamp of ${authority}, ${time}; who made it was not checked (--tsa-ca FILE)`;
}
