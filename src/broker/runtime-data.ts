/** What evidence must be bound to: SHA-384 of the runtime data as KBS protocol 0.4 has it. */
import { createHash } from 'node:crypto';
import { toCanonicalJsonBytes } from '../core/canonical-json.ts';
import type { TeeJwk } from './tee-key.ts';

export interface RuntimeData {
  /** As the broker gave it: base64. */
  readonly nonce: string;
  readonly teeKey: TeeJwk;
  /** Text of the member `additional_evidence`; '' when there are no further devices. */
  readonly additionalEvidence: string;
}

/**
 * 48 bytes; in report data zeros follow.
 * @see github.com/confidential-containers/trustee, kbs/docs/kbs_attestation_protocol.md: RFC 8785 of the three members
 */
export function digestRuntimeData({ nonce, teeKey, additionalEvidence }: RuntimeData): Uint8Array {
  const value = { 'additional-evidence': additionalEvidence, nonce, 'tee-pubkey': teeKey };
  return new Uint8Array(createHash('sha384').update(toCanonicalJsonBytes(value)).digest());
}
