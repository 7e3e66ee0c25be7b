/** Puts the adapters of a device in: its key, counter and parts, what it runs models with, and its ways to others. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createMachineReader,
  createSoftwareKey,
  createTpmDevice,
  openFileCounter,
  openSoftwareKey,
  openTpmDevice,
} from '../adapters/device-key/index.ts';
import { findExposures, readSystemText, systemClock, systemPause, systemRandom } from '../adapters/system/index.ts';
import type { ReportSource } from '../attest/ports.ts';
import type { BrokerLink } from '../broker/ports.ts';
import { createLedgerLock } from '../adapters/ledger-lock/index.ts';
import type { Clock, Pause, Random } from '../core/ports.ts';
import type { DeviceKey } from '../license/ports.ts';
import type { SealedRunner } from '../seal/ports.ts';
import { nodeStorage } from '../source/node-storage.ts';
import type { Storage } from '../source/ports.ts';
import type { Device, DeviceServices } from '../workflows/license/index.ts';

export { askServer } from '../adapters/license-server/index.ts';

/** The built entry of the child, which the command starts as well. */
const SEALED_CHILD = fileURLToPath(new URL('../cli/sealed-child/compose.js', import.meta.url));

/** The system's own time, chance, files and waiting. */
export const systemPorts = { storage: nodeStorage, clock: systemClock, random: systemRandom, pause: systemPause };

/** A TPM: the system's own, or at an address. */
export interface TpmChoice {
  readonly address: string | null;
}

export interface EnrollingServices extends DeviceServices {
  /** The device, with a new key when it has none: in a TPM, or in a file without one. */
  enrolDevice(tpm: TpmChoice | null): Promise<{ readonly device: Device; readonly isNew: boolean }>;
}

export interface DeviceComposition {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly pause: Pause;
  /** Absolute path of the folder of key, record, counter and licences. */
  readonly folder: string;
  /** Name instead of the parts of the machine; null to read them. */
  readonly deviceId: string | null;
  /** Called before secrets come into memory. */
  readonly onSecrets: () => void;
}

export function composeDevice(options: DeviceComposition): EnrollingServices {
  const { storage, clock, random, pause, folder: deviceFolder, deviceId, onSecrets } = options;
  const filePath = join(deviceFolder, 'device.key');
  const openTpm = async (address: string | null) => (await import('../adapters/tpm/index.ts')).openTpm(address);
  const inTpm = { storage, path: join(deviceFolder, 'device.tpm.json'), random, pause, openTpm };
  const machine = createMachineReader({ deviceId });
  const toDevice = (parts: Omit<Device, 'machine' | 'close'>): Device => ({
    ...parts,
    machine,
    close: () => Promise.resolve(),
  });
  const inFile = (key: DeviceKey): Device =>
    toDevice({ key, counter: openFileCounter(storage, join(deviceFolder, 'counter')) });
  const openDevice = (): Device =>
    storage.exists(inTpm.path) ? toDevice(openTpmDevice(inTpm)) : inFile(openSoftwareKey(filePath));
  return {
    ...{ storage, clock, random, deviceFolder, lock: createLedgerLock() },
    openDevice: async () => {
      onSecrets();
      return Promise.resolve(openDevice());
    },
    enrolDevice: async (tpm) => {
      onSecrets();
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

/** By which ways secrets in memory can reach a disk of this machine. */
export function listExposures(): string[] {
  return findExposures(readSystemText).map(({ text }) => text);
}

/** Runs each sealed model in a child process, which alone has the weights; or in this one, where there can be no child. */
export async function openRunner(where: 'child' | 'here'): Promise<SealedRunner> {
  const { createChildRunner, createInProcessRunner } = await import('../adapters/sealed-runner/index.ts');
  if (where === 'child') return createChildRunner({ childPath: SEALED_CHILD });
  const [{ findRuntime }, { readPlaintext }, { openFileSource }] = await Promise.all([
    import('../adapters/runtime/index.ts'),
    import('../seal/index.ts'),
    import('../source/index.ts'),
  ]);
  return createInProcessRunner({
    openRuntime: () => findRuntime(),
    openPlaintext: ({ sealedPath, dek }) => readPlaintext({ source: openFileSource(sealedPath), dek }),
  });
}

/** Evidence about the machine that this runs on, or about the enclave that it runs in. */
export async function openReportSource(): Promise<ReportSource> {
  const { createGramineSource, createTsmSource, isGramine } = await import('../adapters/tsm/index.ts');
  return isGramine() ? createGramineSource() : createTsmSource({ random: systemRandom });
}

/** The way to a key broker. @throws BrokerError BROKER_UNREACHABLE for an address that is none */
export async function openBrokerLink(options: {
  readonly url: string;
  readonly caPem?: Uint8Array | undefined;
}): Promise<BrokerLink> {
  const link = await import('../adapters/broker-link/index.ts');
  return link.openBrokerLink(options);
}
