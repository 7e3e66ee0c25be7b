/** Rules for SGX and TDX. */
import type { SgxClaims, TdxClaims } from '../claims.ts';
import { type Refusal, refuseUnlisted, refuseWhen } from './refusal.ts';
import type { SgxPolicy, TdxPolicy } from './schema.ts';

export function judgeSgx(claims: SgxClaims, policy: SgxPolicy): Refusal[] {
  const { mrEnclave, mrSigner } = claims.measurements;
  return [
    ...refuseUnlisted('mrEnclave', mrEnclave, policy.mrEnclaves),
    ...(policy.signers === undefined ? [] : judgeSigner(claims, mrSigner, policy.signers)),
    ...judgePlatform(claims, policy),
  ];
}

/** A signer signs many products, and old versions of each: so product and least version belong to it. */
function judgeSigner(
  { isvProdId, isvSvn }: SgxClaims,
  mrSigner: string,
  signers: NonNullable<SgxPolicy['signers']>,
): Refusal[] {
  const known = signers.filter((one) => one.mrSigner === mrSigner && one.isvProdId === isvProdId);
  if (known.length === 0)
    return refuseWhen(true, 'ATTEST_POLICY_MEASUREMENT', { name: 'mrSigner', found: mrSigner, isvProdId });
  const minimum = Math.min(...known.map(({ isvSvnMin }) => isvSvnMin));
  return refuseWhen(isvSvn < minimum, 'ATTEST_POLICY_SVN', { found: isvSvn, minimum });
}

const NO_SERVICE_TD = '00'.repeat(48);

export function judgeTdx(claims: TdxClaims, policy: TdxPolicy): Refusal[] {
  const { measurements } = claims;
  // Service TDs may migrate this one: none is accepted unless it is listed. A quote of TDX 1.0 form has no field for it even
  // when the module has service TDs; what counts there is that a TD that is not migratable can have none.
  const serviceTd = measurements.mrServiceTd === '' ? NO_SERVICE_TD : measurements.mrServiceTd;
  return [
    ...refuseUnlisted('mrTd', measurements.mrTd, policy.mrTds),
    ...refuseUnlisted('rtMr0', measurements.rtMr0, policy.rtMr0),
    ...refuseUnlisted('rtMr1', measurements.rtMr1, policy.rtMr1),
    ...refuseUnlisted('rtMr2', measurements.rtMr2, policy.rtMr2),
    ...refuseUnlisted('rtMr3', measurements.rtMr3, policy.rtMr3),
    ...refuseUnlisted('mrConfigId', measurements.mrConfigId, policy.mrConfigIds),
    ...refuseUnlisted('mrOwner', measurements.mrOwner, policy.mrOwners),
    ...refuseUnlisted('mrOwnerConfig', measurements.mrOwnerConfig, policy.mrOwnerConfigs),
    ...refuseUnlisted('mrSeam', measurements.mrSeam, policy.mrSeams),
    ...refuseUnlisted('mrServiceTd', serviceTd, policy.mrServiceTds ?? [NO_SERVICE_TD]),
    ...refuseWhen(!claims.isSeptVeDisabled && !policy.allowSeptVe, 'ATTEST_POLICY_GUEST', { name: 'septVe' }),
    ...refuseWhen(claims.isMigratable && !isServiceTdListed(measurements.mrServiceTd, policy), 'ATTEST_POLICY_GUEST', {
      name: 'migratable',
    }),
    ...refuseWhen(claims.isPerfMonAllowed && !policy.allowPerfMon, 'ATTEST_POLICY_GUEST', { name: 'perfMon' }),
    ...judgePlatform(claims, policy),
  ];
}

/** The quote names a service TD and the policy lists it; zeros name none, and the host may bind one later. */
function isServiceTdListed(mrServiceTd: string, { mrServiceTds }: TdxPolicy): boolean {
  return mrServiceTd !== NO_SERVICE_TD && mrServiceTds?.includes(mrServiceTd) === true;
}

function judgePlatform(claims: SgxClaims | TdxClaims, policy: SgxPolicy | TdxPolicy): Refusal[] {
  return [
    ...refuseWhen(claims.isDebug && !policy.allowDebug, 'ATTEST_POLICY_DEBUG'),
    ...refuseUnlisted('ppid', claims.ppidHex, policy.ppids, 'ATTEST_POLICY_CHIP'),
    ...refuseUnlisted('fmspc', claims.fmspcHex, policy.fmspcs, 'ATTEST_POLICY_CHIP'),
    ...judgeTcb(claims, policy),
  ];
}

function judgeTcb({ tcb }: SgxClaims | TdxClaims, policy: SgxPolicy | TdxPolicy): Refusal[] {
  if (tcb === null) return refuseWhen(!policy.allowUnknownTcb, 'ATTEST_POLICY_TCB_UNKNOWN');
  const { status, advisories, evaluationNumber } = tcb;
  const unaccepted = policy.advisories === undefined ? [] : advisories.filter((id) => !policy.advisories?.includes(id));
  return [
    ...refuseWhen(!(policy.tcbStatuses as readonly string[]).includes(status), 'ATTEST_POLICY_TCB_STATUS', {
      found: status,
      advisories,
    }),
    ...refuseWhen(unaccepted.length > 0, 'ATTEST_POLICY_ADVISORY', { found: unaccepted }),
    ...refuseWhen(evaluationNumber < policy.evaluationNumberMin, 'ATTEST_POLICY_EVALUATION', {
      found: evaluationNumber,
      minimum: policy.evaluationNumberMin,
    }),
  ];
}
