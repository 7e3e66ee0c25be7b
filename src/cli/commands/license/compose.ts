/** Puts the adapters of licences in: the device's key, counter and parts, and the vendor's register. */
import { join } from 'node:path';
import {
  createMachineReader,
  createSoftwareKey,
  openFileCounter,
  openSoftwareKey,
} from '../../../adapters/device-key/index.ts';
import { openFileStore } from '../../../adapters/license-store/index.ts';
import { askServer } from '../../../adapters/license-server/index.ts';
import type { DeviceKey } from '../../../license/ports.ts';
import type { Device, DeviceServices, VendorServices } from '../../../workflows/license/index.ts';
import type { Services } from '../../../workflows/services.ts';

export { askServer };

export interface DeviceOptions {
  /** Name instead of the parts of the machine; null to read them. */
  readonly deviceId: string | null;
}

export interface EnrollingServices extends DeviceServices {
  /** The device, with a new key when it has none. */
  enrolDevice(): Promise<Device>;
}

export function toDeviceServices(services: Services, { deviceId }: DeviceOptions): EnrollingServices & Services {
  const { storage, home } = services;
  const deviceFolder = join(home.root, 'device');
  const keyPath = join(deviceFolder, 'device.key');
  const toDevice = (key: DeviceKey): Device => ({
    key,
    counter: openFileCounter(storage, join(deviceFolder, 'counter')),
    machine: createMachineReader({ deviceId }),
    close: () => Promise.resolve(),
  });
  return {
    ...services,
    deviceFolder,
    openDevice: async () => Promise.resolve(toDevice(openSoftwareKey(keyPath))),
    enrolDevice: () => {
      if (!storage.exists(deviceFolder)) storage.makeFolder(deviceFolder, 0o700);
      const key = storage.exists(keyPath) ? openSoftwareKey(keyPath) : createSoftwareKey(storage, keyPath);
      return Promise.resolve(toDevice(key));
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
