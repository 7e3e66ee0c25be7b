/** Claims of a verified quote. */
import { toHex } from '../../core/bytes.ts';
import type { DcapTcb, SgxClaims, TdxClaims } from '../claims.ts';
import type { SgxBody, TdxBody } from './body.ts';
import type { PckPlatform } from './pck.ts';
import type { DcapQuote } from './quote.ts';

/** Bit 1 of the attributes of an enclave. */
const SGX_DEBUG = 0x02;

interface Verified {
  readonly verifiedForMs: number;
  readonly evidenceDigestHex: string;
  readonly isRevocationChecked: boolean;
  readonly rootFingerprintHex: string;
  readonly validUntilMs: number;
  readonly tcb: DcapTcb | null;
}

export function toDcapClaims(quote: DcapQuote, platform: PckPlatform, verified: Verified): SgxClaims | TdxClaims {
  const { body, version, qeSvn, pceSvn } = quote;
  const { fmspcHex, ppidHex, pceIdHex } = platform;
  const reportDataHex = toHex(body.reportData);
  const common = {
    ...verified,
    ...{ quoteVersion: version, fmspcHex, ppidHex, pceIdHex, qeSvn, pceSvn },
    ...{ reportDataHex, nonceHex: reportDataHex },
  };
  return body.kind === 'sgx' ? { ...common, ...toSgx(body) } : { ...common, ...toTdx(body) };
}

function toSgx(body: SgxBody) {
  return {
    kind: 'sgx' as const,
    isDebug: (body.attributes[0] & SGX_DEBUG) !== 0,
    measurements: { mrEnclave: toHex(body.mrEnclave), mrSigner: toHex(body.mrSigner) },
    isvProdId: body.isvProdId,
    isvSvn: body.isvSvn,
    attributesHex: toHex(body.attributes),
    miscSelectHex: body.miscSelect.toString(16).padStart(8, '0'),
    cpuSvnHex: toHex(body.cpuSvn),
  };
}

function toTdx(body: TdxBody) {
  const [rtMr0, rtMr1, rtMr2, rtMr3] = body.rtMrs.map(toHex);
  return {
    kind: 'tdx' as const,
    // TUD, the first byte, is all of debugging: any bit of it makes the TD untrusted.
    isDebug: body.tdAttributes[0] !== 0,
    // Bit 28: without it the host can inject exceptions by taking pages away.
    isSeptVeDisabled: (body.tdAttributes[3] & 0x10) !== 0,
    // Bit 29: a service TD of the host's choice may move this TD to another machine.
    isMigratable: (body.tdAttributes[3] & 0x20) !== 0,
    // Bit 63
    isPerfMonAllowed: (body.tdAttributes[7] & 0x80) !== 0,
    measurements: {
      ...{ mrTd: toHex(body.mrTd), rtMr0, rtMr1, rtMr2, rtMr3 },
      mrConfigId: toHex(body.mrConfigId),
      mrOwner: toHex(body.mrOwner),
      mrOwnerConfig: toHex(body.mrOwnerConfig),
      mrSeam: toHex(body.mrSeam),
      mrSignerSeam: toHex(body.mrSignerSeam),
      mrServiceTd: body.mrServiceTd === null ? '' : toHex(body.mrServiceTd),
    },
    tdAttributesHex: toHex(body.tdAttributes),
    xfamHex: toHex(body.xfam),
    teeTcbSvnHex: toHex(body.teeTcbSvn),
  };
}
