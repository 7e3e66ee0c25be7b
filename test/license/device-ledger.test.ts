/** The ledger of a device: every use before its key, every refusal, a clock that remembers, and no key without it. */
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { LedgerError } from '../../src/core/errors.ts';
import { sha256 } from '../../src/core/hash.ts';
import { fsckLedger } from '../../src/ledger/index.ts';
import { parseLicenseFile } from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import type { Storage } from '../../src/source/ports.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  checkLicense,
  enrolDevice,
  findLedgerKeeper,
  makeRequest,
  toDeviceLedgerFolder,
  withLicensedKey,
} from '../../src/workflows/license/index.ts';
import { readEntries, readRefusals, withoutLedger } from './device-ledger.ts';
import { DAY, issueActivated, type Kit, makeKit, type Overrides, T0, type TestDevice } from './kit.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});

const activated = (overrides?: Overrides) => issueActivated(kit, overrides);

function open<T>(
  file: Uint8Array,
  work: (dek: Uint8Array) => T,
  device: TestDevice = kit.device,
  path = kit.sealPath,
): Promise<T> {
  const options = { path, file, statusList: null, needs: [] };
  return withLicensedKey(device, kit.trust, options, ({ dek }) => Promise.resolve(work(dek)));
}
const openSize = (file: Uint8Array, device?: TestDevice) => open(file, (dek) => dek.length, device);

async function exchange(file: Uint8Array, action: Parameters<typeof makeRequest>[2]['action'], isReset = false) {
  const request = await makeRequest(kit.device, kit.trust, { file, action, isFile: true, isReset });
  const text = await answerRequest(kit.answering, request);
  return acceptAnswer(kit.device, kit.trust, { file, text });
}

const actions = () => readEntries(kit.device).map(({ type, detail }) => `${type} ${detail.action as string}`);

const ROLLBACK = { code: 'LICENSE_CLOCK_ROLLBACK' };

describe('a use', () => {
  test('is in the ledger when the key is handed out, with what it was of, and once', async () => {
    const { file, text, issued } = await activated();
    const seen = await open(file, () => readEntries(kit.device));
    expect(seen).toHaveLength(2);
    expect(seen.at(-1)).toMatchObject({
      type: 'license-use',
      actor: issued.jkt,
      subject: kit.info.header.sealId,
      ts: new Date(kit.clock.nowSec * 1000).toISOString(),
      digests: {
        license: toHex(sha256(Buffer.from(text))),
        seal: toHex(sha256(kit.info.preamble, kit.info.floeHeader)),
      },
      detail: { action: 'open', outcome: 'VALID', name: issued.name, seq: 1 },
    });
    expect(readEntries(kit.device)).toHaveLength(2);
  });

  test('leaves no secret in the ledger: neither the key of the model nor what it came in', async () => {
    const { file } = await activated();
    await openSize(file);
    await exchange(file, 'check');
    const folder = toDeviceLedgerFolder(kit.device);
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const files = names.map((name) => join(folder, name)).filter((path) => statSync(path).isFile());
    const dek = Buffer.from(kit.seal.dek);
    const { keyDocument } = parseLicenseFile(file);
    const secrets = [dek, ...(['hex', 'base64', 'base64url'] as const).map((as) => Buffer.from(dek.toString(as)))];
    for (const path of files) {
      const bytes = readFileSync(path);
      for (const secret of secrets) expect(bytes.includes(secret), path).toBe(false);
      expect(bytes.includes(keyDocument.ciphertext), path).toBe(false);
    }
    expect(files.length).toBeGreaterThan(3);
  });

  test('costs the same when many were before it', async () => {
    const { file } = await activated();
    let changes = 0;
    const counting = countChanges(kit.device, () => changes++);
    const costs: number[] = [];
    for (let at = 0; at < 12; at++) {
      changes = 0;
      expect(await openSize(file, counting)).toBe(32);
      costs.push(changes);
    }
    expect(new Set(costs).size).toBe(1);
    expect(readEntries(kit.device)).toHaveLength(13);
  });
});

/** Counts files that are made, and calls that make something durable. */
function countChanges(device: TestDevice, tell: () => void): TestDevice {
  const { storage } = device;
  const watched: Storage = {
    ...storage,
    create: (path, mode) => {
      tell();
      return storage.create(path, mode);
    },
    syncFolder: (path) => {
      tell();
      storage.syncFolder(path);
    },
  };
  return { ...device, storage: watched };
}

