/** Evidence as one JSON file, with what belongs to it (docs/spec/attestation-evidence.md). */
import { z } from 'zod';
import { findBase64Bytes, findHexBytes, toBase64 } from '../../core/bytes.ts';
import { AttestError } from '../../core/errors.ts';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { toDcapCollateral } from '../dcap/collateral.ts';
import type { Evidence } from './types.ts';

export const EVIDENCE_TYPE = 'modelward/attestation-evidence/v1';

const bytesOf = (decode: (text: string) => Uint8Array | undefined) =>
  z
    .string()
    .max(ATTEST_LIMITS.evidenceBytesMax * 2)
    .transform((text, context) => {
      const bytes = decode(text);
      if (bytes !== undefined) return bytes;
      context.addIssue({ code: 'custom', message: 'not decodable' });
      return z.NEVER;
    });
const base64 = bytesOf(findBase64Bytes);
const hex = bytesOf(findHexBytes);
const list = z.array(base64).max(ATTEST_LIMITS.collateralFilesMax).default([]);
const type = z.literal(EVIDENCE_TYPE);

const schema = z.discriminatedUnion('kind', [
  z.strictObject({ type, kind: z.literal('snp'), report: base64, certificates: list, crls: list }),
  z.strictObject({ type, kind: z.literal('dcap'), quote: base64, collateral: z.unknown().optional() }),
  z.strictObject({ type, kind: z.literal('nitro'), document: base64 }),
  z.strictObject({
    type,
    kind: z.literal('tpm'),
    quote: base64,
    signature: base64,
    ak: z.string().max(ATTEST_LIMITS.certificateBytesMax * 4),
    pcrs: z.record(z.string().max(16), hex),
  }),
]);

/** @throws AttestError ATTEST_EVIDENCE_MALFORMED (fields that are wrong) | ATTEST_COLLATERAL_MALFORMED */
export function parseEvidenceFile(bytes: Uint8Array): Evidence {
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) refuse(parsed.error.issues.map(({ path }) => path.join('.') || 'type').join(', '));
  const { data } = parsed;
  switch (data.kind) {
    case 'snp':
      return { kind: 'snp', report: data.report, certificates: data.certificates, crls: data.crls };
    case 'dcap': {
      const collateral = data.collateral === undefined ? null : toDcapCollateral(data.collateral);
      return { kind: 'dcap', quote: data.quote, collateral };
    }
    case 'nitro':
      return { kind: 'nitro', document: data.document };
    case 'tpm':
      return { kind: 'tpm', quote: data.quote, signature: data.signature, akPem: data.ak, pcrs: data.pcrs };
  }
}

/** The file of what a guest collected. */
export function encodeSnpEvidenceFile(options: {
  readonly report: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}): string {
  const { report, certificates, crls } = options;
  return toJson({
    kind: 'snp',
    report: toBase64(report),
    certificates: certificates.map(toBase64),
    crls: crls.map(toBase64),
  });
}

/** As above, for SGX and TDX. */
export function encodeDcapEvidenceFile(quote: Uint8Array): string {
  return toJson({ kind: 'dcap', quote: toBase64(quote) });
}

function toJson(value: object): string {
  return `${JSON.stringify({ type: EVIDENCE_TYPE, ...value }, null, 2)}\n`;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return refuse('JSON');
  }
}

function refuse(at: string): never {
  throw new AttestError('ATTEST_EVIDENCE_MALFORMED', { fields: { kind: 'file', at: at.slice(0, 200) } });
}
