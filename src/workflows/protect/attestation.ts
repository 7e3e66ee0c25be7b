/** Asks a time stamp authority to attest when the commitment existed (RFC 3161). */
import { findHexBytes } from '../../core/bytes.ts';
import { requestTimestamp } from '../../sign/index.ts';
import type { StagedFolder } from '../../source/index.ts';
import { readRoots } from '../commitment-time.ts';
import type { FileRecord } from './options.ts';
import type { Protection } from './protection.ts';
import { writeStaged } from './staged-files.ts';

export interface Attestation {
  readonly url: string;
  /** Time inside the token, ISO 8601. */
  readonly time: string;
  /** Subject of the authority's certificate. */
  readonly authority: string;
  /** False when no root certificate was given: then anyone could have made the token. */
  readonly isTrusted: boolean;
  /** DER; it travels in the claim, too. */
  readonly token: Uint8Array;
  /** The stored token. */
  readonly file: FileRecord;
}

/**
 * Stamps the commitment's digest; the token is kept beside the commitment, as `openssl ts -verify -token_in` reads it.
 * @returns null when no authority was named
 * @throws SignError when the authority refuses, cannot be reached, or answers for other data
 */
export async function attestCommitment(
  protection: Protection,
  staged: StagedFolder,
  commitmentDigestHex: string,
): Promise<Attestation | null> {
  const { options, services, names } = protection;
  if (options.tsaUrl === undefined) return null;
  const digest = findHexBytes(commitmentDigestHex) ?? new Uint8Array(0);
  const authority = services.openTsa(options.tsaUrl);
  const roots = readRoots(services.storage, options.tsaRootsPath);
  const { token, timestamp } = await requestTimestamp({ digest, authority, random: services.random, roots });
  const file = writeStaged(protection, staged, { name: names.timestamp, bytes: token });
  return {
    url: options.tsaUrl,
    time: new Date(timestamp.info.genTimeMs).toISOString(),
    authority: timestamp.authority,
    isTrusted: timestamp.isTrusted,
    token,
    file,
  };
}
