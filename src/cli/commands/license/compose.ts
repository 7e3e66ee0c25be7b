/** Puts the adapters of licences in: the device's key, counter and parts, and the vendor's register. */
import { join } from 'node:path';
import {
  createMachineReader,
  createSoftwareKey,
  createTpmDevice,
  openFileCounter,
  openSoftwareKey,
  openTpmDevice,
} from '../../../adapters/device-key/index.ts';
import { openFileStore } from '../../../adapters/license-store/index.ts';
import { askServer } from '../../../adapters/license-server/index.ts';
import type { DeviceKey } from '../../../license/ports.ts';
import type { Device, DeviceServices, VendorServices } from '../../../workflows/license/index.ts';
import type { Services } from '../../../workflows/services.ts';
import { pause } from '../../compose.ts';

export { askServer };

export interface DeviceOptions {
  /** Name instead of the parts of the machine; null to read them. */
  readonly deviceId: string | null;
}

/** A TPM: the system's own, or at an address. */
export interface TpmChoice {
  readonly address: string | null;
}

export interface EnrollingServices extends DeviceServices {
  /** The device, with a new key when it has none: in a TPM, or in a file without one. */
  enrolDevice(tpm: TpmChoice | null): Promise<{ readonly device: Device; readonly isNew: boolean }>;
}

export function toDeviceServices(services: Services, { deviceId }: DeviceOptions): EnrollingServices & Services {
  const { storage, home, random } = services;
  const deviceFolder = join(home.root, 'device');
  const filePath = join(deviceFolder, 'device.key');
  const openTpm = async (address: string | null) => (await import('../../../adapters/tpm/index.ts')).openTpm(address);
  const inTpm = { storage, path: join(deviceFolder, 'device.tpm.json'), random, pause, openTpm };
  const machine = createMachineReader({ deviceId });
  const toDevice = (parts: Pick<Device, 'key' | 'counter'>): Device => ({
    ...parts,
    machine,
    close: () => Promise.resolve(),
  });
  const inFile = (key: DeviceKey): Device =>
    toDevice({ key, counter: openFileCounter(storage, join(deviceFolder, 'counter')) });
  const openDevice = (): Device =>
    storage.exists(inTpm.path) ? toDevice(openTpmDevice(inTpm)) : inFile(openSoftwareKey(filePath));
  return {
    ...services,
    deviceFolder,
    openDevice: async () => Promise.resolve(openDevice()),
    enrolDevice: async (tpm) => {
      if (storage.exists(inTpm.path) || storage.exists(filePath)) return { device: openDevice(), isNew: false };
      if (!storage.exists(deviceFolder)) storage.makeFolder(deviceFolder, 0o700);
      const device =
        tpm === null
          ? inFile(createSoftwareKey(storage, filePath))
          : toDevice(await createTpmDevice(inTpm, tpm.address));
      return { device, isNew: true };
    },
  };
}

/** The vendor's register lies in the home. */
export function toVendorServices(services: Services): VendorServices {
  const { storage, home, ledgerLock: lock } = services;
  return {
    ...services,
    openLicenseStore: () => Promise.resolve(openFileStore({ storage, folder: join(home.root, 'licenses'), lock })),
  };
}
