/** A licence on a device whose key and counter are in a TPM (swtpm). */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../../test/fakes/seal-kit.ts';
import { DAY, type Kit, makeKit, T0, type TestDevice } from '../../../test/license/kit.ts';
import { describeWhere } from '../../../test/shared-data.ts';
import { hasSwtpm, removeTestTpm, startTestTpm, SWTPM_NEEDED, type TestTpm } from '../../../test/swtpm.ts';
import { nodeStorage } from '../../source/node-storage.ts';
import { activateLicense, enrolDevice, withLicensedKey } from '../../workflows/license/index.ts';
import { openTpm } from '../tpm/index.ts';
import { createTpmDevice, openTpmDevice, type TpmKeyOptions } from './index.ts';

describeWhere(hasSwtpm, 'a device key in a TPM', SWTPM_NEEDED, () => {
  let tpm: TestTpm;
  let kit: Kit;
  beforeAll(async () => {
    tpm = await startTestTpm();
    kit = makeKit();
  });
  afterAll(async () => {
    await tpm.stop();
    removeTestTpm(tpm);
    kit.remove();
  });

  test('opens by licence; files alone do not bring an old record back, nor the key to another TPM', async () => {
    const folder = join(kit.folder, 'tpm-device');
    mkdirSync(folder);
    const options: TpmKeyOptions = {
      ...{ storage: nodeStorage, path: join(folder, 'device.tpm.json'), random: seededRandom(77) },
      ...{ pause: (ms) => sleep(ms), openTpm },
    };
    const made = await createTpmDevice(options, tpm.address);
    expect(made.key.assurance).toBe('tpm');
    const machine = { read: () => Promise.resolve({}) };
    const openDevice = () => Promise.resolve({ ...openTpmDevice(options), machine, close: () => Promise.resolve() });
    const device: TestDevice = { ...kit.device, deviceFolder: folder, key: made.key, openDevice };
    await enrolDevice(device, await openDevice(), { isNew: true });
    const { file } = await kit.issue({ asr: 'tpm' }, { device });
    const open = () =>
      withLicensedKey(
        device,
        kit.trust,
        { path: kit.sealPath, file, statusList: null, needs: [] },
        ({ dek, judgement }) => Promise.resolve({ dek: Buffer.from(dek).toString('hex'), notes: judgement.notes }),
      );
    await activateLicense(device, kit.trust, file);
    expect(await open()).toEqual({ dek: Buffer.from(kit.seal.dek).toString('hex'), notes: [] });

    const [state, copy] = [join(folder, 'state.json'), join(folder, 'copy')];
    copyFileSync(state, copy);
    kit.clock.nowSec = T0 + 10 * DAY;
    await open();
    copyFileSync(copy, state);
    kit.clock.nowSec = T0 + DAY;
    await expect(open()).rejects.toMatchObject({ code: 'LICENSE_STATE_ROLLED_BACK' });

    // Nor does an older counter of the same TPM, put in the place of the one that the record names.
    const second = { ...options, path: join(folder, 'second.json') };
    const { counter } = await createTpmDevice(second, tpm.address);
    const { state: old } = JSON.parse(readFileSync(copy, 'utf8')) as { state: { counter: number } };
    while ((await counter.read()) < old.counter) await counter.increment();
    const handleIn = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as { counter: number };
    const original = readFileSync(options.path);
    writeFileSync(options.path, JSON.stringify({ ...handleIn(options.path), counter: handleIn(second.path).counter }));
    await expect(open()).rejects.toMatchObject({
      code: 'LICENSE_STATE_ROLLED_BACK',
      fields: { state: made.counter.id },
    });
    writeFileSync(options.path, original);

    const other = await startTestTpm();
    const elsewhere = { ...options, openTpm: () => openTpm(other.address) };
    await expect(openTpmDevice(elsewhere).key.agree(made.key.publicKey)).rejects.toMatchObject({
      code: 'TPM_RESPONSE_FORGED',
    });
    await other.stop();
    removeTestTpm(other);
  });
});
