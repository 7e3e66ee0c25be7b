/** A device at work: its key and its record, opened for one piece of work and written back when that changed something. */
import { join } from 'node:path';
import { LicenseError } from '../../core/errors.ts';
import { assertNewest, decodeState, type DeviceState, encodeState, newState } from '../../license/index.ts';
import { writeBytes } from '../write-bytes.ts';
import type { Device, DeviceServices } from './services.ts';

/** The time is written down when it went on by so much: every write wears the counter of a TPM. */
const HIGH_WATER_STEP_SEC = 300;

export interface DeviceWork<T> {
  readonly state: DeviceState;
  readonly result: T;
}

/**
 * Opens the device and its record, and keeps the state that `work` returns.
 * @param options.isReset begins a new record when the old one is lost or not to be trusted
 * @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID | LICENSE_STATE_MISSING | LICENSE_STATE_MALFORMED |
 *   LICENSE_STATE_TAMPERED | LICENSE_STATE_ROLLED_BACK; what `work` throws
 */
export async function withDevice<T>(
  services: DeviceServices,
  work: (device: Device, state: DeviceState) => Promise<DeviceWork<T>>,
  options: { readonly isReset?: boolean } = {},
): Promise<T> {
  const device = await services.openDevice();
  try {
    const before =
      options.isReset === true ? newState(device.key, device.counter, true) : await readState(services, device);
    const { state, result } = await work(device, before);
    if (options.isReset === true || isWorthWriting(before, state)) await writeState(services, device, state);
    return result;
  } finally {
    await device.close();
  }
}

function toStatePath({ deviceFolder }: DeviceServices): string {
  return join(deviceFolder, 'state.json');
}

async function readState(services: DeviceServices, { key, counter }: Device): Promise<DeviceState> {
  const path = toStatePath(services);
  if (!services.storage.exists(path)) {
    // A counter that has moved belongs to a record that was there.
    if ((await counter.read()) > 0) throw new LicenseError('LICENSE_STATE_MISSING');
    return newState(key, counter, false);
  }
  const state = await decodeState(services.storage.read(path), key);
  await assertNewest(state, counter);
  return state;
}

/** The record goes first: one that is a number ahead is completed later, one behind would be taken for an old copy. */
async function writeState(services: DeviceServices, { key, counter }: Device, state: DeviceState): Promise<void> {
  const next = { ...state, counter: (await counter.read()) + 1 };
  const bytes = await encodeState(next, key);
  writeBytes(services.storage, { path: toStatePath(services), mode: 0o600, bytes });
  await counter.increment();
}

/** Writes the first record of a device whose key was just made: from then on a missing one was taken away. */
export async function writeFirstState(services: DeviceServices, device: Device): Promise<void> {
  await writeState(services, device, newState(device.key, device.counter, false));
}

function isWorthWriting(before: DeviceState, after: DeviceState): boolean {
  if (before === after) return false;
  const step = after.highWaterSec - before.highWaterSec;
  return before.licenses !== after.licenses || step >= HIGH_WATER_STEP_SEC || step < 0;
}
