/** Rules for SEV-SNP. */
import type { SnpClaims } from '../claims.ts';
import { toComponents } from '../snp/tcb.ts';
import { type Refusal, refuseUnlisted, refuseWhen } from './refusal.ts';
import type { SnpPolicy } from './schema.ts';

export function judgeSnp(claims: SnpClaims, policy: SnpPolicy): Refusal[] {
  const { measurements, guestPolicy, signingKey, vmpl, guestSvn, csp } = claims;
  return [
    ...refuseWhen(claims.isDebug && !policy.allowDebug, 'ATTEST_POLICY_DEBUG'),
    ...refuseWhen(!(policy.vmpls as readonly number[]).includes(vmpl), 'ATTEST_POLICY_VMPL', { found: vmpl }),
    ...refuseWhen(!policy.signingKeys.includes(signingKey), 'ATTEST_POLICY_SIGNING_KEY', { found: signingKey }),
    ...(signingKey === 'vlek'
      ? refuseUnlisted('provider', csp ?? '', policy.providers, 'ATTEST_POLICY_SIGNING_KEY')
      : []),
    ...refuseUnlisted('measurement', measurements.measurement, policy.measurements),
    ...refuseUnlisted('hostData', measurements.hostData, policy.hostData),
    ...refuseUnlisted('idKeyDigest', measurements.idKeyDigest, policy.idKeyDigests),
    ...refuseUnlisted('authorKeyDigest', measurements.authorKeyDigest, policy.authorKeyDigests),
    ...refuseUnlisted('chipId', claims.chipIdHex, policy.chipIds, 'ATTEST_POLICY_CHIP'),
    ...refuseWhen(guestSvn < policy.guestSvnMin, 'ATTEST_POLICY_SVN', { found: guestSvn, minimum: policy.guestSvnMin }),
    ...refuseWhen(guestPolicy.isMigrationAgentAllowed && !policy.allowMigrationAgent, 'ATTEST_POLICY_GUEST', {
      name: 'migrationAgent',
    }),
    ...refuseWhen(guestPolicy.isSmtAllowed && !policy.allowSmt, 'ATTEST_POLICY_GUEST', { name: 'smt' }),
    ...judgeMinimum(claims, policy),
    ...refuseWhen(policy.revocation === 'required' && !claims.isRevocationChecked, 'ATTEST_POLICY_REVOCATION'),
  ];
}

/** The reported TCB is what the signing key is bound to; the current one may be higher for a while, and says nothing. */
function judgeMinimum({ product, tcb: { reported } }: SnpClaims, { minimumTcb }: SnpPolicy): Refusal[] {
  const minimum: Readonly<Record<string, number>> | undefined = minimumTcb[product];
  if (minimum === undefined) return [{ code: 'ATTEST_POLICY_PRODUCT', fields: { found: product } }];
  return toComponents(product).flatMap((component) => {
    const found = reported[component] ?? 0;
    const fields = { component, found, minimum: minimum[component] };
    return refuseWhen(found < minimum[component], 'ATTEST_POLICY_TCB_MINIMUM', fields);
  });
}
