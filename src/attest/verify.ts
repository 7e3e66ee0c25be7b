/** Authenticity of evidence of any kind: who signed it, and is it intact and current. Never whether it may have a key. */
import type { AttestationClaims } from './claims.ts';
import { verifyDcap, verifyDcapWithoutCollateral } from './dcap/verify.ts';
import type { Evidence } from './evidence/types.ts';
import { verifyNitro } from './nitro/verify.ts';
import type { SnpTrust } from './snp/trust.ts';
import { verifySnp } from './snp/verify.ts';
import { verifyTpm } from './tpm/verify.ts';
import type { Certificate } from './x509/certificate.ts';

/** What is believed instead of the pinned roots: for tests with authorities of their own. */
export interface TrustAnchors {
  readonly snp?: readonly SnpTrust[];
  readonly intel?: Certificate;
  readonly nitro?: Certificate;
}

export interface VerifyOptions {
  /** The instant to judge validity at: now, or for evidence of the past the time that it is of. */
  readonly nowMs: number;
  /** Roots that certify attestation keys of TPMs; no vendor's are pinned. */
  readonly tpmRoots?: readonly Certificate[];
  readonly anchors?: TrustAnchors;
}

/** @throws AttestError with a code for each reason, see `verifySnp`, `verifyDcap`, `verifyNitro`, `verifyTpm` */
export function verifyEvidence(evidence: Evidence, options: VerifyOptions): AttestationClaims {
  const { nowMs, anchors = {}, tpmRoots = [] } = options;
  switch (evidence.kind) {
    case 'snp':
      return verifySnp(evidence, { nowMs, ...(anchors.snp === undefined ? {} : { trust: anchors.snp }) });
    case 'dcap':
      return verifyDcap(evidence, { nowMs, ...toRoot(anchors.intel) });
    case 'nitro':
      return verifyNitro(evidence, { nowMs, ...toRoot(anchors.nitro) });
    case 'tpm':
      return verifyTpm(evidence, { nowMs, roots: tpmRoots });
  }
}

/** As `verifyEvidence`; of SGX and TDX quotes signatures alone, and the claims say that the TCB is not known. */
export function verifyEvidenceWithoutCollateral(evidence: Evidence, options: VerifyOptions): AttestationClaims {
  if (evidence.kind !== 'dcap') return verifyEvidence(evidence, options);
  return verifyDcapWithoutCollateral(evidence, { nowMs: options.nowMs, ...toRoot(options.anchors?.intel) });
}

function toRoot(root: Certificate | undefined): { readonly root?: Certificate } {
  return root === undefined ? {} : { root };
}
