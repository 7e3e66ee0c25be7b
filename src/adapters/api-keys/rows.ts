/** Records as rows, and back. */
import type { ApiKeyRecord, ApiKeySecret } from '../../gateway/ports.ts';
import type { ApiKeyRow, SecretRow } from './tables.ts';

export function toKeyRow(record: ApiKeyRecord, change: number): ApiKeyRow {
  const { id, name, tenant, scopes, limits, networks, output } = record;
  return {
    ...{ id, name, tenant, terms: JSON.stringify({ scopes, limits, networks, output }) },
    ...{ not_before_ms: record.notBeforeMs, expires_ms: record.expiresMs },
    ...{ created_ms: record.createdMs, revoked_ms: record.revokedMs, change },
  };
}

export function toSecretRow(apikey: string, secret: ApiKeySecret, place: number): SecretRow {
  const { hashHex: hash, scheme, last4, createdMs, endsMs, usedMs } = secret;
  return { hash, apikey, place, scheme, last4, created_ms: createdMs, ends_ms: endsMs, used_ms: usedMs };
}

/** Everything that the rows hold, unchecked: whoever changed the table may have written anything. */
export function toUncheckedRecord(row: ApiKeyRow, secrets: readonly SecretRow[]): unknown {
  const { id, name, tenant } = row;
  return {
    ...toTerms(row.terms),
    ...{ id, name, tenant, notBeforeMs: row.not_before_ms, expiresMs: row.expires_ms },
    ...{ createdMs: row.created_ms, revokedMs: row.revoked_ms },
    secrets: secrets.map(({ hash, scheme, last4, created_ms, ends_ms, used_ms }) => {
      return { hashHex: hash, scheme, last4, createdMs: created_ms, endsMs: ends_ms, usedMs: used_ms };
    }),
  };
}

function toTerms(text: string): object {
  try {
    const terms: unknown = JSON.parse(text);
    return typeof terms === 'object' && terms !== null ? terms : {};
  } catch {
    return {};
  }
}
