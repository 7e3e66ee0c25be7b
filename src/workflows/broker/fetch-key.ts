/** Inside an attested machine: the key of a seal from a broker, with evidence of this machine. */
import { encodeDcapEvidenceFile, encodeSnpEvidenceFile, readCollateral } from '../../attest/index.ts';
import type { ReportSource } from '../../attest/ports.ts';
import { type BrokerLink, fetchKey, type GuestEvidence } from '../../broker/index.ts';
import { AttestError } from '../../core/errors.ts';

/** What a guest may be: a confidential VM of AMD or Intel, or an SGX enclave under Gramine. */
export type GuestTee = 'snp' | 'tdx' | 'sgx';

export interface FetchSealKeyOptions {
  readonly link: BrokerLink;
  readonly source: ReportSource;
  readonly tee: GuestTee;
  readonly resource: string;
}

/**
 * 32 bytes; the caller wipes them.
 * @throws BrokerError as `fetchKey`; AttestError ATTEST_TSM_* | ATTEST_ENCLAVE_REFUSED | ATTEST_EVIDENCE_UNKNOWN when this machine is of another kind
 */
export async function fetchSealKey({ link, source, tee, resource }: FetchSealKeyOptions): Promise<Uint8Array> {
  return fetchKey({ link, evidence: toGuestEvidence(source, tee), resource });
}

const PROVIDERS: Readonly<Record<GuestTee, string>> = { snp: 'sev_guest', tdx: 'tdx_guest', sgx: 'sgx_enclave' };

function toGuestEvidence(source: ReportSource, tee: GuestTee): GuestEvidence {
  return {
    tee,
    collect: (reportData) => {
      const { provider, outblob, auxblob } = source.collect({ reportData });
      if (provider !== PROVIDERS[tee]) throw new AttestError('ATTEST_EVIDENCE_UNKNOWN', { fields: { provider } });
      if (tee !== 'snp') return JSON.parse(encodeDcapEvidenceFile(outblob)) as unknown;
      const { certificates, crls } = readCollateral(auxblob.length === 0 ? [] : [auxblob]);
      return JSON.parse(encodeSnpEvidenceFile({ report: outblob, certificates, crls })) as unknown;
    },
  };
}