test('enrolment, activation, contact, renewal, release and a record that begins anew have their entries', async () => {
  const device = await kit.device.openDevice();
  await enrolDevice(kit.device, device, { isNew: true });
  const off = { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: DAY };
  const { file, issued } = await activated({ pool: { id: 'team', seats: 1 }, off });
  await exchange(file, 'lease');
  await exchange(file, 'release');
  await kit.issue({ jti: issued.name, seq: 2, pool: { id: 'team', seats: 1 }, off });
  const { file: newer } = await exchange(file, 'renew');
  await exchange(newer!, 'check', true);
  expect(actions()).toEqual(
    [
      ...['enrol', 'activate', 'answer-lease', 'request-release', 'answer-release', 'answer-renew'],
      ...['request-check', 'answer-check'],
    ].map((action) => `license-use ${action}`),
  );
  expect(readEntries(kit.device).at(5)?.detail).toEqual({
    action: 'answer-renew',
    outcome: 'OK',
    name: issued.name,
    seq: 2,
  });
  expect(readEntries(kit.device).at(6)?.detail).toMatchObject({ outcome: 'RECORD_BEGUN' });
});

describe('a refusal', () => {
  test('is counted by its code, under the name of a licence that is genuine, else under the digest of the file', async () => {
    const { file, issued } = await activated();
    const cut = file.subarray(0, file.length - 40);
    kit.clock.nowSec = T0 + 101 * DAY;
    await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
    await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
    await expect(openSize(cut)).rejects.toMatchObject({ code: 'LICENSE_MALFORMED' });
    const check = checkLicense(kit.device, kit.trust, { file, statusList: null, needs: ['speech'] });
    await expect(check).rejects.toMatchObject({ code: 'LICENSE_ENTITLEMENT_MISSING' });
    expect(readRefusals(kit.folder)).toMatchObject([
      { cause: 'LICENSE_EXPIRED', subject: issued.name, count: 2 },
      { cause: 'LICENSE_MALFORMED', subject: `sha256:${toHex(sha256(cut))}`, count: 1 },
      { cause: 'LICENSE_ENTITLEMENT_MISSING', subject: issued.name, count: 1 },
    ]);
    kit.clock.nowSec += 60;
    await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
    const details = readEntries(kit.device).filter(({ type }) => type === 'refusal');
    expect(details.map(({ detail }) => [detail.cause, detail.count])).toEqual([
      ['LICENSE_EXPIRED', 2],
      ['LICENSE_MALFORMED', 1],
      ['LICENSE_ENTITLEMENT_MISSING', 1],
    ]);
  });

  test.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20), 'SEAL_SIZE_MISMATCH'],
    ['cut in its head', (bytes: Buffer) => bytes.subarray(0, 40), 'SEAL_SIZE_MISMATCH'],
    ['no sealed file', () => Buffer.from('plain'), 'NOT_SEALED'],
  ])('of a sealed file that is %s is counted, too', async (_, change, code) => {
    const { file } = await activated();
    const path = join(kit.folder, 'changed.seal');
    writeFileSync(path, change(readFileSync(kit.sealPath)));
    let keys = 0;
    await expect(open(file, () => keys++, kit.device, path)).rejects.toMatchObject({ code });
    expect(keys).toBe(0);
    expect(readRefusals(kit.folder)).toMatchObject([{ cause: code, count: 1 }]);
  });

  test('without a key of the device there is no ledger, and the code is the same', async () => {
    const { file } = await kit.issue();
    const none = { ...kit.makeDevice(), openDevice: () => Promise.reject(new TypeError('no chip')) };
    await expect(openSize(file.subarray(1), none)).rejects.toMatchObject({ code: 'LICENSE_MALFORMED' });
    expect(readdirSync(none.deviceFolder)).toEqual([]);
  });
});

describe('a ledger that cannot be written', () => {
  test('gives no key, tells why, and changes nothing; with room again it opens', async () => {
    const { file } = await activated();
    const before = readFileSync(join(kit.device.deviceFolder, 'state.json'));
    kit.clock.nowSec = T0 + DAY;
    const refused: string[] = [];
    let keys = 0;
    const full = withoutLedger(kit.device, (path) => refused.push(path));
    await expect(open(file, () => keys++, full)).rejects.toMatchObject({
      code: 'LICENSE_LEDGER_FAILED',
      fields: { reason: 'LEDGER_WRITE_FAILED' },
    });
    expect([keys, refused.length > 0]).toEqual([0, true]);
    expect(readFileSync(join(kit.device.deviceFolder, 'state.json'))).toEqual(before);
    expect(await openSize(file)).toBe(32);
    expect(actions()).toEqual(['license-use activate', 'license-use open']);
  });

  test('on a disk that does not even take a lock gives no key either, and is told from one that others hold', async () => {
    const { file } = await activated();
    const withLock = (code: 'LEDGER_LOCK_FAILED' | 'LEDGER_LOCKED') => {
      const lock = { acquire: () => Promise.reject(new LedgerError(code)) };
      return open(file, () => expect.unreachable('a key'), { ...kit.device, lock });
    };
    const failed = { code: 'LICENSE_LEDGER_FAILED', fields: { reason: 'LEDGER_LOCK_FAILED' } };
    await expect(withLock('LEDGER_LOCK_FAILED')).rejects.toMatchObject(failed);
    await expect(withLock('LEDGER_LOCKED')).rejects.toMatchObject({ code: 'LICENSE_STATE_BUSY' });
  });

  test('a refusal that cannot be counted is told with its code', async () => {
    const { file } = await activated();
    kit.clock.nowSec = T0 + 101 * DAY;
    await expect(openSize(file, withoutLedger(kit.device))).rejects.toMatchObject({
      code: 'LICENSE_LEDGER_FAILED',
      fields: { refused: 'LICENSE_EXPIRED' },
    });
  });

  test('neither activates nor takes an answer', async () => {
    const { file } = await kit.issue();
    const full = withoutLedger(kit.device);
    const failed = { code: 'LICENSE_LEDGER_FAILED' };
    await expect(activateLicense(full, kit.trust, file)).rejects.toMatchObject(failed);
    await activateLicense(kit.device, kit.trust, file);
    const request = await makeRequest(kit.device, kit.trust, { file, action: 'check', isFile: true });
    const text = await answerRequest(kit.answering, request);
    await expect(acceptAnswer(full, kit.trust, { file, text })).rejects.toMatchObject(failed);
    expect(await acceptAnswer(kit.device, kit.trust, { file, text })).toMatchObject({ result: 'OK' });
  });
});

