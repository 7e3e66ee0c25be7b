/** Rows of the log as rows of a table, and back. */
import { findHexBytes, toHex } from '../../core/bytes.ts';
import type { LogPlace, LogRow, ProtocolName } from '../ports.ts';
import type { RowOf } from './row.ts';
import type { RequestRecord } from './tables.ts';

/** Each member by itself: a row of the log passes here for each request, and copying objects takes longest. */
export function toRecord(row: RowOf<string>, { stream, index }: LogPlace, chain: Uint8Array): RequestRecord {
  return {
    stream,
    place: index,
    time_ms: row.timeMs,
    duration_us: row.durationUs,
    status: row.status,
    items: row.items,
    input_bytes: row.inputBytes,
    answer_bytes: row.answerBytes,
    is_keyed: row.isInputKeyed ? 1 : 0,
    input_hash: row.inputHash,
    tensor_hash: row.tensorHash,
    answer_hash: row.answerHash,
    request_id: row.requestId,
    principal: row.principalId,
    tenant: row.tenant,
    model: row.model,
    version: row.version,
    protocol: row.protocol,
    code: row.code,
    chain: toHex(chain),
  };
}

/** The row that a record holds; null when a hash in it is none: then the record was changed. */
export function findLogRow(record: RequestRecord): LogRow | null {
  const inputHash = findHexBytes(record.input_hash);
  const tensorHash = record.tensor_hash === null ? null : findHexBytes(record.tensor_hash);
  const answerHash = record.answer_hash === null ? null : findHexBytes(record.answer_hash);
  if (inputHash?.length !== 32 || !isHash(tensorHash) || !isHash(answerHash)) return null;
  return {
    ...{ timeMs: record.time_ms, durationUs: record.duration_us, status: record.status, items: record.items },
    ...{ inputBytes: record.input_bytes, answerBytes: record.answer_bytes, isInputKeyed: record.is_keyed !== 0 },
    ...{ inputHash, tensorHash, answerHash },
    ...{ requestId: record.request_id, principalId: record.principal, tenant: record.tenant },
    ...{ model: record.model, version: record.version, protocol: record.protocol as ProtocolName, code: record.code },
  };
}

function isHash(bytes: Uint8Array | null | undefined): bytes is Uint8Array | null {
  return bytes === null || bytes?.length === 32;
}
