/** Puts the adapters of licences in: the device's key, counter and parts, and the vendor's register. */
import { join } from 'node:path';
import type { DatabaseAddress } from '../../../adapters/database/index.ts';
import type { countRegister as countRows, RegisterTables } from '../../../adapters/license-store/index.ts';
import { askServer } from '../../../adapters/license-server/index.ts';
import type { Database } from '../../../core/database.ts';
import { composeDevice, type EnrollingServices } from '../../../device/index.ts';
import type { VendorServices } from '../../../workflows/license/index.ts';
import { findLogName } from '../../../workflows/owner.ts';
import type { Services } from '../../../workflows/services.ts';
import { pause } from '../../compose.ts';

export { askServer };

export interface DeviceOptions {
  /** Name instead of the parts of the machine; null to read them. */
  readonly deviceId: string | null;
  /** Absolute path of the device's folder, as a product gave it; in the home without it. */
  readonly folder?: string | undefined;
}

export function toDeviceServices(
  services: Services,
  { deviceId, folder = join(services.home.root, 'device') }: DeviceOptions,
): EnrollingServices & Services {
  const { storage, clock, random } = services;
  const onSecrets = (): void => {
    services.onSecrets();
  };
  return { ...services, ...composeDevice({ storage, clock, random, pause, folder, deviceId, onSecrets }) };
}

export type { DatabaseAddress };
export type Register = Database<RegisterTables>;

export interface RegisterChoice {
  readonly address: DatabaseAddress;
  /** Tells this home from others that work with the same register. */
  readonly homeId: string;
}

/** Where the home keeps its register, and which one it uses. */
export function toRegisterFolder({ home }: Pick<Services, 'home'>): string {
  return join(home.root, 'licenses');
}

/** @throws DatabaseError DATABASE_URL_MALFORMED | DATABASE_PASSWORD_EXPOSED */
export async function readRegisterAddress(
  text: string,
  options: { readonly isPasswordAllowed: boolean; readonly toAbsolute: (path: string) => string },
): Promise<DatabaseAddress> {
  const { parseDatabaseAddress } = await import('../../../adapters/database/index.ts');
  return parseDatabaseAddress(text, options);
}

/** The embedded register of a home. */
export function toHomeRegister(services: Pick<Services, 'home'>): DatabaseAddress {
  return { kind: 'sqlite', path: join(toRegisterFolder(services), 'register.db') };
}

/**
 * Opens a register. That of the home takes over what an earlier version left there; one that machines share must have no
 * other home that writes the log of this one.
 * @throws LicenseError LICENSE_STORE_FAILED | LICENSE_LOG_TAKEN; DatabaseError
 */
export async function openRegister(services: Services, { address, homeId }: RegisterChoice): Promise<Register> {
  const { storage, ledgerLock: lock } = services;
  const [{ openDatabase }, { claimLog, LICENSE_AREA, takeOverEarlier }] = await Promise.all([
    import('../../../adapters/database/index.ts'),
    import('../../../adapters/license-store/index.ts'),
  ]);
  const folder = toRegisterFolder(services);
  if (!storage.exists(folder)) storage.makeFolder(folder, 0o700);
  const passfile = process.env.PGPASSFILE ?? null;
  const database = await openDatabase<RegisterTables>({ address, area: LICENSE_AREA, pause, passfile });
  try {
    const own = toHomeRegister(services);
    if (address.kind === 'sqlite' && own.kind === 'sqlite' && address.path === own.path) {
      await takeOverEarlier(database, { storage, folder, lock });
    }
    const log = findLogName(services);
    if (database.isShared && log !== null) await claimLog(database, { log, home: homeId });
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

export async function countRegister(register: Register): ReturnType<typeof countRows> {
  return (await import('../../../adapters/license-store/index.ts')).countRegister(register);
}

export async function moveRegister(from: Register, to: Register): Promise<{ readonly licenses: number }> {
  return (await import('../../../adapters/license-store/index.ts')).moveRegister(from, to);
}

export async function wasMovedTo(from: Register, to: Register): Promise<boolean> {
  return (await import('../../../adapters/license-store/index.ts')).wasMovedTo(from, to);
}

/** @param choose which register: asked when it is opened */
export function toVendorServices(services: Services, choose: () => Promise<RegisterChoice>): VendorServices {
  return {
    ...services,
    openLicenseStore: async () => {
      const { openSqlStore } = await import('../../../adapters/license-store/index.ts');
      return openSqlStore(await openRegister(services, await choose()));
    },
  };
}
