/** The register of earlier versions, one JSON file in the home: taken over once, then renamed. */
import { join } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import type { Database } from '../../core/database.ts';
import { LicenseError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import type { LedgerLock } from '../../ledger/ports.ts';
import type { IssuedLicense, Lease } from '../../license/ports.ts';
import type { Storage } from '../../source/ports.ts';
import { fillRegister, type RegisterContent } from './move.ts';
import { toIssuedRow, toLeaseRow } from './rows.ts';
import type { RegisterTables } from './tables.ts';

const NAME = 'licenses.json';
/** Longest that programs of earlier versions are waited for. */
const WAIT_MS = 10_000;

interface EarlierRegister {
  readonly v: 1;
  readonly nextIndex: number;
  readonly licenses: readonly IssuedLicense[];
  readonly leases: readonly Omit<Lease, 'isTold'>[];
  readonly nonces: readonly (readonly [string, number])[];
}

export interface TakeOverOptions {
  readonly storage: Storage;
  /** Absolute path of the folder that the file is in. */
  readonly folder: string;
  /** The lock that earlier versions took. */
  readonly lock: LedgerLock;
}

/**
 * Takes `licenses.json` over if there is one, in one transaction, and then renames it to `licenses.json.imported`. Whoever is
 * killed in between does it again: what was taken over already is known by its digest.
 * @throws LicenseError LICENSE_STORE_FAILED for a damaged file, or one beside a register with other licences; LedgerError
 *   LEDGER_LOCKED
 */
export async function takeOverEarlier(
  database: Database<RegisterTables>,
  { storage, folder, lock }: TakeOverOptions,
): Promise<void> {
  const path = join(folder, NAME);
  if (!storage.exists(path)) return;
  const held = await lock.acquire({ folder, waitMs: WAIT_MS });
  try {
    // Another process may have done it meanwhile.
    if (!storage.exists(path)) return;
    const bytes = storage.read(path);
    await fillRegister(database, parseEarlier(bytes), toHex(sha256(bytes)));
    storage.rename(path, `${path}.imported`);
    storage.syncFolder(folder);
  } catch (cause) {
    if (!(cause instanceof LicenseError) || cause.code !== 'LICENSE_REGISTER_NOT_EMPTY') throw cause;
    throw new LicenseError('LICENSE_STORE_FAILED', { fields: { file: NAME, reason: 'register not empty' }, cause });
  } finally {
    held.release();
  }
}

/** Written by this product alone, in a folder of its user's: the outer shape is enough to know it by. */
function parseEarlier(bytes: Uint8Array): RegisterContent {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as EarlierRegister;
    if ((value.v as number) === 1 && Number.isSafeInteger(value.nextIndex)) {
      return {
        nextPlace: value.nextIndex,
        issued: value.licenses.map(toIssuedRow),
        leases: value.leases.map((lease) => toLeaseRow({ ...lease, isTold: false })),
        // Earlier versions did not keep whose they were.
        nonces: value.nonces.map(([nonce, untilSec]) => ({ nonce, asker: '', until_sec: untilSec })),
      };
    }
  } catch {
    // Told below, without the content.
  }
  throw new LicenseError('LICENSE_STORE_FAILED', { fields: { file: NAME, reason: 'damaged' } });
}
