/** What a device, or another pinned vendor, could try against the vendor of a licence. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  drawNonce,
  type LicenseAction,
  maskParts,
  signAnswer,
  signRequest,
  signStatusList,
  verifyAnswer,
} from '../../src/license/index.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  changeStanding,
  createLicenseHandler,
  makeRequest,
  withLicensedKey,
  writeStatusList,
} from '../../src/workflows/license/index.ts';
import { jwkShape } from '../../src/license/jwk.ts';
import { toTermClaims } from '../../src/workflows/license/terms.ts';
import { DAY, type Kit, makeKit, type Overrides, T0 } from './kit.ts';

const STATUS_URI = 'https://vendor.example/list';
const ROLLBACK = { code: 'LICENSE_CLOCK_ROLLBACK' };

let kit: Kit;
let other: Kit;
beforeEach(() => {
  kit = makeKit();
  other = makeKit();
});
afterEach(() => {
  kit.remove();
  other.remove();
});

const bothTrusted = () => ({ keys: [kit.vendor.key, other.vendor.key], audience: 'modelward' });

async function activated(overrides: Overrides = {}, by: Parameters<Kit['issue']>[1] = {}) {
  const made = await kit.issue(overrides, by);
  await activateLicense(kit.device, bothTrusted(), made.file);
  return made;
}

const open = (file: Uint8Array, statusList: string | null = null) =>
  withLicensedKey(kit.device, bothTrusted(), { path: kit.sealPath, file, statusList, needs: [] }, ({ dek }) =>
    Promise.resolve(dek.length),
  );

const ask = (file: Uint8Array, action: LicenseAction) =>
  makeRequest(kit.device, bothTrusted(), { file, action, isFile: false });

const accept = (file: Uint8Array, text: string) => acceptAnswer(kit.device, bothTrusted(), { file, text });

const pool: Overrides = {
  pool: { id: 'team', seats: 1 },
  off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: DAY },
};

test('an answer that was kept for later does not turn the clock back', async () => {
  const { file } = await activated({ exp: T0 + 60 * DAY });
  const held = await answerRequest(kit.answering, await ask(file, 'check'));
  kit.clock.nowSec = T0 + 40 * DAY;
  await open(file);
  kit.clock.nowSec = T0 + 60;
  await expect(open(file)).rejects.toMatchObject(ROLLBACK);
  await accept(file, held);
  await expect(open(file)).rejects.toMatchObject(ROLLBACK);
  kit.clock.nowSec = T0 + 40 * DAY;
  expect(await open(file)).toBe(32);
});

test('the newest status list that was seen is a time that has been', async () => {
  const { file } = await activated();
  const { vendor, store } = kit;
  const list = await writeStatusList(
    { services: { clock: { nowMs: () => (T0 + 310) * 1000 } }, store, vendor },
    { uri: STATUS_URI, ttlSec: DAY },
  );
  await open(file, list);
  kit.clock.nowSec = T0 + 5;
  await expect(open(file)).rejects.toMatchObject(ROLLBACK);
});

test('a seat that is given back is gone when the request is made, whatever becomes of the answer', async () => {
  const { file } = await activated(pool);
  await accept(file, await answerRequest(kit.answering, await ask(file, 'lease')));
  expect(await open(file)).toBe(32);
  await ask(file, 'release');
  await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_LEASE_MISSING' });
});

test('a seat that is handed round serves two devices at most until the lease of the first one ends', async () => {
  const enter = async (jti: string) => {
    const device = kit.makeDevice();
    const { file, issued } = await kit.issue({ ...pool, jti }, { device });
    return { device, file, jti, jkt: issued.jkt };
  };
  const [one, two, three] = [await enter('one'), await enter('two'), await enter('three')];
  const say = async (by: Awaited<ReturnType<typeof enter>>, action: LicenseAction, from?: string) => {
    const text = await answerRequest(
      kit.answering,
      await makeRequest(by.device, kit.trust, { file: by.file, action, isFile: false, from }),
    );
    return verifyAnswer(text, { keys: kit.trust.keys, jkt: by.jkt, license: by.jti }).result;
  };
  expect(await say(one, 'lease')).toBe('OK');
  expect(await say(two, 'takeover', one.jkt)).toBe('OK');
  // The first one throws away that he was told.
  expect(await say(one, 'lease')).toBe('LICENSE_TAKEN_OVER');
  expect(await say(three, 'takeover', two.jkt)).toBe('LICENSE_SEATS_TAKEN');
  // The two may hand it to and fro.
  expect(await say(one, 'takeover', two.jkt)).toBe('OK');
  expect(await say(three, 'takeover', one.jkt)).toBe('LICENSE_SEATS_TAKEN');
  expect(await say(two, 'lease')).toBe('LICENSE_TAKEN_OVER');
  expect(await say(two, 'lease')).toBe('LICENSE_SEATS_TAKEN');
  kit.clock.nowSec += DAY;
  expect(await say(one, 'lease')).toBe('OK');
  kit.clock.nowSec += 300;
  expect(await say(three, 'takeover', one.jkt)).toBe('OK');
});

test('a pinned vendor speaks for his own licences alone', async () => {
  const { file, issued } = await activated({ status: { status_list: { idx: 0, uri: STATUS_URI }, maxAgeSec: null } });
  const list = { uri: STATUS_URI, statuses: new Map([[0, 0] as const]), iatSec: T0 + 50, ttlSec: DAY };
  const foreign = await signStatusList(other.vendor.signer, list);
  await expect(open(file, foreign)).rejects.toMatchObject({ code: 'LICENSE_ISSUER' });
  expect(await open(file, await signStatusList(kit.vendor.signer, list))).toBe(32);

  const payload = Buffer.from((await ask(file, 'check')).split('.')[1], 'base64url').toString();
  const { jti: nonce } = JSON.parse(payload) as { jti: string };
  const answer = { aud: issued.jkt, lic: issued.name, act: 'check', nonce, iat: T0 + 60 } as const;
  const said = { ...answer, result: 'OK', standing: 'valid', lease: null } as const;
  await expect(accept(file, await signAnswer(other.vendor.signer, said))).rejects.toMatchObject({
    code: 'LICENSE_ISSUER',
  });
  expect(await accept(file, await signAnswer(kit.vendor.signer, said))).toMatchObject({ result: 'OK' });
});

test('licences of two vendors under one name have a record each', async () => {
  const off = { checkSec: DAY, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: null };
  const { file } = await activated({ jti: 'one', off });
  const { signer } = other.vendor;
  await activated({ jti: 'one', seq: 9, off, iat: T0 + 60 }, { signer });
  expect(await open(file)).toBe(32);
  kit.clock.nowSec = T0 + DAY;
  await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_GRACE_EXPIRED' });
});

test('a record that names another counter is refused, and the name cannot be changed', async () => {
  const { file } = await activated();
  const openDevice = async () => {
    const device = await kit.device.openDevice();
    return { ...device, counter: { ...device.counter, id: 'tpm-nv:1804d58' } };
  };
  const elsewhere = { ...kit.device, openDevice };
  const use = () =>
    withLicensedKey(elsewhere, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, () =>
      Promise.resolve(),
    );
  await expect(use()).rejects.toMatchObject({
    code: 'LICENSE_STATE_ROLLED_BACK',
    fields: { counter: 'tpm-nv:1804d58', state: 'file' },
  });
  const path = join(kit.device.deviceFolder, 'state.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"counterId":"file"', '"counterId":"tpm-nv:1804d58"'));
  await expect(use()).rejects.toMatchObject({ code: 'LICENSE_STATE_TAMPERED' });
});

test('by default two parts of a machine of two must fit', () => {
  const { random } = kit.device;
  const toK = (parts: Parameters<typeof maskParts>[0]) => {
    const { publicKey: jwk } = kit.device.key;
    const enrolment = { v: 1, kind: 'modelward-license-enrolment', jwk, assurance: 'software' } as const;
    const terms = { ...{ licensee: 'Acme', audience: 'modelward', validSec: DAY, fromSec: null, entitlements: [] } };
    const rest = { offline: {}, pool: null, machineParts: null, assurance: 'software', status: null } as const;
    const by = { nowSec: T0, index: 0, enrolment: { ...enrolment, fpr: maskParts(parts, random) } };
    return toTermClaims({ ...terms, ...rest }, by).fpr?.k;
  };
  const all = { 'machine-id': 'm', cpu: 'c', 'disk-serial': 'd', 'board-serial': 'b' };
  expect([toK({ 'device-id': 'pod' }), toK({ 'machine-id': 'm', cpu: 'c' }), toK(all)]).toEqual([1, 2, 3]);
});

test('a public key has one spelling', () => {
  const { publicKey } = kit.device.key;
  expect(jwkShape.safeParse(publicKey).success).toBe(true);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(publicKey.x[42]);
  const x = publicKey.x.slice(0, 42) + alphabet[last + 1];
  expect(Buffer.from(x, 'base64url')).toEqual(Buffer.from(publicKey.x, 'base64url'));
  expect(jwkShape.safeParse({ ...publicKey, x }).success).toBe(false);
});

describe('the server', () => {
  const makeHandler = () =>
    createLicenseHandler({ ...kit.answering, statusUri: STATUS_URI, makers: null, onTrouble: () => undefined });
  const send = async (method: string, path: string, text = '') => {
    const request = { method, path, headers: {}, body: new Uint8Array(Buffer.from(text)), peer: '198.51.100.7' };
    const { status, body } = await handler(request as unknown as Parameters<ReturnType<typeof makeHandler>>[0]);
    return { status, text: Buffer.from(body).toString() };
  };
  let handler: ReturnType<typeof makeHandler>;
  beforeEach(() => {
    handler = makeHandler();
  });

  test('signs its status list once a minute', async () => {
    const { issued } = await kit.issue();
    const first = await send('GET', '/v1/status-list');
    await changeStanding(
      { store: kit.store, recorder: kit.answering.recorder },
      { name: issued.name, change: 'revoke' },
    );
    kit.clock.nowSec += 59;
    expect(await send('GET', '/v1/status-list')).toEqual(first);
    kit.clock.nowSec += 1;
    expect((await send('GET', '/v1/status-list')).text).not.toBe(first.text);
  });

  test('does not tell whose device it is not which names there are; the ledger knows', async () => {
    const { issued } = await kit.issue({ jti: 'customer-acme' });
    const stranger = kit.makeDevice();
    const probe = async (lic: string) => {
      const asked = { aud: kit.vendor.signer.issuer, act: 'check', lic, iat: kit.clock.nowSec, file: false } as const;
      const request = { ...asked, jti: drawNonce(stranger.random) };
      return send('POST', '/v1/check', await signRequest(stranger.key, kit.vendor.agreement.publicKey, request));
    };
    expect(await probe(issued.name)).toEqual(await probe('customer-beta'));
    expect(kit.refusals.map(({ cause }) => cause)).toEqual(['LICENSE_DEVICE_MISMATCH', 'LICENSE_UNKNOWN']);
  });

  test('takes no request that was made for a file', async () => {
    const { file } = await activated();
    const text = await makeRequest(kit.device, kit.trust, { file, action: 'check', isFile: true });
    expect(await send('POST', '/v1/check', text)).toMatchObject({
      status: 400,
      text: '{"error":{"code":"LICENSE_REQUEST_MALFORMED"}}',
    });
    expect((await send('POST', '/v1/check', await ask(file, 'check'))).status).toBe(200);
  });
});
