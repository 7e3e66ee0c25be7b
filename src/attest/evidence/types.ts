/** Evidence of any kind, read and not yet verified. */
import type { DcapEvidence } from '../dcap/verify.ts';
import type { NitroEvidence } from '../nitro/verify.ts';
import type { SnpEvidence } from '../snp/verify.ts';
import type { TpmEvidence } from '../tpm/verify.ts';

export type Evidence = SnpEvidence | DcapEvidence | NitroEvidence | TpmEvidence;
