/** What evidence says of itself, unverified, and what has to be fetched to verify it. Nothing here may be relied on. */
import { toHex } from '../../core/bytes.ts';
import { readPckPlatform } from '../dcap/pck.ts';
import { readDcapQuote } from '../dcap/quote.ts';
import type { DcapEvidence } from '../dcap/verify.ts';
import { planCollateral } from '../fetch/requests.ts';
import { readNitroDocument } from '../nitro/document.ts';
import { productOfCpu } from '../snp/cpu.ts';
import { readSnpReport } from '../snp/report.ts';
import type { SnpEvidence } from '../snp/verify.ts';
import { readTpmQuote } from '../tpm/quote.ts';
import { readPemChain } from '../x509/certificate.ts';
import type { Evidence } from './types.ts';

export interface EvidenceDescription {
  readonly kind: 'snp' | 'sgx' | 'tdx' | 'nitro' | 'tpm';
  /** Name and value, in the order to be shown. */
  readonly says: Readonly<Record<string, string | number>>;
  /** Where the vendor hands out what belongs to it; before version 3 a SEV-SNP report names no processor, and Milan is taken. [] when the evidence carries all. */
  readonly fetch: readonly string[];
}

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED | ATTEST_CERTIFICATE_MALFORMED */
export function describeEvidence(evidence: Evidence): EvidenceDescription {
  switch (evidence.kind) {
    case 'snp':
      return describeSnp(evidence);
    case 'dcap':
      return describeDcap(evidence);
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

function describeSnp(evidence: SnpEvidence): EvidenceDescription {
  const report = readSnpReport(evidence.report);
  const product = productOfCpu(report.cpu);
  const key = ['vcek', 'vlek'][report.signingKey] ?? 'none';
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
    fetch: toAddresses(evidence),
  };
}

function describeDcap(evidence: DcapEvidence): EvidenceDescription {
  const { body, version, pckChainPem } = readDcapQuote(evidence.quote);
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
  return { kind: body.kind, says, fetch: toAddresses(evidence) };
}

function toAddresses(evidence: Evidence): string[] {
  return (
    planCollateral(evidence)
      .at(0)
      ?.map(({ address }) => address) ?? []
  );
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
