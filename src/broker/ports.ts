/** What the broker needs from outside, and what its client needs. */
import type { AttestationClaims } from '../attest/index.ts';
import type { Tee } from './messages.ts';

export type { Tee };

/** Authenticity of evidence: who signed it, and is it intact and current. */
export interface EvidenceVerifier {
  /**
   * Implementations must verify against pinned roots, must never admit evidence that no hardware signed, and must not look at
   * policy.
   * @param primaryEvidence parsed JSON from an unknown client
   * @throws AttestError | BrokerError with a code for each reason
   */
  verify(request: { readonly primaryEvidence: unknown; readonly tee: Tee; readonly nowMs: number }): AttestationClaims;
}

/** Where the keys are. */
export interface KeyStore {
  /**
   * The data key of a seal, in a fresh buffer that the caller wipes. Implementations must record the use of their own key.
   * @throws ModelwardError when it cannot be had
   */
  takeKey(sealId: string): Promise<Uint8Array>;
}

/** One decision about an attested machine. */
export interface BrokerDecision {
  readonly outcome: 'released' | 'refused';
  /** Error code of a refusal; null for a release. */
  readonly code: string | null;
  /** Codes of a policy's reasons. */
  readonly reasons: readonly string[];
  /** Name of the resource asked for; null while none was. */
  readonly resource: string | null;
  readonly sealId: string | null;
  readonly tee: Tee;
  readonly sessionName: string;
  /** Thumbprint of the key that the answer is encrypted to. */
  readonly keyThumbprint: string;
  readonly evidenceDigestHex: string;
  /** Of the broker policy. */
  readonly policyDigestHex: string;
  /** Of the attestation policy of the resource; null while no resource was found. */
  readonly attestationPolicyDigestHex: string | null;
}

/** The broker's record. */
export interface BrokerLog {
  /** Durable when the promise is fulfilled; nothing is handed out before. */
  record(decision: BrokerDecision): Promise<void>;
  /** Counts what was refused before any evidence was found authentic. */
  count(refusal: { readonly code: string; readonly policyDigestHex: string }): Promise<void>;
}

export interface BrokerAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The way to a broker. Implementations must verify its certificate, follow no redirect, and bound time and size. */
export interface BrokerLink {
  /** @throws BrokerError BROKER_UNREACHABLE */
  send(request: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Uint8Array;
  }): Promise<BrokerAnswer>;
}

/** Evidence of the machine that this runs on. */
export interface GuestEvidence {
  readonly tee: Tee;
  /**
   * `primary_evidence` as JSON, bound to `reportData`.
   * @throws AttestError ATTEST_TSM_*
   */
  collect(reportData: Uint8Array): unknown;
}
