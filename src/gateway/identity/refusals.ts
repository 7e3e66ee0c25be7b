/** Refusals as values that are made once: a flood of wrong credentials allocates nothing. */
import type { IdentifyResult, RefusalCode } from '../ports.ts';

type Refused = IdentifyResult & { readonly isKnown: false };

const REFUSALS: Readonly<Record<RefusalCode, Refused>> = {
  GATEWAY_CREDENTIAL_MISSING: { isKnown: false, code: 'GATEWAY_CREDENTIAL_MISSING' },
  GATEWAY_CREDENTIAL_INVALID: { isKnown: false, code: 'GATEWAY_CREDENTIAL_INVALID' },
  GATEWAY_CREDENTIAL_EXPIRED: { isKnown: false, code: 'GATEWAY_CREDENTIAL_EXPIRED' },
  GATEWAY_ADDRESS_REFUSED: { isKnown: false, code: 'GATEWAY_ADDRESS_REFUSED' },
  GATEWAY_IDENTITY_UNAVAILABLE: { isKnown: false, code: 'GATEWAY_IDENTITY_UNAVAILABLE' },
};

/** Whether the caller failed; not where it cannot be looked up who he is. */
export function isFailure(code: RefusalCode): boolean {
  return code !== 'GATEWAY_IDENTITY_UNAVAILABLE';
}

export function toRefusal(code: RefusalCode): Refused {
  return REFUSALS[code];
}
