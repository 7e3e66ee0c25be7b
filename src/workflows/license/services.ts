/** What the licence workflows need besides the services of every workflow. */
import type { Clock, Random } from '../../core/ports.ts';
import type { LedgerLock } from '../../ledger/ports.ts';
import type {
  ChipClock,
  DeviceKey,
  KeyProver,
  LicenseStore,
  MachineReader,
  MonotonicCounter,
} from '../../license/ports.ts';
import type { Storage } from '../../source/ports.ts';
import type { Services } from '../services.ts';

/** This device, as licences see it. */
export interface Device {
  readonly key: DeviceKey;
  readonly counter: MonotonicCounter;
  readonly machine: MachineReader;
  /** Of the chip that has the key; absent for a key in a file. */
  readonly clock?: ChipClock;
  readonly prover?: KeyProver;
  close(): Promise<void>;
}

/** A device needs no owner and no network; its ledger is below its folder, and signed with a key that its own one gives. */
export interface DeviceServices {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  /** Absolute path of the folder of record, ledger, counter and licences. */
  readonly deviceFolder: string;
  /** Excludes others from record and ledger while they are worked with. */
  readonly lock: LedgerLock;
  /** @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID */
  openDevice(): Promise<Device>;
}

/** The vendor's side: the owner's services, and the register of licences. */
export interface VendorServices extends Services {
  openLicenseStore(): Promise<LicenseStore>;
}
