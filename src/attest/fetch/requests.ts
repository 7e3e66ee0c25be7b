/**
 * What belongs to evidence and where the vendor hands it out. Addresses are made of our own words and of hex of the evidence, so
 * that no evidence names a host or a path.
 * @see AMD VCEK Certificate and KDS Interface Specification (57230), 4; Intel PCS API v4
 */
import { toHex } from '../../core/bytes.ts';
import { readPckPlatform, toPckChain } from '../dcap/pck.ts';
import { type DcapQuote, readDcapQuote } from '../dcap/quote.ts';
import type { Evidence } from '../evidence/types.ts';
import type { CollateralRequest } from '../ports.ts';
import { productOfCpu } from '../snp/cpu.ts';
import { readSnpReport, type SnpReport } from '../snp/report.ts';
import { toComponents, toSnpTcb } from '../snp/tcb.ts';
import type { SnpProduct } from '../snp/trust.ts';

const KDS = 'https://kdsintf.amd.com';
const PCS = 'https://api.trustedservices.intel.com';
const PCS_CERTIFICATES = 'https://certificates.trustedservices.intel.com';

/**
 * Sets of requests, the likeliest first: another set is asked for when the first request of one finds nothing. Reports before
 * version 3 do not name their processor. [] for evidence that carries all that belongs to it.
 * @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED; ATTEST_CERTIFICATE_MISSING for a quote without
 *   the certificates of its platform, which says nothing of what it needs
 */
export function planCollateral(evidence: Evidence): CollateralRequest[][] {
  if (evidence.kind === 'snp') return planSnp(readSnpReport(evidence.report));
  return evidence.kind === 'dcap' ? [planDcap(readDcapQuote(evidence.quote))] : [];
}

function planSnp(report: SnpReport): CollateralRequest[][] {
  const product = productOfCpu(report.cpu);
  const products: readonly SnpProduct[] = product === undefined ? ['Milan', 'Genoa'] : [product];
  return products.map((name) => {
    // The certificate of a VLEK is given to the provider alone, who hands it out with the report.
    const kind = report.signingKey === 1 ? 'vlek' : 'vcek';
    const key = kind === 'vcek' ? [toKds('vcek', toVcekPath(report, name))] : [];
    return [...key, toKds('chain', `/${kind}/v1/${name}/cert_chain`), toKds('crl', `/${kind}/v1/${name}/crl`)];
  });
}

function toKds(part: CollateralRequest['part'], path: string): CollateralRequest {
  return { part, address: `${KDS}${path}`, cachePath: path };
}

const SPL = { fmc: 'fmcSPL', bootloader: 'blSPL', tee: 'teeSPL', snp: 'snpSPL', microcode: 'ucodeSPL' } as const;

function toVcekPath(report: SnpReport, product: SnpProduct): string {
  const tcb = toSnpTcb(report.reportedTcb, product);
  const levels = toComponents(product).map((name) => `${SPL[name]}=${String(tcb[name] ?? 0).padStart(2, '0')}`);
  const chip = toHex(product === 'Turin' ? report.chipId.subarray(0, 8) : report.chipId);
  return `/vcek/v1/${product}/${chip}?${levels.join('&')}`;
}

function planDcap(quote: DcapQuote): CollateralRequest[] {
  const [pck, authority] = toPckChain(quote);
  const { kind } = quote.body;
  const ca = authority.commonName.includes('Platform') ? 'platform' : 'processor';
  const toPcs = (part: CollateralRequest['part'], path: string): CollateralRequest => ({
    ...{ part, address: `${PCS}${path}`, cachePath: path },
  });
  return [
    toPcs('tcbInfo', `/${kind}/certification/v4/tcb?fmspc=${readPckPlatform(pck).fmspcHex}`),
    toPcs('qeIdentity', `/${kind}/certification/v4/qe/identity`),
    toPcs('pckCrl', `/sgx/certification/v4/pckcrl?ca=${ca}&encoding=der`),
    {
      part: 'rootCrl',
      address: `${PCS_CERTIFICATES}/IntelSGXRootCA.der`,
      // As Intel's caching service (PCCS) names it.
      cachePath: '/sgx/certification/v4/rootcacrl',
    },
  ];
}
