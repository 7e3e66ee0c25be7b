/** Evidence as KBS clients send it, and as the verifier reads it. */
import { z } from 'zod';
import { type Evidence, type Collateral, EVIDENCE_TYPE, readEvidence } from '../attest/index.ts';
import { findBase64Bytes, utf8 } from '../core/bytes.ts';
import { BrokerError } from '../core/errors.ts';
import { ATTEST_LIMITS } from '../core/limits/attest.ts';
import type { Tee } from './messages.ts';
import { findSnpStructure } from './snp-structure.ts';

const quoteSchema = z.object({ quote: z.string().max(ATTEST_LIMITS.evidenceBytesMax * 2) });
const fileSchema = z.looseObject({ type: z.literal(EVIDENCE_TYPE) });

/**
 * Reads `primary_evidence`: `{quote}` in base64 as Trustee's tdx and sgx attesters send it (event logs beside it are not
 * looked at), `{attestation_report, cert_chain}` of its snp attester, or an evidence file
 * (docs/spec/attestation-evidence.md) for any kind. It may come as JSON in a string.
 * @throws BrokerError BROKER_EVIDENCE_UNSUPPORTED | BROKER_TEE_MISMATCH; AttestError as `readEvidence`
 */
export function readPrimaryEvidence(value: unknown, tee: Tee, collateral: Collateral): Evidence {
  const inner = typeof value === 'string' ? parseText(value) : value;
  const bytes = findBytes(inner);
  if (bytes === undefined) throw new BrokerError('BROKER_EVIDENCE_UNSUPPORTED', { fields: { at: 'primary_evidence' } });
  const evidence = readEvidence(bytes, collateral);
  if (evidence.kind === (tee === 'snp' ? 'snp' : 'dcap')) return evidence;
  throw new BrokerError('BROKER_TEE_MISMATCH', { fields: { tee, found: evidence.kind } });
}

function findBytes(value: unknown): Uint8Array | undefined {
  if (fileSchema.safeParse(value).success) return utf8(JSON.stringify(value));
  const parsed = quoteSchema.safeParse(value);
  return parsed.success ? findBase64Bytes(parsed.data.quote) : findSnpStructure(value);
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
