/** A device at work: its key and its record, opened for one piece of work and written back when that changed something. */
import { join } from 'node:path';
import { LicenseError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { HeldLock } from '../../ledger/ports.ts';
import {
  assertNewest,
  type ChipTime,
  decodeState,
  type DeviceState,
  encodeState,
  newState,
  toFloor,
} from '../../license/index.ts';
import { writeBytes } from '../write-bytes.ts';
import type { Device, DeviceServices } from './services.ts';

/** The time is written down when it went on by so much: every write wears the counter of a TPM. */
const HIGH_WATER_STEP_SEC = 300;

/** What is known of the time when the work begins. */
export interface Moment {
  /** Latest time in the record, seconds. */
  readonly recordSec: number;
  /** By the clock of the chip it is this late at least; 0 without one. */
  readonly floorSec: number;
}

export interface DeviceWork<T> {
  readonly state: DeviceState;
  readonly result: T;
}

/**
 * Opens the device and its record, and keeps the state that `work` returns. The state that it gets has seen the time that
 * the chip vouches for; with the state that is kept stands what the clock of the chip says now. Others of this device wait
 * meanwhile, here and in other processes: of two that write at once one would lose what the other noted.
 * @param options.isReset begins a new record when the old one is lost or not to be trusted
 * @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID | LICENSE_STATE_BUSY | LICENSE_STATE_MISSING |
 *   LICENSE_STATE_MALFORMED | LICENSE_STATE_TAMPERED | LICENSE_STATE_ROLLED_BACK | LICENSE_CLOCK_UNTRUSTED; what `work` throws
 */
export async function withDevice<T>(
  services: DeviceServices,
  work: (device: Device, state: DeviceState, moment: Moment) => Promise<DeviceWork<T>>,
  options: { readonly isReset?: boolean } = {},
): Promise<T> {
  const device = await services.openDevice();
  let held: HeldLock | undefined;
  try {
    held = await lockRecord(services);
    return await workOn(services, device, work, options);
  } finally {
    held?.release();
    await device.close();
  }
}

async function lockRecord({ lock, deviceFolder: folder }: DeviceServices): Promise<HeldLock> {
  try {
    return await lock.acquire({ folder, waitMs: LEDGER_LIMITS.lockWaitMs });
  } catch (cause) {
    throw new LicenseError('LICENSE_STATE_BUSY', { cause });
  }
}

async function workOn<T>(
  services: DeviceServices,
  device: Device,
  work: (device: Device, state: DeviceState, moment: Moment) => Promise<DeviceWork<T>>,
  options: { readonly isReset?: boolean },
): Promise<T> {
  const before =
    options.isReset === true ? newState(device.key, device.counter, true) : await readState(services, device);
  const chip = await readChip(device);
  const recordSec = before.highWaterSec;
  const floorSec = chip === null || before.chip === null ? 0 : toFloor(recordSec, before.chip, chip);
  const seen = floorSec > recordSec ? { ...before, highWaterSec: floorSec } : before;
  const { state, result } = await work(device, seen, { recordSec, floorSec });
  if (options.isReset === true || isWorthWriting(before, state)) {
    await writeState(services, device, { ...state, chip });
  }
  return result;
}

async function readChip({ clock }: Device): Promise<ChipTime | null> {
  return clock === undefined ? null : clock.read();
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
  const first = newState(device.key, device.counter, false);
  await writeState(services, device, { ...first, chip: await readChip(device) });
}

function isWorthWriting(before: DeviceState, after: DeviceState): boolean {
  if (before === after) return false;
  const step = after.highWaterSec - before.highWaterSec;
  return before.licenses !== after.licenses || step >= HIGH_WATER_STEP_SEC || step < 0;
}
