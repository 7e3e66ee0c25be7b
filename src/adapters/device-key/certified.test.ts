/** Proof and clock of a device key in a TPM, on swtpm with a certificate as swtpm_setup makes it, and with one of a test maker. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAuthority } from '../../../test/license/chip.ts';
import { seededRandom } from '../../../test/fakes/seal-kit.ts';
import { DAY, type Kit, makeKit, type TestDevice } from '../../../test/license/kit.ts';
import { describeWhere } from '../../../test/shared-data.ts';
import {
  certifyEccEndorsementKey,
  hasSwtpmSetup,
  makeCertifiedTpm,
  readTestAuthorities,
  removeTestTpm,
  startTestTpm,
  SWTPM_NEEDED,
  type TestTpm,
} from '../../../test/swtpm.ts';
import { encodeCertifiedFile, readEnrolmentFile } from '../../license/index.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import {
  activateLicense,
  certifyDevice,
  challengeDevice,
  enrolDevice,
  readMakers,
  respondToChallenge,
  withLicensedKey,
} from '../../workflows/license/index.ts';
import { openTpm } from '../tpm/index.ts';
import { createTpmDevice, openTpmDevice, type TpmKeyOptions } from './index.ts';

interface Real {
  readonly device: TestDevice;
  readonly options: TpmKeyOptions;
}

describeWhere(hasSwtpmSetup, 'a certified device key in a TPM', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  let kit: Kit;
  beforeAll(async () => {
    tpm = await startTestTpm(makeCertifiedTpm());
    kit = makeKit();
    // swtpm's certificate is valid from now on.
    kit.clock.nowSec = Math.floor(Date.now() / 1000) + 60;
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
    kit.remove();
  });

  async function makeDevice(by: () => TestTpm): Promise<Real> {
    const folder = mkdtempSync(join(kit.folder, 'tpm-'));
    mkdirSync(join(folder, 'device'));
    const options: TpmKeyOptions = {
      ...{ storage: nodeStorage, path: join(folder, 'device/device.tpm.json'), random: seededRandom(78) },
      ...{ pause: (ms) => sleep(ms), openTpm: () => openTpm(by().address) },
    };
    const { key } = await createTpmDevice(options, null);
    const machine = { read: () => Promise.resolve({}) };
    const openDevice = () => Promise.resolve({ ...openTpmDevice(options), machine, close: () => Promise.resolve() });
    return { device: { ...kit.device, deviceFolder: join(folder, 'device'), key, openDevice }, options };
  }

  const certifier = (pems: readonly string[]) => ({
    ...kit.answering,
    makers: readMakers(pems.map((pem) => new Uint8Array(Buffer.from(pem)))),
  });

  async function prove({ device }: Real, context: ReturnType<typeof certifier>, by: Real['device'] = device) {
    const { enrolment } = await enrolDevice(device, await device.openDevice(), { isNew: true });
    const text = await challengeDevice(context, enrolment, { isFile: true });
    const opened = await by.openDevice();
    return certifyDevice(context, await respondToChallenge(device, opened, { text, keys: kit.trust.keys }));
  }

  test("swtpm_setup's certificate, RSA, leads over its authority to the root", async () => {
    const real = await makeDevice(() => tpm);
    const { root, between } = readTestAuthorities(tpm);
    const { certified, root: found } = await prove(real, certifier([root, between]));
    expect(found).toBe(new X509Certificate(root).fingerprint256.replaceAll(':', '').toLowerCase());
    expect(readEnrolmentFile(encodeCertifiedFile(certified), [kit.vendor.key]).assurance).toBe('tpm-certified');
    await expect(prove(real, certifier([root]))).rejects.toMatchObject({
      code: 'LICENSE_EK_UNTRUSTED',
      fields: { reason: 'ATTEST_ROOT_UNTRUSTED' },
    });
  });

  test('a P-256 key; another TPM, and another key of the same TPM, do not open the challenge', async () => {
    const maker = makeAuthority();
    const second = await startTestTpm();
    try {
      certifyEccEndorsementKey(second, maker, { notAfter: '2049-01-01T00:00:00Z' });
      const real = await makeDevice(() => second);
      const context = certifier([maker.pem]);
      expect((await prove(real, context)).jkt).toHaveLength(43);
      const refused = { code: 'LICENSE_CREDENTIAL_REFUSED' };
      await expect(prove(real, context, (await makeDevice(() => second)).device)).rejects.toMatchObject(refused);
      await expect(prove(real, context, (await makeDevice(() => tpm)).device)).rejects.toMatchObject(refused);
      // The file of the key, carried to another TPM.
      const carried = { ...real.options, openTpm: () => openTpm(tpm.address) };
      const opened = { ...(await real.device.openDevice()), ...openTpmDevice(carried) };
      const there = { ...real.device, openDevice: () => Promise.resolve(opened) };
      await expect(prove(real, context, there)).rejects.toMatchObject({ code: 'TPM_RESPONSE_FORGED' });
    } finally {
      await second.stop();
      removeTestTpm(second);
    }
  });

  test('a TPM without a certificate proves nothing, and enrols all the same', async () => {
    const bare = await startTestTpm();
    try {
      const { device } = await makeDevice(() => bare);
      const told = await enrolDevice(device, await device.openDevice(), { isNew: true });
      expect(told).toMatchObject({ assurance: 'tpm', isProvable: false });
    } finally {
      await bare.stop();
      removeTestTpm(bare);
    }
  });

  test('an endorsement hierarchy with a password of its own is no certificate, and no error', async () => {
    const locked = await startTestTpm(makeCertifiedTpm());
    try {
      const { device } = await makeDevice(() => locked);
      locked.tool('tpm2_changeauth', '-c', 'e', 'secret');
      const told = await enrolDevice(device, await device.openDevice(), { isNew: true });
      expect(told.isProvable).toBe(false);
    } finally {
      await locked.stop();
      removeTestTpm(locked);
    }
  });

  test("the system's clock is held while the clock of the TPM goes on: told, also after a restart; set right, it opens", async () => {
    const { device } = await makeDevice(() => tpm);
    await enrolDevice(device, await device.openDevice(), { isNew: true });
    const now = kit.clock.nowSec;
    const { file } = await kit.issue({ asr: 'tpm', iat: now, nbf: now, exp: now + 100 * DAY }, { device });
    const open = () =>
      withLicensedKey(device, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, ({ judgement }) =>
        Promise.resolve(judgement.standing),
      );
    await activateLicense(device, kit.trust, file);
    expect(await open()).toBe('VALID');
    const state = JSON.parse(readFileSync(join(device.deviceFolder, 'state.json'), 'utf8')) as {
      state: { chip: { clockMs: number; resets: number } };
    };
    const { clockMs } = await tpm.with(async (line) => (await import('../../tpm/index.ts')).readClock(line));
    expect(state.state.chip.clockMs).toBeLessThanOrEqual(Number(clockMs));
    // Only forward: this is how a TPM's owner sets its clock, and how two days go by in a test.
    tpm.tool('tpm2_setclock', String(clockMs + BigInt(2 * DAY * 1000)));
    await expect(open()).rejects.toMatchObject({ code: 'LICENSE_CLOCK_STOPPED' });
    expect(() => tpm.tool('tpm2_setclock', String(clockMs))).toThrow();
    // As an operating system does; without it swtpm forgets its clock, and a TPM up to 70 minutes of it.
    tpm.tool('tpm2_shutdown', '-c');
    await tpm.stop();
    tpm = await startTestTpm(tpm.folder);
    await expect(open()).rejects.toMatchObject({ code: 'LICENSE_CLOCK_STOPPED' });
    kit.clock.nowSec += 2 * DAY;
    expect(await open()).toBe('VALID');
  });

  test("the record of a TPM's time is MACed: it cannot be written back", async () => {
    const { device } = await makeDevice(() => tpm);
    await enrolDevice(device, await device.openDevice(), { isNew: true });
    const now = kit.clock.nowSec;
    const { file } = await kit.issue({ asr: 'tpm', iat: now, nbf: now, exp: now + DAY }, { device });
    await activateLicense(device, kit.trust, file);
    const path = join(device.deviceFolder, 'state.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"clockMs":\d+/, '"clockMs":999999999999'));
    const open = withLicensedKey(device, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, () =>
      Promise.resolve(),
    );
    await expect(open).rejects.toMatchObject({ code: 'LICENSE_STATE_TAMPERED' });
  });
});
