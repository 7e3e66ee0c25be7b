/** A device at work: its key and its record, opened for one piece of work and written back when that changed something. */
import { join } from 'node:path';
import { LedgerError, LicenseError } from '../../core/errors.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import type { HeldLock } from '../../ledger/ports.ts';
import {
  assertNewest,
  type ChipTime,
  decodeState,
  type DeviceState,
  encodeState,
  newState,
  rememberOwnAgreement,
  toFloor,
} from '../../license/index.ts';
import { writeBytes } from '../write-bytes.ts';
import { type DeviceEntry, type DeviceLedger, openDeviceLedger } from './ledger.ts';
import type { Device, DeviceServices } from './services.ts';

/** The time is written down when it went on by so much: every write wears the counter of a TPM. */
const HIGH_WATER_STEP_SEC = 300;

/** What is known of the time when the work begins. */
export interface Moment {
  /** Latest time in the record, seconds. */
  readonly recordSec: number;
  /** By the clock of the chip it is this late at least; 0 without one. */
  readonly floorSec: number;
  /** Of the newest use in the ledger that is not in the record yet, seconds; 0 without one. */
  readonly ledgerSec: number;
}

export interface DeviceWork<T> {
  readonly state: DeviceState;
  readonly result: T;
  /** Recorded before the record is written and the result handed out. */
  readonly entry?: DeviceEntry;
}

/**
 * Opens the device, its ledger and its record, adds the entry and keeps the state that `work` returns. The state that it gets
 * has seen the time that the chip vouches for, and that of the ledger; with the state that is kept stands what the clock of
 * the chip says now. Others of this device wait meanwhile, here and in other processes: of two that write at once one would
 * lose what the other noted.
 * @param options.isReset begins a new record when the old one is lost or not to be trusted
 * @throws LicenseError LICENSE_DEVICE_KEY_MISSING | LICENSE_DEVICE_KEY_INVALID | LICENSE_STATE_BUSY | LICENSE_STATE_MISSING |
 *   LICENSE_STATE_MALFORMED | LICENSE_STATE_TAMPERED | LICENSE_STATE_ROLLED_BACK | LICENSE_CLOCK_UNTRUSTED |
 *   LICENSE_LEDGER_FAILED | LICENSE_LEDGER_ROLLED_BACK; what `work` throws
 */
export async function withDevice<T>(services: DeviceServices, work: Work<T>, options: WorkOptions = {}): Promise<T> {
  const opened = await services.openDevice();
  const remembering = rememberOwnAgreement(opened.key);
  let held: HeldLock | undefined;
  try {
    held = await lockRecord(services);
    return await withLedger(services, { ...opened, key: remembering.key }, work, options);
  } finally {
    held?.release();
    remembering.forget();
    await opened.close();
  }
}

async function lockRecord({ lock, deviceFolder: folder }: DeviceServices): Promise<HeldLock> {
  try {
    return await lock.acquire({ folder, waitMs: LEDGER_LIMITS.lockWaitMs });
  } catch (cause) {
    const reason = cause instanceof LedgerError ? cause.code : 'UNKNOWN';
    if (reason === 'LEDGER_LOCKED') throw new LicenseError('LICENSE_STATE_BUSY', { cause });
    // Nobody has it: the disk is full, or read-only.
    throw new LicenseError('LICENSE_LEDGER_FAILED', { fields: { reason }, cause });
  }
}

type Work<T> = (device: Device, state: DeviceState, moment: Moment) => Promise<DeviceWork<T>>;

interface WorkOptions {
  readonly isReset?: boolean;
}

async function withLedger<T>(
  services: DeviceServices,
  device: Device,
  work: Work<T>,
  options: WorkOptions,
): Promise<T> {
  const ledger = await openDeviceLedger(services, device);
  try {
    return await workOn(services, { device, ledger }, work, options);
  } finally {
    ledger.close();
  }
}

async function workOn<T>(
  services: DeviceServices,
  { device, ledger }: { readonly device: Device; readonly ledger: DeviceLedger },
  work: Work<T>,
  { isReset = false }: WorkOptions,
): Promise<T> {
  const before = isReset ? newState(device.key, device.counter, true) : await readState(services, device);
  assertWhole(ledger, before);
  const chip = await readChip(device);
  const recordSec = before.highWaterSec;
  const floorSec = chip === null || before.chip === null ? 0 : toFloor(recordSec, before.chip, chip);
  const ledgerSec = isReset ? 0 : ledger.findNewestUseSec(before.ledger ?? 0);
  const seenSec = Math.max(recordSec, floorSec, ledgerSec);
  const seen = seenSec > recordSec ? { ...before, highWaterSec: seenSec } : before;
  const { state, result, entry } = await work(device, seen, { recordSec, floorSec, ledgerSec });
  if (entry !== undefined) ledger.append(entry);
  if (isReset || isWorthWriting(before, state)) {
    await writeState(services, device, { ...state, chip, ledger: ledger.size() });
  }
  return result;
}

/** The record knows how long the ledger was: one that is shorter was put back, or begun anew. */
function assertWhole(ledger: DeviceLedger, { ledger: known = 0 }: DeviceState): void {
  const entries = ledger.size();
  if (entries < known) throw new LicenseError('LICENSE_LEDGER_ROLLED_BACK', { fields: { entries, known } });
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

/** Writes the first record of a device whose key was just made: from then on a missing one was taken away, and so was a ledger. */
export async function writeFirstState(services: DeviceServices, device: Device, entry: DeviceEntry): Promise<void> {
  const ledger = await openDeviceLedger(services, device);
  try {
    ledger.append(entry);
    const first = newState(device.key, device.counter, false);
    await writeState(services, device, { ...first, chip: await readChip(device), ledger: ledger.size() });
  } finally {
    ledger.close();
  }
}

function isWorthWriting(before: DeviceState, after: DeviceState): boolean {
  if (before === after) return false;
  const step = after.highWaterSec - before.highWaterSec;
  return before.licenses !== after.licenses || step >= HIGH_WATER_STEP_SEC || step < 0;
}
