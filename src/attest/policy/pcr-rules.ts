/** Rules for Nitro Enclaves and TPMs: lists of PCR values. */
import type { NitroClaims, TpmClaims } from '../claims.ts';
import { type Refusal, refuseUnlisted, refuseWhen } from './refusal.ts';
import type { NitroPolicy, TpmPolicy } from './schema.ts';

export function judgeNitro(claims: NitroClaims, policy: NitroPolicy): Refusal[] {
  return [
    ...refuseWhen(claims.isDebug && !policy.allowDebug, 'ATTEST_POLICY_DEBUG'),
    ...refuseUnlisted('moduleId', claims.moduleId, policy.moduleIds, 'ATTEST_POLICY_CHIP'),
    ...judgePcrs(claims.measurements, policy.pcrs),
  ];
}

export function judgeTpm(claims: TpmClaims, policy: TpmPolicy): Refusal[] {
  const isListed = policy.akFingerprints?.includes(claims.akFingerprintHex) === true;
  const isAccepted = isListed || (policy.allowCertifiedAk && claims.isAkCertified);
  return [
    ...refuseWhen(!isAccepted, 'ATTEST_POLICY_AK', { found: claims.akFingerprintHex }),
    ...judgePcrs(claims.measurements, policy.pcrs),
  ];
}

/** A PCR that the policy lists and the evidence lacks is refused like a wrong one. */
function judgePcrs(
  found: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, readonly string[]>>,
): Refusal[] {
  return Object.entries(wanted).flatMap(([name, values]) =>
    refuseUnlisted(`pcr ${name}`, Object.hasOwn(found, name) ? found[name] : 'none', values),
  );
}
