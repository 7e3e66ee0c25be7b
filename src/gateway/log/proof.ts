/** Proofs that a row is in the log, for people who have the gateway's public key and not the log (docs/spec/request-log.md section 5). */
import { z } from 'zod';
import { findBase64Bytes, toBase64, toHex } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { GatewayError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { hashLeaf, isInclusionProven, toInclusionProof, toNodeReader } from '../../core/merkle.ts';
import type { LogPlace, LogRow } from '../ports.ts';
import { toHashBytes } from './checkpoint.ts';
import { findCheckpoint, isCheckpointSigned } from './read-checkpoint.ts';
import { readStream } from './read.ts';
import { encodeRow, findRow, ROW_BYTES_MAX } from './row.ts';
import { findLogRow } from './rows.ts';
import type { LogTables } from './tables.ts';

const base64 = z.string().max(1_000_000);

const proofSchema = z.strictObject({
  type: z.literal('modelward-request-proof'),
  v: z.literal(1),
  /** Bytes of the row. */
  row: base64,
  index: z.int().min(0),
  /** Canonical JSON. */
  checkpoint: z.string().max(4096),
  signature: base64,
  keyId: z.string().max(64),
  path: z.array(base64).max(64),
});

export type RequestProof = z.infer<typeof proofSchema>;

/**
 * @throws GatewayError GATEWAY_LOG_ROW_UNKNOWN when the row, or the rows beside it, are not there;
 *   GATEWAY_LOG_ROW_UNCOVERED when it has no checkpoint yet; DatabaseError
 */
export async function proveRow(database: Database<LogTables>, { stream, index }: LogPlace): Promise<RequestProof> {
  const found = await database.read((db) =>
    db
      .selectFrom('gateway_checkpoints')
      .selectAll()
      .where('stream', '=', stream)
      .where('from_place', '<=', index)
      .where('to_place', '>', index)
      .executeTakeFirst(),
  );
  const checkpoint = found === undefined ? null : findCheckpoint(found.body);
  if (found === undefined || checkpoint === null)
    throw new GatewayError('GATEWAY_LOG_ROW_UNCOVERED', { fields: { index } });
  const bytes = Buffer.alloc(ROW_BYTES_MAX);
  const leaves: Uint8Array[] = [];
  let row: Uint8Array | null = null;
  for await (const record of readStream(database, stream, { from: checkpoint.from, to: checkpoint.to })) {
    const content = findLogRow(record);
    if (content === null || record.place !== checkpoint.from + leaves.length) break;
    const end = encodeRow(content, bytes);
    leaves.push(hashLeaf(bytes.subarray(0, end)));
    if (record.place === index) row = Uint8Array.from(bytes.subarray(0, end));
  }
  const size = checkpoint.to - checkpoint.from;
  if (row === null || leaves.length !== size) throw new GatewayError('GATEWAY_LOG_ROW_UNKNOWN', { fields: { index } });
  const path = toInclusionProof({ index: index - checkpoint.from, size, node: toNodeReader(leaves) });
  return {
    ...{ type: 'modelward-request-proof', v: 1, row: toBase64(row), index, checkpoint: found.body },
    ...{ signature: found.signature, keyId: found.key_id, path: path.map(toBase64) },
  };
}

export interface ProvenRow {
  readonly row: LogRow;
  readonly stream: string;
  readonly index: number;
  /** When the checkpoint was signed, and by which key: SHA-256 of the SPKI, hex. */
  readonly signedMs: number;
  readonly keyId: string;
}

/**
 * @param publicKey of the gateway, DER of the SPKI
 * @throws GatewayError GATEWAY_PROOF_MALFORMED | GATEWAY_PROOF_SIGNATURE | GATEWAY_PROOF_REFUTED
 */
export function verifyRequestProof(input: unknown, publicKey: Uint8Array): ProvenRow {
  const parsed = proofSchema.safeParse(input);
  if (!parsed.success) throw new GatewayError('GATEWAY_PROOF_MALFORMED');
  const { row, index, signature, path, checkpoint: body } = parsed.data;
  const checkpoint = findCheckpoint(body);
  const bytes = findBase64Bytes(row);
  const content = bytes === undefined ? null : findRow(bytes);
  const hashes = path.map(findBase64Bytes);
  const signed = findBase64Bytes(signature);
  const isHashes = hashes.every((hash): hash is Uint8Array => hash?.length === 32);
  if (checkpoint === null || bytes === undefined || content === null || !isHashes || signed?.length !== 64) {
    throw new GatewayError('GATEWAY_PROOF_MALFORMED');
  }
  if (!isCheckpointSigned(body, signed, publicKey)) throw new GatewayError('GATEWAY_PROOF_SIGNATURE');
  const isIn = isInclusionProven({
    ...{ leafHash: hashLeaf(bytes), index: index - checkpoint.from, size: checkpoint.to - checkpoint.from },
    ...{ proof: hashes, root: toHashBytes(checkpoint.root) },
  });
  if (!isIn) throw new GatewayError('GATEWAY_PROOF_REFUTED', { fields: { index } });
  const keyId = toHex(sha256(publicKey));
  return { row: content, stream: checkpoint.stream, index, signedMs: checkpoint.timeMs, keyId };
}