describe('the clock', () => {
  test('that goes back behind the newest use is told, also where the record was not written since', async () => {
    const { file } = await activated({ iat: T0 - DAY, nbf: T0 - DAY });
    kit.clock.nowSec = T0 + 60 + 250;
    await openSize(file);
    kit.clock.nowSec -= 301;
    await expect(openSize(file)).rejects.toMatchObject(ROLLBACK);
    kit.clock.nowSec += 1;
    expect(await openSize(file)).toBe(32);
  });

  test('is remembered by the ledger when record and counter are put back', async () => {
    const { file } = await activated();
    const kept = ['state.json', 'counter'].map((name) => join(kit.device.deviceFolder, name));
    for (const path of kept) copyFileSync(path, `${path}.kept`);
    kit.clock.nowSec = T0 + 50 * DAY;
    await openSize(file);
    for (const path of kept) copyFileSync(`${path}.kept`, path);
    kit.clock.nowSec = T0 + 40 * DAY;
    await expect(openSize(file)).rejects.toMatchObject(ROLLBACK);
  });

  test('learns nothing from what is refused, and is set right by the vendor', async () => {
    const { file } = await activated();
    kit.clock.nowSec = T0 + 200 * DAY;
    await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
    kit.clock.nowSec += 60;
    await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
    expect(readEntries(kit.device).at(-1)).toMatchObject({ type: 'refusal' });
    kit.clock.nowSec = T0 + DAY;
    expect(await openSize(file)).toBe(32);
    kit.clock.nowSec = T0 + 60 * DAY;
    await openSize(file);
    kit.clock.nowSec = T0 + 2 * DAY;
    await expect(openSize(file)).rejects.toMatchObject(ROLLBACK);
    await exchange(file, 'check');
    expect(await openSize(file)).toBe(32);
  });
});

describe('the folder of the ledger', () => {
  const folder = () => toDeviceLedgerFolder(kit.device);

  test('is checked under the key of the device: whole, and changed', async () => {
    const { file } = await activated();
    for (let at = 0; at < 3; at++) await openSize(file);
    const keeper = await findLedgerKeeper(kit.device);
    const check = () => fsckLedger({ storage: nodeStorage, folder: folder(), key: keeper!.key });
    expect(check()).toMatchObject({ findings: [], size: 4 });
    const bundle = join(folder(), 'tile/entries/000.p/4');
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('"open"', '"load"'), 'latin1');
    expect(check().findings.length).toBeGreaterThan(0);
    keeper!.close();
    await expect(openSize(file)).rejects.toMatchObject({
      code: 'LICENSE_LEDGER_FAILED',
      fields: { reason: 'LEDGER_CORRUPT' },
    });
  });

  test('cannot be taken away, nor begun anew, without the vendor', async () => {
    const { file } = await activated();
    await openSize(file);
    rmSync(folder(), { recursive: true });
    for (let again = 0; again < 2; again++) {
      await expect(openSize(file)).rejects.toMatchObject({ code: 'LICENSE_LEDGER_ROLLED_BACK' });
    }
    await exchange(file, 'check', true);
    expect(await openSize(file)).toBe(32);
  });

  test('of another device is not written', async () => {
    const { file } = await activated();
    const other = kit.makeDevice();
    const theirs = await kit.issue({}, { device: other });
    const moved = { ...other, deviceFolder: kit.device.deviceFolder };
    await expect(activateLicense(moved, kit.trust, theirs.file)).rejects.toMatchObject({
      code: 'LICENSE_LEDGER_FAILED',
      fields: { reason: 'LEDGER_WRONG_KEY' },
    });
    expect(await openSize(file)).toBe(32);
  });

  test('has one entry for each of eight uses of the same moment', async () => {
    const { file } = await activated();
    const sizes = await Promise.all(Array.from({ length: 8 }, () => openSize(file)));
    expect(sizes).toEqual(Array.from({ length: 8 }, () => 32));
    expect(readEntries(kit.device).map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
