/** `license revoke` and its kin: the standing of a licence, and the signed list that tells it to those without a server. */
import { LicenseError } from '../../core/errors.ts';
import { type IssuedLicense, type LicenseStore, signStatusList, STATUS, type Status } from '../../license/index.ts';
import type { Recorder } from '../recorder.ts';
import { recordLicense } from './issued.ts';
import type { VendorServices } from './services.ts';
import type { Vendor } from './vendor.ts';

export type StandingChange = 'revoke' | 'suspend' | 'restore';

const STANDING = { revoke: 'revoked', suspend: 'suspended', restore: 'valid' } as const;

/**
 * Changes the standing; what was revoked stays so.
 * @throws LicenseError LICENSE_UNKNOWN | LICENSE_REVOKED
 */
export async function changeStanding(
  { store, recorder }: { readonly store: LicenseStore; readonly recorder: Pick<Recorder, 'record' | 'actor'> },
  { name, change }: { readonly name: string; readonly change: StandingChange },
): Promise<{ readonly license: IssuedLicense; readonly leafIndex: number }> {
  return store.transact(async (transaction) => {
    const old = await transaction.findLicense(name);
    if (old === null) throw new LicenseError('LICENSE_UNKNOWN', { fields: { license: name } });
    if (old.standing === 'revoked') throw new LicenseError('LICENSE_REVOKED');
    const license = { ...old, standing: STANDING[change] };
    const leafIndex = await recordLicense(recorder, license, change);
    await transaction.saveLicense(license);
    return { license, leafIndex };
  });
}

/** The status list as of now, compact JWS. */
export async function writeStatusList(
  { services, store, vendor }: { services: Pick<VendorServices, 'clock'>; store: LicenseStore; vendor: Vendor },
  { uri, ttlSec }: { readonly uri: string; readonly ttlSec: number },
): Promise<string> {
  const { count, revoked, suspended } = await store.readStandings();
  // The list is as long as its highest place: every licence must find its own.
  const statuses = new Map<number, Status>(count === 0 ? [] : [[count - 1, STATUS.valid]]);
  for (const place of revoked) statuses.set(place, STATUS.invalid);
  for (const place of suspended) statuses.set(place, STATUS.suspended);
  const iatSec = Math.floor(services.clock.nowMs() / 1000);
  return signStatusList(vendor.signer, { uri, statuses, iatSec, ttlSec });
}
