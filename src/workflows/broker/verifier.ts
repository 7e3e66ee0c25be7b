/** The verifier of a broker that serves: pinned roots of the vendors, collateral from files, and nothing else. */
import { type Collateral, verifyEvidence } from '../../attest/index.ts';
import { type EvidenceVerifier, readPrimaryEvidence } from '../../broker/index.ts';

/** @param collateral what belongs to the evidence and does not come with it */
export function createHardwareVerifier(collateral: Collateral): EvidenceVerifier {
  return {
    verify: ({ primaryEvidence, tee, nowMs }) =>
      verifyEvidence(readPrimaryEvidence(primaryEvidence, tee, collateral), { nowMs }),
  };
}
