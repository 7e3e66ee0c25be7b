/** A clock that the user sets, beside one that he cannot set: what is noticed, and what is nobody's fault. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LICENSE_LIMITS } from '../../src/core/limits/license.ts';
import { toFloor } from '../../src/license/index.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  makeRequest,
  withLicensedKey,
} from '../../src/workflows/license/index.ts';
import { makeAuthority, makeChip, type TestChip, withChip } from './chip.ts';
import { DAY, type Kit, makeKit, type Overrides, T0, type TestDevice } from './kit.ts';

const authority = makeAuthority();
let kit: Kit;
let chip: TestChip;
let device: TestDevice;
beforeEach(() => {
  kit = makeKit();
  chip = makeChip(kit.device.key, authority);
  device = withChip(kit.device, chip);
});
afterEach(() => {
  kit.remove();
});

const goOn = (days: number): void => {
  chip.time = { ...chip.time, clockMs: chip.time.clockMs + days * DAY * 1000 };
};

const restart = (change: Partial<TestChip['time']> = {}): void => {
  chip.time = { ...chip.time, resets: chip.time.resets + 1, ...change };
};

async function activated(overrides: Overrides = {}): Promise<Uint8Array> {
  const { file } = await kit.issue(overrides, { device });
  await activateLicense(device, kit.trust, file);
  return file;
}

const open = (file: Uint8Array) =>
  withLicensedKey(device, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, ({ judgement }) =>
    Promise.resolve(judgement.nowSec),
  );

async function contact(file: Uint8Array, between: () => void = () => undefined, isReset = false): Promise<void> {
  const request = await makeRequest(device, kit.trust, { file, action: 'check', isFile: true, isReset });
  const text = await answerRequest(kit.answering, request);
  between();
  await acceptAnswer(device, kit.trust, { file, text });
}

describe('on a device with a TPM', () => {
  test('a clock that is set to the same time before each use is told', async () => {
    const file = await activated();
    goOn(1);
    await expect(open(file)).rejects.toMatchObject({
      code: 'LICENSE_CLOCK_STOPPED',
      fields: { clock: '2026-05-01T00:01:00.000Z' },
    });
  });

  test('a licence ends by the clock of the TPM, whatever the system says', async () => {
    const file = await activated({
      exp: T0 + 2 * DAY,
      off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: DAY, leaseSec: null },
    });
    goOn(1);
    expect(await open(file)).toBe(T0 + 60 + LICENSE_LIMITS.chipRate * DAY);
    // Each use may be behind by the skew, and none of that adds up.
    kit.clock.nowSec = T0 + 60;
    goOn(2);
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_STOPPED' });
    kit.clock.nowSec = T0 + 1.5 * DAY;
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_EXPIRED' });
  });

  test('requests with a held clock do not lose the time that went by', async () => {
    const file = await activated();
    for (let day = 0; day < 4; day++) {
      goOn(1);
      await makeRequest(device, kit.trust, { file, action: 'check', isFile: true });
    }
    // It is in the record now, and the clock of the system is behind that.
    await expect(open(file)).rejects.toMatchObject({
      code: 'LICENSE_CLOCK_ROLLBACK',
      fields: { seen: new Date((T0 + 60 + 3 * DAY) * 1000).toISOString() },
    });
  });

  test('the vendor sets right what he is asked about; an answer that was held back does not', async () => {
    const file = await activated();
    goOn(30);
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_STOPPED' });
    await contact(file);
    expect(await open(file)).toBe(kit.clock.nowSec);
    await contact(file, () => {
      goOn(10);
    });
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_ROLLBACK' });
  });

  test.each([
    ['after a long pause', false],
    ['with a new record', true],
  ])('an answer that was held back %s is no word on the time either', async (_, isReset) => {
    const file = await activated();
    goOn(60);
    kit.clock.nowSec += 60 * DAY;
    await contact(
      file,
      () => {
        goOn(10);
      },
      isReset,
    );
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_ROLLBACK' });
  });

  test("time without power is not counted, and a restart is nobody's fault", async () => {
    const file = await activated();
    kit.clock.nowSec += 20 * DAY;
    restart({ isSafe: false, clockMs: 10 });
    expect(await open(file)).toBe(T0 + 60 + 20 * DAY);
    chip.time = { ...chip.time, restarts: 1 };
    goOn(1);
    kit.clock.nowSec += DAY;
    expect(await open(file)).toBe(T0 + 60 + 21 * DAY);
  });

  test.each<[string, () => void]>([
    ['went back while it had power', () => (chip.time = { ...chip.time, clockMs: 1 })],
    ['went back and calls that safe', () => (restart({ clockMs: 1 }), undefined)],
    ['counts fewer starts', () => (chip.time = { ...chip.time, clockMs: 5000, resets: 0 })],
    ['counts fewer restarts', () => (chip.time = { ...chip.time, clockMs: 5000, restarts: 1 })],
  ])('a TPM whose clock %s is not believed', async (name, change) => {
    chip.time = { ...chip.time, clockMs: 2000, ...(name.endsWith('restarts') ? { restarts: 2 } : {}) };
    const file = await activated();
    change();
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_UNTRUSTED' });
    // Nor does it stay so: the vendor's word begins a new record.
    const request = await makeRequest(device, kit.trust, { file, action: 'check', isFile: true, isReset: true });
    await acceptAnswer(device, kit.trust, { file, text: await answerRequest(kit.answering, request) });
    await open(file);
  });
});

test('a chip that says absurd times gives a time that can be written', () => {
  const time = { clockMs: 0, resets: 0, restarts: 0, isSafe: true };
  expect(toFloor(T0, time, { ...time, clockMs: Number.MAX_SAFE_INTEGER })).toBe(253_402_300_799);
});
