/** What a licence that may be used tells: how long, on which machine, signed with which kind of key. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseVendorKey } from '../../src/license/index.ts';
import { activateLicense, checkLicense } from '../../src/workflows/license/index.ts';
import { DAY, type Kit, makeKit, T0 } from './kit.ts';
import { createSteps } from './outcome-steps.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});
const { open, activate, activated, fingerprint } = createSteps(() => kit);

describe('what may be used is told how long', () => {
  const off = { checkSec: DAY, graceSec: 2 * DAY, lateSec: DAY, maxSkewSec: 300, leaseSec: null };

  test.each([
    ['VALID', T0 + DAY - 1],
    ['CHECK_DUE', T0 + DAY],
    ['IN_GRACE', T0 + 2 * DAY],
  ])('%s by the time since the last contact', async (standing, nowSec) => {
    const { file } = await activated({ off });
    kit.clock.nowSec = nowSec;
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement).toMatchObject({ standing, notes: ['SOFTWARE_KEY'] });
  });

  test.each([
    ['DUE_SOON', T0 + 10 * DAY - 1],
    ['LATE', T0 + 10 * DAY],
  ])('%s by the end of the licence', async (standing, nowSec) => {
    const { file } = await activated({ exp: T0 + 10 * DAY, off: { ...off, checkSec: null } });
    kit.clock.nowSec = nowSec;
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement).toMatchObject({ standing });
  });

  test('a licence that may be used gives the key of the model', async () => {
    expect(await open((await activated()).file)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
  });

  test('k of n parts are enough, and the change is told', async () => {
    const { file } = await activated(fingerprint(2));
    kit.device.parts = { ...kit.device.parts, cpu: 'replaced' };
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement.notes).toContain('MACHINE_CHANGED');
  });

  test('a name that was given stands for the machine, and is told', async () => {
    kit.device.parts = { 'device-id': 'pod-7' };
    const { file } = await activated(fingerprint(1));
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement.notes).toContain('DEVICE_ID_GIVEN');
    kit.device.parts = { 'device-id': 'pod-8' };
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_FINGERPRINT_MISMATCH' });
  });
});

test('an Ed25519 vendor is as good as a P-256 one', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = parseVendorKey(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const signer = {
    ...{ kid: key.kid, issuer: key.issuer, algorithm: 'EdDSA' as const },
    sign: (message: Uint8Array) => Promise.resolve(new Uint8Array(sign(null, message, privateKey))),
  };
  const { file } = await kit.issue({}, { signer });
  const trust = { keys: [kit.vendor.key, key], audience: 'modelward' };
  expect(await activateLicense(kit.device, trust, file)).toMatchObject({ judgement: { standing: 'VALID' } });
  await expect(activate(file)).rejects.toMatchObject({ code: 'LICENSE_KEY_UNKNOWN' });
});
