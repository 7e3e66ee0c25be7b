/** The device's own files: killed in between, full, and what an answer may bring. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseLicenseFile, signAnswer } from '../../src/license/index.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  makeRequest,
  toLicensePath,
  withLicensedKey,
} from '../../src/workflows/license/index.ts';
import { fillRecord } from './full-record.ts';
import { issueActivated, type Kit, makeKit, type Overrides, type TestDevice } from './kit.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});

const activated = (overrides?: Overrides) => issueActivated(kit, overrides);

const open = (file: Uint8Array) =>
  withLicensedKey(kit.device, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, ({ dek }) =>
    Promise.resolve(dek.length),
  );

const request = (file: Uint8Array) => makeRequest(kit.device, kit.trust, { file, action: 'renew', isFile: true });

/** The device, killed when it makes a file whose name holds `word`. */
function killedAt(word: string): TestDevice {
  const { storage } = kit.device;
  const create: typeof storage.create = (path, mode) => {
    if (path.includes(word)) throw new TypeError('killed');
    return storage.create(path, mode);
  };
  return { ...kit.device, storage: { ...storage, create } };
}

test.each(['license.json', 'state.json'])('an answer is taken again by who was killed at %s', async (word) => {
  const { file } = await activated({ jti: 'one' });
  const renewed = await kit.issue({ jti: 'one', seq: 2 });
  const text = await answerRequest(kit.answering, await request(file));
  await expect(acceptAnswer(killedAt(word), kit.trust, { file, text })).rejects.toThrow('killed');
  expect(await open(file)).toBe(32);
  expect((await acceptAnswer(kit.device, kit.trust, { file, text })).file).toEqual(renewed.file);
  expect(readFileSync(toLicensePath(kit.device, kit.info.header.sealId))).toEqual(Buffer.from(renewed.file));
  await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_SUPERSEDED' });
  expect(await open(renewed.file)).toBe(32);
});

test.each([
  ['another name', { jti: 'two' }],
  ['another model', { jti: 'one', seal: { id: '01a1fd1d-16cd-7ffb-83cb-1b93315eea38', sha256: 'A'.repeat(43) } }],
  ['another device', { jti: 'one', cnf: { jkt: 'A'.repeat(43) } }],
] as const)('a licence of %s in an answer is not taken', async (_, overrides) => {
  const { file, issued } = await activated({ jti: 'one' });
  const asked = await request(file);
  const { jti: nonce } = JSON.parse(Buffer.from(asked.split('.')[1], 'base64url').toString()) as { jti: string };
  const { license, keyDocument: key } = parseLicenseFile((await kit.issue({ seq: 2, ...overrides })).file);
  const text = await signAnswer(kit.vendor.signer, {
    ...{ aud: issued.jkt, lic: 'one', act: 'renew', nonce, iat: kit.clock.nowSec, result: 'OK', standing: 'valid' },
    ...{ lease: null, license, key },
  });
  await expect(acceptAnswer(kit.device, kit.trust, { file, text })).rejects.toMatchObject({
    code: 'LICENSE_ANSWER_OTHER',
  });
  expect(readFileSync(toLicensePath(kit.device, kit.info.header.sealId))).toEqual(Buffer.from(file));
});

test('one licence too many is refused, and those that are there still open', async () => {
  const { file } = await activated();
  await fillRecord(kit.device);
  const more = await kit.issue();
  for (const act of [() => activateLicense(kit.device, kit.trust, more.file), () => request(more.file)]) {
    await expect(act()).rejects.toMatchObject({ code: 'LICENSE_RECORD_FULL' });
  }
  expect(await open(file)).toBe(32);
  await activateLicense(kit.device, kit.trust, file);
});
