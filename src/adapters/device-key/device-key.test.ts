import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeStorage } from '../../source/node-storage.ts';
import { createMachineReader, createSoftwareKey, openFileCounter, openSoftwareKey } from './index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelward-device-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('a software key is a file for its user alone, and the same key when it is opened again', async () => {
  const path = join(folder, 'device.key');
  const made = createSoftwareKey(nodeStorage, path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const opened = openSoftwareKey(path);
  expect(opened.publicKey).toEqual(made.publicKey);
  expect(await opened.agree(made.publicKey)).toEqual(await made.agree(made.publicKey));
  const off = { ...made.publicKey, y: made.publicKey.x };
  expect(() => opened.agree(off)).toThrow(expect.objectContaining({ code: 'LICENSE_KEY_REFUSED' }));
  const link = join(folder, 'link');
  symlinkSync(path, link);
  const invalid = expect.objectContaining({ code: 'LICENSE_DEVICE_KEY_INVALID' });
  expect(() => openSoftwareKey(link)).toThrow(invalid);
  chmodSync(path, 0o640);
  expect(() => openSoftwareKey(path)).toThrow(invalid);
});

test('a counter in a file goes up, and a damaged one is no zero', async () => {
  const path = join(folder, 'counter');
  const counter = openFileCounter(nodeStorage, path);
  expect(await counter.read()).toBe(0);
  expect([await counter.increment(), await counter.increment(), await counter.read()]).toEqual([1, 2, 2]);
  writeFileSync(path, '');
  expect(() => counter.read()).toThrow(expect.objectContaining({ code: 'LICENSE_STATE_MALFORMED' }));
});

test('parts of a machine are read where Linux shows them; what is absent, or the same everywhere, is left out', async () => {
  const root = join(folder, 'root');
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  put('sys/class/dmi/id/product_uuid', '00000000-0000-0000-0000-000000000000\n');
  put('sys/class/dmi/id/board_serial', 'To Be Filled By O.E.M.\n');
  put('sys/block/loop0/size', '1\n');
  put('sys/block/nvme0n1/device/serial', '  S4EVNF0M\n');
  put('sys/class/net/docker0/address', '02:42:ac:11:00:02\n');
  expect(await createMachineReader({ root }).read()).toEqual({
    'machine-id': '0123456789abcdef0123456789abcdef',
    'disk-serial': 'S4EVNF0M',
  });
  expect(await createMachineReader({ root, deviceId: 'pod-7' }).read()).toEqual({ 'device-id': 'pod-7' });
});
