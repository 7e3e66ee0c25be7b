/** Inside a confidential VM or an enclave: asks the hardware for evidence and writes it as an evidence file. */
import { encodeDcapEvidenceFile, encodeSnpEvidenceFile, readCollateral } from '../../attest/index.ts';
import type { ReportRequest, ReportSource } from '../../attest/ports.ts';
import { utf8 } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import type { Services } from '../services.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';

export interface CollectedEvidence {
  readonly provider: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Certificates that the host handed out with it. */
  readonly certificates: number;
}

/** @throws AttestError ATTEST_TSM_* | ATTEST_ENCLAVE_REFUSED | ATTEST_EVIDENCE_UNKNOWN for a provider that is not known; SourceError */
export function collectEvidence(
  services: Services,
  source: ReportSource,
  options: ReportRequest & { readonly outPath: string; readonly force: boolean },
): CollectedEvidence {
  const { outPath, force, ...request } = options;
  const { provider, outblob, auxblob } = source.collect(request);
  const { text, certificates } = toFile(provider, outblob, auxblob);
  const bytes = utf8(text);
  makeParent(services.storage, outPath);
  writeBytes(services.storage, { path: outPath, mode: 0o644, bytes, replace: force });
  return { provider, path: outPath, sizeBytes: bytes.length, certificates };
}

function toFile(provider: string, outblob: Uint8Array, auxblob: Uint8Array) {
  if (provider === 'tdx_guest' || provider === 'sgx_enclave')
    return { text: encodeDcapEvidenceFile(outblob), certificates: 0 };
  if (provider !== 'sev_guest') throw new AttestError('ATTEST_EVIDENCE_UNKNOWN', { fields: { provider } });
  const { certificates, crls } = readCollateral(auxblob.length === 0 ? [] : [auxblob]);
  return { text: encodeSnpEvidenceFile({ report: outblob, certificates, crls }), certificates: certificates.length };
}
