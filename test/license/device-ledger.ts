/** The ledger of a device under test: what is in it, and a disk that does not take it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SourceError } from '../../src/core/errors.ts';
import { type Entry, openLedgerReader } from '../../src/ledger/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { toDeviceLedgerFolder } from '../../src/workflows/license/index.ts';
import type { TestDevice } from './kit.ts';

/** Entries, oldest first. */
export function readEntries(device: Pick<TestDevice, 'deviceFolder'>): Entry[] {
  return [...openLedgerReader({ storage: nodeStorage, folder: toDeviceLedgerFolder(device) }).entries()];
}

export interface WaitingRefusal {
  readonly cause: string;
  readonly subject: string;
  readonly count: number;
}

/** Refusals whose minute is not over, of all devices below `folder`. */
export function readRefusals(folder: string): WaitingRefusal[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return paths
    .filter((path) => path.endsWith(join('ledger', 'refusals.json')))
    .flatMap((path) => {
      const text = Buffer.from(nodeStorage.read(join(folder, path))).toString('utf8');
      return (JSON.parse(text) as { rows: WaitingRefusal[] }).rows;
    });
}

/** The device, on a disk that has no room for more of the ledger: `onRefused` is told of each file that was not made. */
export function withoutLedger(device: TestDevice, onRefused: (path: string) => void = () => undefined): TestDevice {
  const { storage } = device;
  const create: typeof storage.create = (path, mode) => {
    if (!path.includes('/ledger/')) return storage.create(path, mode);
    onRefused(path);
    throw new SourceError('WRITE_FAILED', { fields: { errno: 'ENOSPC' } });
  };
  return { ...device, storage: { ...storage, create } };
}
