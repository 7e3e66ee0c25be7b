/** Device and vendor in conversation: contact, renewal, seats, lost records and status lists. */
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signStatusList, toThumbprint } from '../../src/license/index.ts';
import { acceptAnswer, answerRequest, changeStanding } from '../../src/workflows/license/index.ts';
import { DAY, type Kit, makeKit, T0 } from './kit.ts';
import { createSteps, listed, pool, STATUS_URI } from './outcome-steps.ts';

let kit: Kit;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});
const { open, activate, activated, ask, exchange, list, twoOfOneSeat, statePath, changeTo } = createSteps(() => kit);

describe('a conversation', () => {
  test('contact starts the grace anew; a renewal brings a longer licence', async () => {
    const off = { checkSec: DAY, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: null };
    const { file, issued } = await activated({ off });
    kit.clock.nowSec = T0 + DAY;
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_GRACE_EXPIRED' });
    const longer = await kit.issue({ jti: issued.name, seq: 2, off, iat: T0 + DAY, exp: T0 + 300 * DAY });
    const taken = await exchange(file, 'renew');
    expect(Buffer.from(taken.file!).toString()).toBe(Buffer.from(longer.file).toString());
    expect(await open(taken.file!)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_SUPERSEDED' });
  });

  test('every answer and every refusal is in the ledger, before the answer', async () => {
    const { file, issued } = await activated();
    await exchange(file, 'check');
    expect(kit.records.at(-1)).toMatchObject({ type: 'license', detail: { action: 'check', name: issued.name } });
    await changeTo(issued.name, 'revoke');
    await expect(exchange(file, 'check')).rejects.toMatchObject({ code: 'LICENSE_REVOKED' });
    expect(kit.refusals.at(-1)).toMatchObject({ cause: 'LICENSE_REVOKED' });
    const broken = { ...kit.answering.recorder, record: () => Promise.reject(new Error('disk')) };
    const fresh = await activated();
    const request = await ask(fresh.file, 'renew');
    await expect(answerRequest({ ...kit.answering, recorder: broken }, request)).rejects.toThrow('disk');
  });

  test('after a lost record only the vendor brings a licence back, and the old copy stays out', async () => {
    const { file } = await activated();
    rmSync(statePath());
    const request = await ask(file, 'check', { isReset: true });
    await expect(activate(file)).rejects.toMatchObject({ code: 'LICENSE_NOT_ACTIVATED' });
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_NOT_ACTIVATED' });
    const text = await answerRequest(kit.answering, request);
    await acceptAnswer(kit.device, kit.trust, { file, text });
    expect(await open(file)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
  });

  test('a clock that ran ahead is set right by the time of the vendor', async () => {
    const { file } = await activated();
    kit.clock.nowSec = T0 + 50 * DAY;
    await open(file);
    kit.clock.nowSec = T0 + DAY;
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_CLOCK_ROLLBACK' });
    await exchange(file, 'check');
    expect(await open(file)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
  });

  test('a seat that was released, or whose lease ran out with its drift, is free again', async () => {
    const { first, second } = await twoOfOneSeat();
    const device = second.device;
    await exchange(first.file, 'release');
    await exchange(second.file, 'lease', { device });
    await expect(exchange(first.file, 'lease')).rejects.toMatchObject({ code: 'LICENSE_SEATS_TAKEN' });
    // The holder's clock may be 300 s behind: the seat is his until then.
    kit.clock.nowSec += 899;
    await expect(exchange(first.file, 'lease')).rejects.toMatchObject({ code: 'LICENSE_SEATS_TAKEN' });
    kit.clock.nowSec += 1;
    await exchange(first.file, 'lease');
    expect(await open(first.file)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
  });

  test('a seat of another licensee is not taken over', async () => {
    const { first } = await twoOfOneSeat();
    const device = kit.makeDevice();
    const other = await kit.issue({ ...pool(1), sub: 'Others' }, { device });
    await activate(other.file, device);
    const from = toThumbprint(kit.device.key.publicKey);
    await expect(exchange(other.file, 'takeover', { device, from })).rejects.toMatchObject({
      code: 'LICENSE_SEATS_TAKEN',
    });
    expect(await open(first.file)).toBe(Buffer.from(kit.seal.dek).toString('hex'));
  });
});

describe('status lists', () => {
  test('one from before a suspension does not lift it; the next contact after the end of it does', async () => {
    const { file, issued } = await activated(listed(0, null));
    const statusList = await list();
    const by = { store: kit.store, recorder: kit.answering.recorder };
    await changeStanding(by, { name: issued.name, change: 'suspend' });
    await expect(exchange(file, 'check')).rejects.toMatchObject({ code: 'LICENSE_SUSPENDED' });
    await expect(open(file, { statusList })).rejects.toMatchObject({ code: 'LICENSE_SUSPENDED' });
    await changeStanding(by, { name: issued.name, change: 'restore' });
    await exchange(file, 'check');
    expect(await open(file, { statusList })).toHaveLength(64);
  });

  test('a revoked place ends a licence, a suspended one holds it', async () => {
    const one = await activated(listed(0, null));
    const two = await activated(listed(1, null));
    const recorder = kit.answering.recorder;
    await changeStanding({ store: kit.store, recorder }, { name: two.issued.name, change: 'revoke' });
    expect(await open(one.file, { statusList: await list() })).toHaveLength(64);
    await expect(open(two.file, { statusList: await list() })).rejects.toMatchObject({ code: 'LICENSE_REVOKED' });
    await changeStanding({ store: kit.store, recorder }, { name: one.issued.name, change: 'suspend' });
    kit.clock.nowSec += 60;
    await expect(open(one.file, { statusList: await list() })).rejects.toMatchObject({ code: 'LICENSE_SUSPENDED' });
  });

  test('one that is over, or of another vendor, is refused', async () => {
    const { file } = await activated(listed(0, null));
    const { key, signer } = makeKit().vendor;
    expect(key.kid).not.toBe(kit.vendor.key.kid);
    const foreign = await signStatusList(signer, { uri: STATUS_URI, statuses: new Map(), iatSec: T0, ttlSec: DAY });
    await expect(open(file, { statusList: foreign })).rejects.toMatchObject({ code: 'LICENSE_KEY_UNKNOWN' });
    const strict = await activated(listed(0));
    const statusList = await list();
    expect(await open(strict.file, { statusList })).toHaveLength(64);
    kit.clock.nowSec += 2 * DAY;
    await expect(open(strict.file, { statusList })).rejects.toMatchObject({ code: 'LICENSE_STATUS_STALE' });
  });
});
