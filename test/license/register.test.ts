/** The register on SQLite and on PostgreSQL: two servers at work in it, revocation in the middle, and moves. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { moveRegister, openSqlStore, type RegisterTables, wasMovedTo } from '../../src/adapters/license-store/index.ts';
import { composeServices } from '../../src/cli/compose.ts';
import { createCleanups } from '../../src/cli/ui/interrupt.ts';
import type { Database } from '../../src/core/database.ts';
import { LICENSE_LIMITS } from '../../src/core/limits/license.ts';
import { silentProgress } from '../../src/core/ports.ts';
import {
  encodeEnrolment,
  type LicenseAction,
  type LicenseAnswer,
  type LicenseStore,
  verifyAnswer,
  verifyStatusList,
} from '../../src/license/index.ts';
import { createEnvelope, encodeEnvelope } from '../../src/seal/index.ts';
import {
  type Answerer,
  changeStanding,
  createAnswerer,
  issueLicense,
  type LicenseTerms,
  makeRequest,
  renewLicense,
  type VendorServices,
  writeStatusList,
} from '../../src/workflows/license/index.ts';
import { toEnvelopePath } from '../../src/workflows/open-model.ts';
import { openSession } from '../../src/workflows/session.ts';
import { writeBytes } from '../../src/workflows/write-bytes.ts';
import { createPostgres, describeWithPostgres, type Postgres } from '../postgres.ts';
import { type Kit, makeKit, type Overrides, type TestDevice } from './kit.ts';
import { openTestDatabase, pause } from './register.ts';

const seats = (count: number): Overrides => ({
  pool: { id: 'team', seats: count },
  off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: 600 },
});

/** @param toUrl a register of its own for each test */
function runRegisterSuite(toUrl: (folder: string) => string): void {
  let kit: Kit;
  let url: string;
  let registers: Database<RegisterTables>[];
  let stores: LicenseStore[];
  let servers: Answerer[];

  const openOne = async (of = url): Promise<Database<RegisterTables>> => {
    const register = await openTestDatabase(of);
    registers.push(register);
    return register;
  };
  beforeEach(async () => {
    kit = makeKit();
    registers = [];
    url = toUrl(kit.folder);
    stores = [openSqlStore(await openOne()), openSqlStore(await openOne())];
    servers = stores.map((store) => createAnswerer({ ...kit.answering, store }));
  });
  afterEach(async () => {
    await Promise.all(registers.map((register) => register.close()));
    kit.remove();
  });

  async function issue(overrides: Overrides = {}, device: TestDevice = kit.device) {
    const made = await kit.issue(overrides, { device });
    await stores[0].transact((transaction) => transaction.saveLicense(made.issued));
    return { ...made, device };
  }
  type Made = Awaited<ReturnType<typeof issue>>;
  const request = ({ file, device }: Made, action: LicenseAction): Promise<string> =>
    makeRequest(device, kit.trust, { file, action, isFile: false });
  const read = (text: string, { issued }: Made): LicenseAnswer =>
    verifyAnswer(text, { keys: kit.trust.keys, jkt: issued.jkt, license: issued.name });
  const ask = async (made: Made, action: LicenseAction, server: 0 | 1 = 0): Promise<LicenseAnswer> =>
    read(await servers[server](await request(made, action)), made);
  const revoke = (store: LicenseStore, { issued }: Made, recorder = kit.answering.recorder) =>
    changeStanding({ store, recorder }, { name: issued.name, change: 'revoke' });
  const actions = (): unknown[] => kit.records.map(({ detail }) => (detail as { action: string }).action);

  test('of twelve devices that ask two servers at once, as many get a seat as there are', async () => {
    const made: Made[] = [];
    for (let at = 0; at < 12; at += 1) made.push(await issue({ jti: `S${at}`, ...seats(5) }, kit.makeDevice()));
    const results = await Promise.all(made.map(async (one, at) => (await ask(one, 'lease', (at % 2) as 0 | 1)).result));
    expect(results.filter((result) => result === 'OK')).toHaveLength(5);
    expect(results.filter((result) => result === 'LICENSE_SEATS_TAKEN')).toHaveLength(7);
    // Who has a seat keeps it at the other server, and what is given back there is free here.
    const holder = made[results.indexOf('OK')];
    expect((await ask(holder, 'lease', 1)).result).toBe('OK');
    expect((await ask(holder, 'release', 1)).result).toBe('OK');
    expect((await ask(made[results.indexOf('LICENSE_SEATS_TAKEN')], 'lease', 0)).result).toBe('OK');
  });

  test('a takeover is granted where the seat is found, and the pool stays as large as it is', async () => {
    const [one, two, three] = [
      await issue({ jti: 'one', ...seats(1) }),
      await issue({ jti: 'two', ...seats(1) }, kit.makeDevice()),
      await issue({ jti: 'three', ...seats(1) }, kit.makeDevice()),
    ];
    expect((await ask(one, 'lease')).result).toBe('OK');
    const text = await makeRequest(two.device, kit.trust, {
      ...{ file: two.file, action: 'takeover', isFile: false, from: one.issued.jkt },
    });
    expect(read(await servers[1](text), two).result).toBe('OK');
    expect((await ask(three, 'lease')).result).toBe('LICENSE_SEATS_TAKEN');
    expect((await ask(one, 'lease', 1)).result).toBe('LICENSE_TAKEN_OVER');
    expect((await ask(one, 'lease')).result).toBe('LICENSE_SEATS_TAKEN');
  });

  test('a request that one server answered is refused by the other', async () => {
    const made = await issue();
    const text = await request(made, 'check');
    await servers[0](text);
    await expect(servers[1](text)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
    expect(kit.refusals.map(({ cause }) => cause)).toEqual(['LICENSE_REQUEST_REPLAYED']);
  });

  test('and also when the clock of the other one is ahead and has forgotten what is too old by it', async () => {
    const [made, other] = [await issue({ jti: 'made' }), await issue({ jti: 'other' })];
    const text = await request(made, 'check');
    await servers[0](text);
    // Of a server whose clock differs as much as that of a device may.
    kit.clock.nowSec += LICENSE_LIMITS.requestAgeSec;
    const clock = { nowMs: () => kit.clock.nowMs() + LICENSE_LIMITS.serverSkewSec * 1000 };
    const services = { ...kit.answering.services, clock };
    await createAnswerer({ ...kit.answering, services, store: stores[1] })(await request(other, 'check'));
    await expect(servers[0](text)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
  });

  test('a revocation counts at the other server from its next request on, and in the status lists of both', async () => {
    const [made, kept] = [await issue({ jti: 'gone' }), await issue({ jti: 'kept' })];
    await revoke(stores[0], made);
    expect(await ask(made, 'renew', 1)).toMatchObject({ result: 'LICENSE_REVOKED', standing: 'revoked' });
    expect(await ask(kept, 'renew', 1)).toMatchObject({ result: 'OK' });
    const options = { uri: 'https://vendor.example/list', ttlSec: 60 };
    const lists = await Promise.all(
      stores.map((store) => writeStatusList({ services: { clock: kit.clock }, store, vendor: kit.vendor }, options)),
    );
    for (const list of lists) {
      const verified = verifyStatusList(list, kit.trust.keys);
      expect([made, kept].map(({ issued }) => verified.statusOf(issued.index))).toEqual([1, 0]);
    }
  });

  test('a revocation in the middle of a renewal waits for it, and the ledger tells of the same order', async () => {
    const made = await issue();
    let isRevoked = false;
    let revoking: Promise<unknown> | undefined;
    const recorder: typeof kit.answering.recorder = {
      ...kit.answering.recorder,
      record: async (entries) => {
        revoking = revoke(stores[1], made).then(() => (isRevoked = true));
        await pause(60);
        expect(isRevoked).toBe(false);
        return kit.answering.recorder.record(entries);
      },
    };
    const text = await createAnswerer({ ...kit.answering, recorder, store: stores[0] })(await request(made, 'renew'));
    expect(read(text, made)).toMatchObject({ result: 'OK', standing: 'valid' });
    await revoking;
    expect(actions()).toEqual(['renew', 'revoke']);
    expect(await ask(made, 'renew')).toMatchObject({ result: 'LICENSE_REVOKED' });
  });

  test('a renewal in the middle of a revocation gives neither licence nor key', async () => {
    const made = await issue();
    let answering: Promise<LicenseAnswer> | undefined;
    const recorder: typeof kit.answering.recorder = {
      ...kit.answering.recorder,
      record: async (entries) => {
        answering = ask(made, 'renew', 1);
        await pause(60);
        return kit.answering.recorder.record(entries);
      },
    };
    await revoke(stores[0], made, recorder);
    const answer = await answering;
    expect(answer).toMatchObject({ result: 'LICENSE_REVOKED', standing: 'revoked', lease: null });
    expect(answer).not.toHaveProperty('license');
    expect(answer).not.toHaveProperty('key');
  });

  test('requests that come together are answered in one transaction, each as it deserves', async () => {
    const [good, gone] = [await issue({ jti: 'good' }), await issue({ jti: 'gone' })];
    await revoke(stores[0], gone);
    let rounds = 0;
    const store: LicenseStore = {
      ...stores[0],
      transact: (work) => {
        rounds += 1;
        return stores[0].transact(work);
      },
    };
    const answer = createAnswerer({ ...kit.answering, store });
    const unknown = await kit.issue({ jti: 'unknown' });
    const texts = [
      await request(good, 'check'),
      await request(gone, 'check'),
      await request({ ...unknown, device: kit.device }, 'check'),
      await request(good, 'renew'),
    ];
    const results = await Promise.allSettled([...texts, texts[3]].map((text) => answer(text)));
    expect(results.map(({ status }) => status)).toEqual([
      ...Array<string>(2).fill('fulfilled'),
      'rejected',
      'fulfilled',
      'rejected',
    ]);
    expect(results[2]).toMatchObject({ reason: { code: 'LICENSE_UNKNOWN' } });
    expect(results[4]).toMatchObject({ reason: { code: 'LICENSE_REQUEST_REPLAYED' } });
    expect(read((results[1] as PromiseFulfilledResult<string>).value, gone).result).toBe('LICENSE_REVOKED');
    expect(rounds).toBeLessThan(texts.length);
    expect(actions()).toEqual(['revoke', 'check', 'renew']);
  });

  test('without the ledger nothing is answered and nothing changed', async () => {
    const made = await issue(seats(1));
    const record = (): Promise<never> => Promise.reject(new TypeError('the ledger is gone'));
    const recorder = { ...kit.answering.recorder, record };
    const text = await request(made, 'lease');
    const failing = createAnswerer({ ...kit.answering, recorder, store: stores[0] });
    await expect(failing(text)).rejects.toThrow('the ledger is gone');
    const other = await issue({ jti: 'other', ...seats(1) }, kit.makeDevice());
    expect((await ask(other, 'lease', 1)).result).toBe('OK');
    // Its number is not used up: the same request is answered.
    expect(read(await servers[0](text), made).result).toBe('LICENSE_SEATS_TAKEN');
  });

  test('one licence has so many open requests and no more, whichever server is asked; time makes room', async () => {
    const [made, other] = [await issue({ jti: 'busy' }), await issue({ jti: 'other' })];
    const { nowSec } = kit.clock;
    await stores[0].transact(async (transaction) => {
      const of = { by: 'busy', nowSec, untilSec: nowSec + 301 };
      for (let at = 0; at < LICENSE_LIMITS.noncesPerLicenseMax; at += 1) {
        expect(await transaction.useNonce(`n${at}`, of)).toBe('new');
      }
    });
    await expect(ask(made, 'check', 1)).rejects.toMatchObject({ code: 'LICENSE_REQUESTS_TOO_MANY' });
    expect(await ask(other, 'check', 1)).toMatchObject({ result: 'OK' });
    kit.clock.nowSec += 301;
    expect(await ask(made, 'check', 1)).toMatchObject({ result: 'OK' });
  });

  test('and so have all of them together', async () => {
    const [made, nowSec] = [await issue(), kit.clock.nowSec];
    await stores[0].transact((transaction) => transaction.useNonce('old', { by: 'x', nowSec, untilSec: nowSec + 10 }));
    await registers[0].write((db) =>
      db.updateTable('license_register').set({ nonces: LICENSE_LIMITS.noncesMax }).execute(),
    );
    await expect(ask(made, 'check')).rejects.toMatchObject({ code: 'LICENSE_REQUESTS_TOO_MANY' });
    kit.clock.nowSec += 10;
    expect(await ask(made, 'check')).toMatchObject({ result: 'OK' });
  });

  test('two licences never get one place, and pages list them in order', async () => {
    const take = (store: LicenseStore) => store.transact((transaction) => transaction.nextIndex());
    const places = await Promise.all(Array.from({ length: 20 }, (_, at) => take(stores[at % 2])));
    expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, at) => at));
    const made = [await issue({ jti: 'a' }), await issue({ jti: 'b' }), await issue({ jti: 'c' })];
    const twice = { ...made[0].issued, name: 'd' };
    await expect(stores[0].transact((transaction) => transaction.saveLicense(twice))).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
    });
    const page = await stores[1].listLicenses({ fromIndex: made[1].issued.index, count: 1 });
    expect(page).toEqual([expect.objectContaining({ name: 'b', licensee: 'Acme', sealId: made[1].issued.sealId })]);
  });

  test('a register that is moved goes on elsewhere as it was, once, and is closed here', async () => {
    const made = await issue({ jti: 'moved', ...seats(1) });
    const other = await issue({ jti: 'waits', ...seats(1) }, kit.makeDevice());
    const text = await request(made, 'lease');
    await servers[0](text);
    const target = await openOne(`sqlite:${join(kit.folder, 'target.db')}`);
    // Killed after the new register was filled, before the old one was closed.
    const killed: Database<RegisterTables> = {
      ...registers[0],
      write: (work) =>
        registers[0].write(async (db) => {
          await work(db);
          throw new TypeError('killed');
        }),
    };
    await expect(moveRegister(killed, target)).rejects.toThrow('killed');
    expect(await moveRegister(registers[0], target)).toEqual({ licenses: 2 });
    // A register of the same label that has nothing of it is another one.
    mkdirSync(join(kit.folder, 'elsewhere'));
    const namesake = await openOne(`sqlite:${join(kit.folder, 'elsewhere', 'target.db')}`);
    expect(namesake.label).toBe(target.label);
    expect([await wasMovedTo(registers[0], target), await wasMovedTo(registers[0], namesake)]).toEqual([true, false]);
    await expect(ask(made, 'check', 1)).rejects.toMatchObject({
      code: 'LICENSE_REGISTER_MOVED',
      fields: { to: 'target.db' },
    });
    await expect(stores[1].listLicenses({ fromIndex: 0, count: 9 })).rejects.toMatchObject({
      code: 'LICENSE_REGISTER_MOVED',
    });
    const there = createAnswerer({ ...kit.answering, store: openSqlStore(target) });
    await expect(there(text)).rejects.toMatchObject({ code: 'LICENSE_REQUEST_REPLAYED' });
    expect(read(await there(await request(other, 'lease')), other).result).toBe('LICENSE_SEATS_TAKEN');
    expect(
      await registers[0].read((db) => db.selectFrom('license_issued').selectAll().orderBy('place').execute()),
    ).toEqual(await target.read((db) => db.selectFrom('license_issued').selectAll().orderBy('place').execute()));
  });

  describe('a renewal by the vendor', () => {
    /** Issues a licence, and renews it; `meanwhile` happens when it was looked at and its key is asked for. */
    async function renewWhile(
      meanwhile: (by: { services: VendorServices; session: ReturnType<typeof openSession> }) => Promise<unknown>,
    ) {
      const home = join(kit.folder, 'home');
      const composed = composeServices({ home, progress: silentProgress, cleanups: createCleanups() });
      const services: VendorServices = {
        ...composed,
        openLicenseStore: async () => openSqlStore(await openOne()),
      };
      const session = openSession(services);
      try {
        await keepEnvelope(kit, services, session.recorder);
        const enrolment = encodeEnrolment({
          ...{ v: 1, kind: 'modelward-license-enrolment', jwk: kit.device.key.publicKey, assurance: 'software' },
          fpr: { salt: 'A'.repeat(22), parts: {} },
        });
        const terms: LicenseTerms = {
          ...{ licensee: 'Acme', audience: 'modelward', validSec: 3600, fromSec: null, entitlements: [], offline: {} },
          ...{ pool: null, machineParts: 0, assurance: 'software', status: null },
        };
        const options = { path: kit.sealPath, keyUri: null, enrolment, makers: null, name: 'one', terms };
        const { license } = await issueLicense(services, session, options);
        const openKeys: VendorServices['openKeys'] = async (asked) => {
          await meanwhile({ services, session });
          return services.openKeys(asked);
        };
        const result = await renewLicense({ ...services, openKeys }, session, renewal).catch((error: unknown) => error);
        const found = await stores[0].transact((transaction) => transaction.findLicense('one'));
        const entries = [...session.recorder.reader().entries(0)].filter(({ type }) => type === 'license');
        return { license, result, found, said: entries.map(({ detail }) => (detail as { action: string }).action) };
      } finally {
        session.close();
      }
    }
    const renewal = { name: 'one', validSec: 7200, keyUri: null };
    type Session = ReturnType<typeof openSession>;
    const change = ({ recorder }: Session, to: 'revoke' | 'suspend') =>
      changeStanding({ store: stores[1], recorder }, { name: 'one', change: to });

    test('of a licence that is revoked after it was looked at makes no licence', async () => {
      const { license, result, found, said } = await renewWhile(({ session }) => change(session, 'revoke'));
      expect(result).toMatchObject({ code: 'LICENSE_REVOKED' });
      expect(found).toEqual({ ...license, standing: 'revoked' });
      expect(said).toEqual(['issue', 'revoke']);
    });

    test('of one that is suspended meanwhile leaves it so', async () => {
      const { found, said } = await renewWhile(({ session }) => change(session, 'suspend'));
      expect(found).toMatchObject({ standing: 'suspended', seq: 2 });
      expect(said).toEqual(['issue', 'suspend', 'renew']);
    });

    test('of one that somebody else renews meanwhile has the number after his', async () => {
      const { found, said } = await renewWhile(({ services, session }) => renewLicense(services, session, renewal));
      expect(found).toMatchObject({ standing: 'valid', seq: 3 });
      expect(said).toEqual(['issue', 'renew', 'renew']);
    });
  });
}

async function keepEnvelope(
  kit: Kit,
  services: VendorServices,
  { writer: ledger, actor }: ReturnType<typeof openSession>['recorder'],
): Promise<void> {
  const keys = await services.openKeys({ uri: null, create: true, apartFrom: null, ledger, actor });
  const seal = { header: kit.info.header, dekCheck: kit.seal.dekCheck };
  const envelope = await createEnvelope({ seal, dek: kit.seal.dek, wrapper: keys.provider, clock: services.clock });
  const path = toEnvelopePath(services, kit.info.header.sealId);
  writeBytes(services.storage, { path, mode: 0o600, bytes: encodeEnvelope(envelope) });
}

describe('a register in a file', () => {
  runRegisterSuite((folder) => `sqlite:${join(folder, 'servers.db')}`);
});

describeWithPostgres('a register on PostgreSQL', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await createPostgres();
  });
  afterEach(() => {
    server.query('set client_min_messages = warning; drop schema if exists modelward cascade');
  });
  afterAll(() => {
    server.remove();
  });
  runRegisterSuite(() => server.url());
});
