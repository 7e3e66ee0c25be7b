/** The refusals of a device, its key, its record and its clock: a minimal case of each, for outcomes.test.ts. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSoftwareKey, openSoftwareKey } from '../../src/adapters/device-key/index.ts';
import { LedgerError } from '../../src/core/errors.ts';
import { parseEnrolment } from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { toDeviceLedgerFolder } from '../../src/workflows/license/index.ts';
import { withoutLedger } from './device-ledger.ts';
import { fillRecord } from './full-record.ts';
import { DAY, type Kit, T0 } from './kit.ts';
import { bytes, createSteps } from './outcome-steps.ts';

/** @param kitOf the kit of the test that runs */
export function toDeviceCases(kitOf: () => Kit) {
  const { open, activate, activated, fingerprint, statePath } = createSteps(kitOf);
  return {
    LICENSE_DEVICE_KEY_MISSING: () => Promise.resolve().then(() => openSoftwareKey(join(kitOf().folder, 'none'))),
    LICENSE_DEVICE_KEY_EXISTS: () =>
      Promise.resolve().then(() => {
        const path = join(kitOf().folder, 'device.key');
        createSoftwareKey(nodeStorage, path);
        createSoftwareKey(nodeStorage, path);
      }),
    LICENSE_DEVICE_KEY_INVALID: () =>
      Promise.resolve().then(() => {
        const path = join(kitOf().folder, 'device.key');
        writeFileSync(path, 'no key', { mode: 0o600 });
        openSoftwareKey(path);
      }),
    // The whole device was copied, but for its key.
    LICENSE_DEVICE_MISMATCH: async () => {
      const { file } = await activated();
      return open(file, {}, kitOf().makeDevice());
    },
    LICENSE_ASSURANCE_LOW: async () => activate((await kitOf().issue({ asr: 'tpm' })).file),
    LICENSE_CLOCK_ROLLBACK: async () => {
      const { file } = await activated();
      kitOf().clock.nowSec = T0 + 10 * DAY;
      await open(file);
      kitOf().clock.nowSec = T0 + 9 * DAY;
      return open(file);
    },
    LICENSE_NOT_ACTIVATED: async () => open((await kitOf().issue()).file),
    LICENSE_STATE_MISSING: async () => {
      const { file } = await activated();
      rmSync(statePath());
      return open(file);
    },
    LICENSE_STATE_BUSY: async () => {
      const { file } = await activated();
      const lock = { acquire: () => Promise.reject(new LedgerError('LEDGER_LOCKED')) };
      return open(file, {}, { ...kitOf().device, lock });
    },
    LICENSE_LEDGER_FAILED: async () => {
      const { file } = await activated();
      return open(file, {}, withoutLedger(kitOf().device));
    },
    LICENSE_LEDGER_ROLLED_BACK: async () => {
      const { file } = await activated();
      rmSync(toDeviceLedgerFolder(kitOf().device), { recursive: true });
      return open(file);
    },
    LICENSE_STATE_MALFORMED: async () => {
      const { file } = await activated();
      writeFileSync(statePath(), '{}');
      return open(file);
    },
    LICENSE_STATE_TAMPERED: async () => {
      const { file } = await activated();
      const text = readFileSync(statePath(), 'utf8');
      writeFileSync(statePath(), text.replace(/"highWaterSec":\d+/, '"highWaterSec":0'));
      return open(file);
    },
    LICENSE_RECORD_FULL: async () => {
      await fillRecord(kitOf().device);
      return activate((await kitOf().issue()).file);
    },
    LICENSE_STATE_ROLLED_BACK: async () => {
      const { file } = await activated();
      const copy = join(kitOf().folder, 'copy');
      copyFileSync(statePath(), copy);
      kitOf().clock.nowSec = T0 + 10 * DAY;
      await open(file);
      copyFileSync(copy, statePath());
      kitOf().clock.nowSec = T0 + DAY;
      return open(file);
    },
    LICENSE_FINGERPRINT_MISMATCH: async () => {
      const { file } = await activated(fingerprint(2));
      kitOf().device.parts = { 'machine-id': 'm1', 'disk-serial': 'other', cpu: 'other' };
      return open(file);
    },
    LICENSE_FINGERPRINT_UNREADABLE: async () => {
      const { file } = await activated(fingerprint(2));
      kitOf().device.parts = { 'machine-id': 'm1' };
      return open(file);
    },
    LICENSE_ENROLMENT_MALFORMED: () => Promise.resolve().then(() => parseEnrolment(bytes({ v: 2 }))),
  };
}
