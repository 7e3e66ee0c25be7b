/** What evidence says of itself, unverified, and what has to be fetched to verify it. Nothing here may be relied on. */
import { toHex } from '../../core/bytes.ts';
import { readPckPlatform } from '../dcap/pck.ts';
import { readDcapQuote } from '../dcap/quote.ts';
import { readNitroDocument } from '../nitro/document.ts';
import { productOfCpu } from '../snp/cpu.ts';
import { readSnpReport, type SnpReport } from '../snp/report.ts';
import { toComponents, toSnpTcb } from '../snp/tcb.ts';
import type { SnpProduct } from '../snp/trust.ts';
import { readTpmQuote } from '../tpm/quote.ts';
import { readPemChain } from '../x509/certificate.ts';
import type { Evidence } from './types.ts';

export interface EvidenceDescription {
  readonly kind: 'snp' | 'sgx' | 'tdx' | 'nitro' | 'tpm';
  /** Name and value, in the order to be shown. */
  readonly says: Readonly<Record<string, string | number>>;
  /** Where the vendor hands out what belongs to it; [] when the evidence carries all. */
  readonly fetch: readonly string[];
}

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED */
export function describeEvidence(evidence: Evidence): EvidenceDescription {
  switch (evidence.kind) {
    case 'snp':
      return describeSnp(readSnpReport(evidence.report));
    case 'dcap':
      return describeDcap(evidence.quote);
    case 'nitro':
      return describeNitro(evidence.document);
    case 'tpm': {
      const quote = readTpmQuote(evidence.quote);
      const says = {
        extraData: toHex(quote.extraData),
        pcrs: quote.selected.join(' '),
        pcrDigest: toHex(quote.pcrDigest),
      };
      return { kind: 'tpm', says, fetch: [] };
    }
  }
}

const KDS = 'https://kdsintf.amd.com';

function describeSnp(report: SnpReport): EvidenceDescription {
  const product = productOfCpu(report.cpu);
  const key = ['vcek', 'vlek'][report.signingKey] ?? 'none';
  // Before version 3 the report does not name the product; that of the address is to be replaced when it is another.
  const named = product ?? 'Milan';
  return {
    kind: 'snp',
    says: {
      version: report.version,
      product: product ?? 'not stated (version 2)',
      'signing key': key,
      vmpl: report.vmpl,
      'guest svn': report.guestSvn,
      policy: `0x${report.policy.toString(16)}`,
      measurement: toHex(report.measurement),
      'host data': toHex(report.hostData),
      'report data': toHex(report.reportData),
      'reported TCB': toHex(report.reportedTcb),
      'chip id': toHex(report.chipId),
    },
    fetch:
      key === 'vcek' ? [toVcekAddress(report, named), `${KDS}/vcek/v1/${named}/crl`] : [`${KDS}/vlek/v1/${named}/crl`],
  };
}

const SPL = { fmc: 'fmcSPL', bootloader: 'blSPL', tee: 'teeSPL', snp: 'snpSPL', microcode: 'ucodeSPL' } as const;

/** @see AMD VCEK Certificate and KDS Interface Specification (57230), 4 */
function toVcekAddress(report: SnpReport, product: SnpProduct): string {
  const tcb = toSnpTcb(report.reportedTcb, product);
  const levels = toComponents(product).map((name) => `${SPL[name]}=${String(tcb[name] ?? 0).padStart(2, '0')}`);
  const chip = toHex(product === 'Turin' ? report.chipId.subarray(0, 8) : report.chipId);
  return `${KDS}/vcek/v1/${product}/${chip}?${levels.join('&')}`;
}

const PCS = 'https://api.trustedservices.intel.com';

function describeDcap(bytes: Uint8Array): EvidenceDescription {
  const { body, version, pckChainPem } = readDcapQuote(bytes);
  const chain = pckChainPem === null ? [] : readPemChain(pckChainPem);
  const platform = chain.length === 0 ? null : readPckPlatform(chain[0]);
  const says: Record<string, string | number> = { version };
  if (body.kind === 'sgx') {
    Object.assign(says, { mrEnclave: toHex(body.mrEnclave), mrSigner: toHex(body.mrSigner) });
    Object.assign(says, { isvProdId: body.isvProdId, isvSvn: body.isvSvn, attributes: toHex(body.attributes) });
  } else {
    Object.assign(says, { mrTd: toHex(body.mrTd), 'TEE TCB SVN': toHex(body.teeTcbSvn) });
    for (const [number, value] of body.rtMrs.entries()) says[`rtMr${number}`] = toHex(value);
    says['TD attributes'] = toHex(body.tdAttributes);
  }
  says['report data'] = toHex(body.reportData);
  if (platform === null) return { kind: body.kind, says, fetch: [] };
  Object.assign(says, { FMSPC: platform.fmspcHex, 'PCE-ID': platform.pceIdHex, PPID: platform.ppidHex });
  const ca = chain.at(1)?.commonName.includes('Platform') === true ? 'platform' : 'processor';
  const base = `${PCS}/${body.kind}/certification/v4`;
  return {
    kind: body.kind,
    says,
    fetch: [
      `${base}/tcb?fmspc=${platform.fmspcHex}`,
      `${base}/qe/identity`,
      `${PCS}/sgx/certification/v4/pckcrl?ca=${ca}&encoding=der`,
      'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    ],
  };
}

function describeNitro(bytes: Uint8Array): EvidenceDescription {
  const { moduleId, timestampMs, pcrs, userData, nonce } = readNitroDocument(bytes);
  const says: Record<string, string | number> = { moduleId, time: new Date(timestampMs).toISOString() };
  for (const [number, value] of pcrs) if (value.some((byte) => byte !== 0)) says[`PCR${number}`] = toHex(value);
  return {
    kind: 'nitro',
    says: { ...says, 'user data': toHex(userData ?? new Uint8Array()), nonce: toHex(nonce ?? new Uint8Array()) },
    fetch: [],
  };
}
