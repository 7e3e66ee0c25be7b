/** One reason why a policy does not accept evidence, and the small checks that rules are made of. */
import type { attestErrors } from '../../core/errors/attest.ts';
import type { ErrorFields } from '../../core/errors.ts';

type PolicyCode = Extract<keyof typeof attestErrors, `ATTEST_POLICY_${string}`>;

export interface Refusal {
  readonly code: PolicyCode;
  readonly fields: ErrorFields;
}

export function refuseWhen(isRefused: boolean, code: PolicyCode, fields: ErrorFields = {}): Refusal[] {
  return isRefused ? [{ code, fields }] : [];
}

/** Refused unless `found` stands on the list; a list that is not there asks for nothing. */
export function refuseUnlisted(
  name: string,
  found: string,
  allowed: readonly string[] | undefined,
  code: PolicyCode = 'ATTEST_POLICY_MEASUREMENT',
): Refusal[] {
  return refuseWhen(allowed !== undefined && !allowed.includes(found), code, { name, found });
}
