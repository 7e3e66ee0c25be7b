/** The messages of KBS protocol 0.4, read strictly where a decision hangs on them. */
import { z } from 'zod';
import { BrokerError } from '../core/errors.ts';
import { findJson } from '../core/base64url.ts';

export const PROTOCOL_VERSION = '0.4.0';

/** Kinds of machines whose evidence is verified. There is no kind for machines without hardware, in no build. */
export const TEES = ['snp', 'tdx', 'sgx'] as const;
export type Tee = (typeof TEES)[number];

const authSchema = z.object({
  version: z.string().max(32),
  tee: z.string().max(64),
});

const attestSchema = z.object({
  'runtime-data': z.object({ nonce: z.string().max(256), 'tee-pubkey': z.unknown() }),
  'tee-evidence': z.object({ primary_evidence: z.unknown(), additional_evidence: z.string().max(1024).default('') }),
});

export interface AuthRequest {
  readonly tee: Tee;
}

/** @throws BrokerError BROKER_REQUEST_MALFORMED | BROKER_VERSION | BROKER_TEE_UNSUPPORTED */
export function readAuthRequest(body: Uint8Array): AuthRequest {
  const { version, tee } = parse(authSchema, body);
  if (!/^0\.4\.\d{1,4}$/.test(version)) throw new BrokerError('BROKER_VERSION');
  const found = TEES.find((one) => one === tee);
  if (found === undefined) throw new BrokerError('BROKER_TEE_UNSUPPORTED');
  return { tee: found };
}

export interface AttestRequest {
  readonly nonce: string;
  /** To be read by `readTeeKey`. */
  readonly teeKey: unknown;
  /** To be read by `toEvidenceFile`. */
  readonly primaryEvidence: unknown;
  readonly additionalEvidence: string;
}

/** @throws BrokerError BROKER_REQUEST_MALFORMED | BROKER_EVIDENCE_UNSUPPORTED for evidence of further devices */
export function readAttestRequest(body: Uint8Array): AttestRequest {
  const message = parse(attestSchema, body);
  const { primary_evidence: primaryEvidence, additional_evidence: additionalEvidence } = message['tee-evidence'];
  // It is bound in, but nobody here would verify it: a client that attests devices must not be told that it did.
  if (!['', '{}'].includes(additionalEvidence)) {
    throw new BrokerError('BROKER_EVIDENCE_UNSUPPORTED', { fields: { at: 'additional_evidence' } });
  }
  const { nonce, 'tee-pubkey': teeKey } = message['runtime-data'];
  return { nonce, teeKey, primaryEvidence, additionalEvidence };
}

function parse<T extends z.ZodType>(schema: T, body: Uint8Array): z.infer<T> {
  const value = findJson(body);
  if (value === undefined) throw new BrokerError('BROKER_REQUEST_MALFORMED', { fields: { at: 'JSON' } });
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const at = parsed.error.issues.map(({ path }) => path.join('.') || 'body').join(', ');
  throw new BrokerError('BROKER_REQUEST_MALFORMED', { fields: { at: at.slice(0, 200) } });
}
