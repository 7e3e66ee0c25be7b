/** The register in one file, for the command line and a server on the same machine: a lock makes transactions take turns. */
import { join } from 'node:path';
import { utf8 } from '../../core/bytes.ts';
import { LicenseError } from '../../core/errors.ts';
import type { IssuedLicense, Lease, LicenseStore, LicenseTransaction } from '../../license/ports.ts';
import type { LedgerLock } from '../../ledger/ports.ts';
import { writeFileAtomic } from '../../source/atomic.ts';
import type { Storage } from '../../source/ports.ts';

/** Longest that a transaction waits for others. */
const WAIT_MS = 10_000;

interface Register {
  readonly v: 1;
  nextIndex: number;
  licenses: IssuedLicense[];
  leases: Lease[];
  /** Number of a request, and until when it is kept. */
  nonces: [string, number][];
}

export interface FileStoreOptions {
  readonly storage: Storage;
  /** Absolute path; made when it is missing. */
  readonly folder: string;
  readonly lock: LedgerLock;
}

/** @throws LicenseError LICENSE_STORE_FAILED in every transaction that finds a damaged register or no lock */
export function openFileStore({ storage, folder, lock }: FileStoreOptions): LicenseStore {
  const path = join(folder, 'licenses.json');
  return {
    transact: async (work) => {
      if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
      const held = await acquire(lock, folder);
      try {
        const register = storage.exists(path) ? parseRegister(storage.read(path)) : newRegister();
        const before = JSON.stringify(register);
        const result = await work(toTransaction(register));
        const after = JSON.stringify(register);
        // Whoever lost the lock meanwhile must not write over what the next one wrote.
        if (!held.isHeld()) throw new LicenseError('LICENSE_STORE_FAILED');
        if (after !== before) writeRegister(storage, path, after);
        return result;
      } finally {
        held.release();
      }
    },
    close: () => Promise.resolve(),
  };
}

async function acquire(lock: LedgerLock, folder: string): ReturnType<LedgerLock['acquire']> {
  try {
    return await lock.acquire({ folder, waitMs: WAIT_MS });
  } catch (cause) {
    throw new LicenseError('LICENSE_STORE_FAILED', { cause });
  }
}

function newRegister(): Register {
  return { v: 1, nextIndex: 0, licenses: [], leases: [], nonces: [] };
}

/** Written by this product alone, in a folder of its user's: the outer shape is enough to know it by. */
function parseRegister(bytes: Uint8Array): Register {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as Register;
    const isWhole = [value.licenses, value.leases, value.nonces].every(Array.isArray);
    if ((value.v as number) === 1 && Number.isSafeInteger(value.nextIndex) && isWhole) return value;
  } catch {
    // Told below, without the content.
  }
  throw new LicenseError('LICENSE_STORE_FAILED', { fields: { file: 'licenses.json' } });
}

function writeRegister(storage: Storage, path: string, text: string): void {
  const bytes = utf8(`${text}\n`);
  const write = (sink: { write(chunk: Uint8Array): void }): void => {
    sink.write(bytes);
  };
  writeFileAtomic({ storage, path, mode: 0o600, replace: true, write });
}

/** Changes a register in memory; nothing of it counts before it is written. */
function toTransaction(register: Register): LicenseTransaction {
  return {
    findLicense: (name) => Promise.resolve(register.licenses.find((license) => license.name === name) ?? null),
    listLicenses: () => Promise.resolve([...register.licenses]),
    saveLicense: (license) => {
      const at = register.licenses.findIndex(({ name }) => name === license.name);
      if (at < 0) register.licenses.push(license);
      else register.licenses[at] = license;
      return Promise.resolve();
    },
    nextIndex: () => Promise.resolve(register.nextIndex++),
    useNonce: (nonce, { nowSec, untilSec }) => {
      register.nonces = register.nonces.filter(([, until]) => until > nowSec);
      if (register.nonces.some(([used]) => used === nonce)) return Promise.resolve(false);
      register.nonces.push([nonce, untilSec]);
      return Promise.resolve(true);
    },
    listLeases: (pool, nowSec) => {
      register.leases = register.leases.filter(({ freeSec }) => freeSec > nowSec);
      return Promise.resolve(register.leases.filter((lease) => lease.pool === pool));
    },
    saveLease: (lease) => {
      register.leases = [...register.leases.filter(({ id }) => id !== lease.id), lease];
      return Promise.resolve();
    },
    removeLease: (id) => {
      register.leases = register.leases.filter((lease) => lease.id !== id);
      return Promise.resolve();
    },
  };
}
