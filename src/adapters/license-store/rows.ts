/** Licences and leases as rows, and back. */
import type { Insertable, Selectable } from 'kysely';
import type { IssuedLicense, Lease } from '../../license/ports.ts';
import type { IssuedRow, RegisterTables } from './tables.ts';

export function toIssuedRow(license: IssuedLicense): IssuedRow {
  const { name, seq, jkt, jwk, sealId, licensee, index, standing, pool, issuedSec, expiresSec, file } = license;
  return {
    ...{ name, seq, jkt, jwk: JSON.stringify(jwk), seal_id: sealId, licensee, place: index, standing },
    ...{ pool: pool?.id ?? null, seats: pool?.seats ?? null, issued_sec: issuedSec, expires_sec: expiresSec, file },
  };
}

export function toListed(row: Omit<IssuedRow, 'file' | 'jwk'>): Omit<IssuedLicense, 'file' | 'jwk'> {
  const { name, seq, jkt, licensee, standing } = row;
  return {
    ...{ name, seq, jkt, sealId: row.seal_id, licensee, index: row.place, standing },
    pool: row.pool === null || row.seats === null ? null : { id: row.pool, seats: row.seats },
    ...{ issuedSec: row.issued_sec, expiresSec: row.expires_sec },
  };
}

export function toIssued(row: IssuedRow): IssuedLicense {
  return { ...toListed(row), jwk: JSON.parse(row.jwk) as IssuedLicense['jwk'], file: row.file };
}

export function toLeaseRow(lease: Lease): Insertable<RegisterTables['license_lease']> {
  const { id, pool, license, jkt, freeSec, isTakenOver, isTold } = lease;
  return { id, pool, license, jkt, free_sec: freeSec, taken_over: isTakenOver ? (isTold ? 2 : 1) : 0 };
}

export function toLease(row: Selectable<RegisterTables['license_lease']>): Lease {
  const { id, pool, license, jkt } = row;
  const takenOver = row.taken_over;
  return { id, pool, license, jkt, freeSec: row.free_sec, isTakenOver: takenOver > 0, isTold: takenOver === 2 };
}
