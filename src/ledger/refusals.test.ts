import { beforeEach, describe, expect, test } from 'vitest';
import { createRecordingStorage, type RecordingStorage } from '../../test/crash/recording-storage.ts';
import {
  LEDGER_FOLDER,
  openTestLedger,
  testClock,
  testEntry,
  testOptions,
  testSigner,
} from '../../test/fakes/ledger-kit.ts';
import { utf8 } from '../core/bytes.ts';
import { createLedgerWriter, fsckLedger, openLedgerReader, verifyCheckpoint } from './index.ts';
import { storeRefusals } from './refusals.ts';

const key = testSigner();
let storage: RecordingStorage;
beforeEach(() => {
  storage = createRecordingStorage(['/home']);
});

function fsck() {
  return fsckLedger({ storage, folder: LEDGER_FOLDER, key });
}

describe('refusals', () => {
  const refusal = { actor: 'user', subject: 'seal-1', cause: 'KEY_REFUSED' };

  test('a flood becomes one entry per cause and minute, bounded, with exact counts', async () => {
    const clock = testClock();
    const ledger = await openTestLedger(storage, { clock });
    for (let n = 0; n < 1000; n += 1) {
      ledger.refuse({ ...refusal, cause: `CAUSE_${n % 40}` });
      ledger.refuse(refusal);
      clock.advance(20);
    }
    clock.advance(60_000);
    ledger.append([testEntry(0)]);
    const entries = [...ledger.reader().entries()].filter((entry) => entry.type === 'refusal');
    const total = entries.reduce((sum, entry) => sum + Number(entry.detail.count), 0);
    expect(total).toBe(2000);
    expect(entries.length).toBeLessThanOrEqual(17);
    expect(entries.find((entry) => entry.detail.cause === 'KEY_REFUSED')).toMatchObject({
      detail: { count: 1000, minute: '2026-01-01T00:00:00.000Z', first: '2026-01-01T00:00:00.000Z' },
    });
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });

  test('refusals of commands that end at once are joined by the next ones', async () => {
    const clock = testClock();
    const writer = createLedgerWriter(testOptions(storage, { clock }));
    for (let n = 0; n < 3; n += 1) await writer.refuse(refusal);
    await writer.refuse(refusal, refusal);
    clock.advance(60_000);
    const { checkpoint } = await writer.append([testEntry(0)]);
    expect(verifyCheckpoint(checkpoint, key).size).toBe(2);
    const reader = openLedgerReader({ storage, folder: LEDGER_FOLDER, key });
    expect(reader.read(1)).toMatchObject({ type: 'refusal', detail: { cause: 'KEY_REFUSED', count: 5 } });
  });

  test('only key use may fill the reserve: neither refusals nor other entries take its room', async () => {
    const clock = testClock();
    const quota = { entriesMax: 12, reservedForKeyUse: 6 };
    const ledger = await openTestLedger(storage, { clock, quota });
    for (let n = 0; n < 20; n += 1) {
      ledger.refuse({ ...refusal, cause: `CAUSE_${n}` });
      clock.advance(60_000);
    }
    expect(ledger.reader().head.size).toBe(6);
    expect(() => ledger.append([testEntry(0)])).toThrow(expect.objectContaining({ code: 'LEDGER_FULL' }));
    const use = { actor: 'user', subject: 'seal-1', digests: {} } as const;
    const detail = { useId: '0'.repeat(32), operation: 'unwrap', keyRef: 'local:1' };
    for (let n = 0; n < 6; n += 1) ledger.append([{ ...use, type: 'key-use-intent', detail }]);
    expect(() => ledger.append([{ ...use, type: 'key-use-intent', detail }])).toThrow(
      expect.objectContaining({ code: 'LEDGER_FULL' }),
    );
    for (let n = 0; n < 200; n += 1) {
      ledger.refuse(refusal);
      clock.advance(60_000);
    }
    ledger.close();
    const waiting = JSON.parse(Buffer.from(storage.read(`${LEDGER_FOLDER}/refusals.json`)).toString()) as {
      rows: { count: number }[];
    };
    expect(waiting.rows.length).toBeLessThanOrEqual(65);
    expect(waiting.rows.reduce((sum, row) => sum + row.count, 0)).toBe(214);
    expect(fsck().findings).toEqual([]);
  });

  test('a waiting file that cannot be read does not stop key use', async () => {
    (await openTestLedger(storage)).close();
    storage.create(`${LEDGER_FOLDER}/refusals.json`, 0o600).write(0, new Uint8Array([1, 2, 3]));
    const ledger = await openTestLedger(storage);
    expect(ledger.append([testEntry(0)]).firstIndex).toBe(0);
    ledger.close();
  });

  const path = `${LEDGER_FOLDER}/refusals.json`;

  /** A ledger whose last writer left one waiting row, as `change` then left the file; read after its minute. */
  async function openAfter(change: (text: string) => string) {
    const clock = testClock();
    const first = await openTestLedger(storage, { clock });
    first.refuse(refusal);
    first.close();
    const text = change(Buffer.from(storage.read(path)).toString());
    storage.remove(path);
    storage.create(path, 0o600).write(0, utf8(text));
    clock.advance(120_000);
    return openTestLedger(storage, { clock });
  }

  test.each([
    ['as it was stored', 2, (text: string) => text],
    ['with another count', 1, (text: string) => text.replace('"count":1', '"count":9')],
    ['with another actor', 1, (text: string) => text.replace('"user"', '"mallory"')],
    ['without a signature', 1, (text: string) => text.replace(/,"signature":"[^"]*"/, '')],
    ['with a signature of no bytes', 1, (text: string) => text.replace(/"signature":"[^"]*"/, '"signature":""')],
  ])('waiting rows are recorded only as this ledger signed them: %s', async (_name, size, change) => {
    const ledger = await openAfter(change);
    expect(ledger.append([testEntry(0)]).firstIndex).toBe(0);
    expect(ledger.reader().head.size).toBe(size);
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });

  test.each([
    ['no calendar has', Number.MAX_SAFE_INTEGER],
    ['no entry can name', Date.UTC(12_000, 0, 1)],
  ])('an instant that %s is never recorded, and does not stop key use', async (_name, atMs) => {
    (await openTestLedger(storage)).close();
    const row = { ...refusal, minuteMs: atMs, count: 1, firstMs: atMs, lastMs: atMs };
    storeRefusals({ storage, path, waiting: { size: 0, rows: [row] }, signer: testSigner() });
    const ledger = await openTestLedger(storage);
    expect(ledger.append([testEntry(0)]).firstIndex).toBe(0);
    expect(ledger.reader().head.size).toBe(1);
    ledger.close();
    expect(fsck().findings).toEqual([]);
  });
});
