/** The register file of an earlier version: taken over once, whole, also when the process is killed. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLedgerLock } from '../../src/adapters/ledger-lock/index.ts';
import { openSqlStore, type RegisterTables, takeOverEarlier } from '../../src/adapters/license-store/index.ts';
import type { Database } from '../../src/core/database.ts';
import type { IssuedLicense } from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { T0 } from './kit.ts';
import { openTestDatabase } from './register.ts';

const lock = createLedgerLock();

describe('the register file of an earlier version', () => {
  let folder: string;
  let register: Database<RegisterTables>;
  const licenses: IssuedLicense[] = [0, 2].map((index) => ({
    ...{ name: `L${index}`, seq: 1, jkt: `j${index}`, jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }, sealId: 's' },
    ...{ licensee: 'Acme', index, standing: index === 0 ? 'revoked' : 'valid', pool: { id: 'team', seats: 1 } },
    ...{ issuedSec: T0, expiresSec: T0 + 9, file: '{}' },
  }));
  const leases = [{ id: 'l', pool: 'team', license: 'L2', jkt: 'j2', freeSec: T0 + 600, isTakenOver: false }];
  const path = () => join(folder, 'licenses.json');
  const put = (content: object): void => {
    writeFileSync(path(), JSON.stringify(content));
  };
  const takeOver = (storage = nodeStorage): Promise<void> => takeOverEarlier(register, { storage, folder, lock });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelward-register-'));
    register = await openTestDatabase(`sqlite:${join(folder, 'register.db')}`);
    put({ v: 1, nextIndex: 3, licenses, leases, nonces: [['n', T0 + 600]] });
  });
  afterEach(async () => {
    await register.close();
    rmSync(folder, { recursive: true });
  });

  async function expectWhole(): Promise<void> {
    const store = openSqlStore(register);
    expect(await store.readStandings()).toEqual({ count: 3, revoked: [0], suspended: [] });
    await store.transact(async (transaction) => {
      expect(await transaction.findLicense('L2')).toEqual(licenses[1]);
      expect(await transaction.findLease('L2', T0)).toEqual({ ...leases[0], isTold: false });
      expect(await transaction.countTaken('team', 'other', T0)).toBe(1);
      expect(await transaction.useNonce('n', { by: 'L2', nowSec: T0, untilSec: T0 + 9 })).toBe('used');
      expect(await transaction.nextIndex()).toBe(3);
    });
  }

  test('is taken over whole, once, and kept under another name', async () => {
    await takeOver();
    await takeOver();
    await expectWhole();
    expect([existsSync(path()), existsSync(`${path()}.imported`)]).toEqual([false, true]);
  });

  test('is taken over once also when the process is killed before the file is renamed', async () => {
    const rename = (): never => {
      throw new TypeError('killed');
    };
    await expect(takeOver({ ...nodeStorage, rename })).rejects.toThrow('killed');
    await takeOver();
    await expectWhole();
  });

  test('beside a register that has other licences is refused, and left as it is', async () => {
    await takeOver();
    put({ v: 1, nextIndex: 9, licenses, leases, nonces: [] });
    await expect(takeOver()).rejects.toMatchObject({ code: 'LICENSE_STORE_FAILED' });
    expect(existsSync(path())).toBe(true);
    await expectWhole();
  });
});
