/** The verdict of another implementation (@phala/dcap-qvl) on a quote, and ours with the policy that it has built in. */
import dcapQvl from '@phala/dcap-qvl';
import type { DcapCollateral } from '../../src/attest/dcap/collateral.ts';
import { verifyDcap } from '../../src/attest/dcap/verify.ts';
import type { Certificate } from '../../src/attest/x509/certificate.ts';
import { ModelwardError } from '../../src/core/errors.ts';
import { toCollateralMembers } from '../fakes/attest/dcap.ts';

export interface Judged {
  readonly isAccepted: boolean;
  /** Status when accepted, else the reason. */
  readonly detail: string;
}

export interface Subject {
  readonly quote: Uint8Array;
  readonly collateral: DcapCollateral;
  readonly nowMs: number;
  /** Intel's without one. */
  readonly root?: Certificate;
}

export function judgeByOracle({ quote, collateral, nowMs, root }: Subject): Judged {
  const verifier =
    root === undefined ? dcapQvl.QuoteVerifier.newProd() : dcapQvl.QuoteVerifier.newWithRootCa(Buffer.from(root.der));
  const file = {
    ...toCollateralMembers(collateral),
    pck_crl_issuer_chain: '',
  };
  try {
    const report = verifier.verify(Buffer.from(quote), file, Math.floor(nowMs / 1000));
    return { isAccepted: true, detail: report.status };
  } catch (error) {
    return { isAccepted: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

/** The other one refuses debug, a revoked TCB, service TDs, open SEPT #VE and migratable TDs by itself. */
export function judgeByOurs({ quote, collateral, nowMs, root }: Subject): Judged {
  try {
    const claims = verifyDcap({ kind: 'dcap', quote, collateral }, { nowMs, ...(root === undefined ? {} : { root }) });
    if (claims.isDebug) return { isAccepted: false, detail: 'debug' };
    if (claims.tcb?.status === 'Revoked') return { isAccepted: false, detail: 'revoked' };
    if (claims.kind === 'tdx') {
      if (claims.isMigratable || !claims.isSeptVeDisabled) return { isAccepted: false, detail: 'attributes' };
      if (/[1-9a-f]/.test(claims.measurements.mrServiceTd)) return { isAccepted: false, detail: 'service TD' };
    }
    return { isAccepted: true, detail: claims.tcb?.status ?? 'unknown' };
  } catch (error) {
    if (error instanceof ModelwardError) return { isAccepted: false, detail: error.code };
    throw error;
  }
}
