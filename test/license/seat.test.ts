/** A seat that a product holds: renewed in time, through outages, until it is given back or taken. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LicenseError } from '../../src/core/errors.ts';
import type { Pause } from '../../src/core/ports.ts';
import { type LicenseAction, toThumbprint } from '../../src/license/index.ts';
import {
  activateLicense,
  answerRequest,
  askVendor,
  holdSeat,
  withLicensedKey,
} from '../../src/workflows/license/index.ts';
import { type Kit, makeKit, type Overrides, type TestDevice } from './kit.ts';

const LEASE_SEC = 600;
const pool: Overrides = {
  pool: { id: 'team', seats: 1 },
  off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: LEASE_SEC },
};

let kit: Kit;
/** Lets the pause that is waited for end, after the clock went on by so much; told how long it was to be. */
let tick: () => Promise<number>;
let pause: Pause;
beforeEach(() => {
  kit = makeKit();
  let begun: ((waiting: { ms: number; end: () => void }) => void) | undefined;
  let next = new Promise<{ ms: number; end: () => void }>((resolve) => (begun = resolve));
  pause = (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) resolve();
      signal?.addEventListener('abort', () => {
        resolve();
      });
      begun?.({ ms, end: resolve });
    });
  tick = async () => {
    const { ms, end } = await next;
    next = new Promise((resolve) => (begun = resolve));
    kit.clock.nowSec += ms / 1000;
    end();
    return ms / 1000;
  };
});
afterEach(() => {
  kit.remove();
});

const toAsk =
  (isReachable: () => boolean = () => true) =>
  async (_: LicenseAction, request: string): Promise<string> => {
    if (!isReachable()) throw new LicenseError('LICENSE_SERVER_UNAVAILABLE');
    return answerRequest(kit.answering, request);
  };

async function licensed(device: TestDevice = kit.device): Promise<Uint8Array> {
  const { file } = await kit.issue(pool, { device });
  await activateLicense(device, kit.trust, file);
  return file;
}

const opens = (file: Uint8Array, device: TestDevice = kit.device): Promise<number> =>
  withLicensedKey(device, kit.trust, { path: kit.sealPath, file, statusList: null, needs: [] }, ({ dek }) =>
    Promise.resolve(dek.length),
  );

test('is renewed when a third of its lease is over, and free for others once it is given back', async () => {
  const other = kit.makeDevice();
  const [file, theirs] = [await licensed(), await licensed(other)];
  const seat = await holdSeat(kit.device, kit.trust, { file, ask: toAsk(), pause, onTrouble: () => undefined });
  for (let renewal = 0; renewal < 9; renewal++) expect(await tick()).toBe(LEASE_SEC / 3);
  // Three leases later: without a renewal it would have ended long ago.
  expect(await opens(file)).toBe(32);
  const lease = () => askVendor(other, kit.trust, { file: theirs, ask: toAsk(), action: 'lease' });
  await expect(lease()).rejects.toMatchObject({ code: 'LICENSE_SEATS_TAKEN' });
  await seat.release();
  await expect(opens(file)).rejects.toMatchObject({ code: 'LICENSE_LEASE_MISSING' });
  await lease();
  expect(await opens(theirs, other)).toBe(32);
});

test('a server that is away is asked again before the lease ends, and then holds it on', async () => {
  const file = await licensed();
  let isReachable = true;
  const troubles: [string, boolean][] = [];
  let isAllTold = (): void => undefined;
  const allTold = new Promise<void>((resolve) => (isAllTold = resolve));
  const seat = await holdSeat(kit.device, kit.trust, {
    ...{ file, ask: toAsk(() => isReachable), pause },
    onTrouble: (...told) => {
      if (troubles.push(told) === 3) isAllTold();
    },
  });
  const first = seat.endSec();
  isReachable = false;
  const waits = [await tick(), await tick(), await tick()];
  expect(waits.map(Math.round)).toEqual([200, 133, 89]);
  await allTold;
  expect(await opens(file)).toBe(32);
  isReachable = true;
  await tick();
  await tick();
  expect(seat.endSec()).toBeGreaterThan(first);
  expect(troubles).toEqual(Array.from({ length: 3 }, () => ['LICENSE_SERVER_UNAVAILABLE', false]));
  isReachable = false;
  await seat.release();
});

test('who was taken over is told so, and does not take the seat back by itself', async () => {
  const other = kit.makeDevice();
  const [file, theirs] = [await licensed(), await licensed(other)];
  const lost = new Promise<[string, boolean]>((resolve) => {
    const onTrouble = (...told: [string, boolean]): void => {
      resolve(told);
    };
    void holdSeat(kit.device, kit.trust, { file, ask: toAsk(), pause, onTrouble }).then(async () => {
      const from = toThumbprint(kit.device.key.publicKey);
      await askVendor(other, kit.trust, { file: theirs, ask: toAsk(), action: 'takeover', from });
      await tick();
    });
  });
  expect(await lost).toEqual(['LICENSE_TAKEN_OVER', true]);
  expect(await opens(theirs, other)).toBe(32);
});

test('a renewal in the background and models that are opened meanwhile lose nothing of the record', async () => {
  const file = await licensed();
  const { file: other } = await kit.issue({
    off: { checkSec: 3600, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: null },
  });
  await activateLicense(kit.device, kit.trust, other);
  await askVendor(kit.device, kit.trust, { file, ask: toAsk(), action: 'lease' });
  for (let round = 0; round < 3; round++) {
    // Long enough that each use is worth writing down; the contact is due each time.
    kit.clock.nowSec += 590;
    const asked = [file, other].map((each, at) =>
      askVendor(kit.device, kit.trust, { file: each, ask: toAsk(), action: at === 0 ? 'lease' : 'check' }),
    );
    expect(await Promise.all([...asked, opens(file), opens(other)])).toHaveLength(4);
  }
  kit.clock.nowSec += 590;
  expect([await opens(file), await opens(other)]).toEqual([32, 32]);
});

test('a licence of no pool has no seat to hold', async () => {
  const { file } = await kit.issue();
  await activateLicense(kit.device, kit.trust, file);
  const holding = holdSeat(kit.device, kit.trust, { file, ask: toAsk(), pause, onTrouble: () => undefined });
  await expect(holding).rejects.toMatchObject({ code: 'LICENSE_LEASE_MISSING' });
});
