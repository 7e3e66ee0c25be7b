/** The closed list of refusals: one minimal case for each code, and none without one. */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSoftwareKey, openSoftwareKey } from '../../src/adapters/device-key/index.ts';
import { askServer } from '../../src/adapters/license-server/index.ts';
import {
  claimLog,
  moveRegister,
  type RegisterTables,
  takeOverEarlier,
} from '../../src/adapters/license-store/index.ts';
import type { Database } from '../../src/core/database.ts';
import { LedgerError } from '../../src/core/errors.ts';
import { licenseErrors } from '../../src/core/errors/license.ts';
import { LICENSE_LIMITS } from '../../src/core/limits/license.ts';
import {
  encodeLicenseFile,
  parseEnrolment,
  parseLicenseFile,
  parseVendorKey,
  signAnswer,
  signRequest,
  signStatusList,
  toIssuer,
  toThumbprint,
  type VendorKey,
} from '../../src/license/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import {
  acceptAnswer,
  activateLicense,
  answerRequest,
  changeStanding,
  checkLicense,
  makeRequest,
  toDeviceLedgerFolder,
  withLicensedKey,
  writeStatusList,
} from '../../src/workflows/license/index.ts';
import { toCertifiedCases } from './certified-cases.ts';
import { readRefusals, withoutLedger } from './device-ledger.ts';
import { fillRecord } from './full-record.ts';
import { DAY, type Kit, makeAgreementKey, makeKit, type Overrides, T0, type TestDevice } from './kit.ts';
import { openTestDatabase } from './register.ts';

let kit: Kit;
/** The file that `forge` takes the key document from. */
let forgeryBase: Uint8Array;
beforeEach(() => {
  kit = makeKit();
});
afterEach(() => {
  kit.remove();
});

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const json = (file: Uint8Array): Record<string, string> =>
  JSON.parse(Buffer.from(file).toString()) as Record<string, string>;
const bytes = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));

/** Opens the sealed model; what comes back is the plaintext's key, and a refusal gives none. */
async function open(file: Uint8Array, more: Partial<Parameters<typeof withLicensedKey>[2]> = {}, device = kit.device) {
  const options = { path: kit.sealPath, file, statusList: null, needs: [], ...more };
  return withLicensedKey(device, kit.trust, options, ({ dek }) => Promise.resolve(Buffer.from(dek).toString('hex')));
}

const activate = (file: Uint8Array, device: TestDevice = kit.device) => activateLicense(device, kit.trust, file);

async function activated(overrides: Overrides = {}) {
  const made = await kit.issue(overrides);
  await activate(made.file);
  return made;
}

/** The licence with another header, payload or signature. */
function forge(text: string, change: { header?: object; payload?: object; signature?: string }): Uint8Array {
  const [header, payload, signature] = text.split('.');
  const merge = (part: string, by: object | undefined): string =>
    by === undefined ? part : b64({ ...(JSON.parse(Buffer.from(part, 'base64url').toString()) as object), ...by });
  const license = [merge(header, change.header), merge(payload, change.payload), change.signature ?? signature].join(
    '.',
  );
  return bytes({ v: 1, kind: 'modelward-license', license, key: json(forgeryBase).key });
}

async function issueForForging(overrides: Overrides = {}): Promise<string> {
  const { file, text } = await kit.issue(overrides);
  forgeryBase = file;
  return text;
}

async function ask(
  file: Uint8Array,
  action: Parameters<typeof makeRequest>[2]['action'],
  more: { from?: string; device?: TestDevice; isReset?: boolean } = {},
) {
  const { device = kit.device, ...rest } = more;
  return makeRequest(device, kit.trust, { file, action, isFile: false, ...rest });
}

async function exchange(file: Uint8Array, action: Parameters<typeof ask>[1], more: Parameters<typeof ask>[2] = {}) {
  const text = await answerRequest(kit.answering, await ask(file, action, more));
  return acceptAnswer(more.device ?? kit.device, kit.trust, { file, text });
}

const STATUS_URI = 'https://vendor.example/list';
const listed = (idx: number, maxAgeSec: number | null = DAY): Overrides => {
  return { status: { status_list: { idx, uri: STATUS_URI }, maxAgeSec } };
};
const pool = (seats: number): Overrides => {
  return {
    pool: { id: 'team', seats },
    off: { checkSec: null, graceSec: 0, lateSec: 0, maxSkewSec: 300, leaseSec: 600 },
  };
};
const vendorKeyOf = (): VendorKey => kit.vendor.key;
const statusPath = () => join(kit.device.deviceFolder, 'state.json');

type Case = () => Promise<unknown>;

const CASES: Readonly<Record<keyof typeof licenseErrors, Case>> = {
  ...toCertifiedCases(() => kit),
  LICENSE_MALFORMED: async () =>
    activate(bytes({ v: 1, kind: 'modelward-license', license: 'a.b', key: json((await kit.issue()).file).key })),
  LICENSE_TOO_LARGE: () => activate(new Uint8Array(70_000)),
  LICENSE_TYPE: async () => activate(forge(await issueForForging(), { header: { typ: 'JWT' } })),
  LICENSE_ALG_NONE: async () => activate(forge(await issueForForging(), { header: { alg: 'none' }, signature: '' })),
  LICENSE_ALG_REFUSED: async () => {
    // The known swap: the public key taken as the secret of a MAC.
    const text = forge(await issueForForging(), { header: { alg: 'HS256' } });
    const [header, payload] = json(text).license.split('.');
    const pem = vendorKeyOf().key.export({ type: 'spki', format: 'pem' });
    const mac = createHmac('sha256', pem).update(`${header}.${payload}`).digest('base64url');
    return activate(bytes({ ...json(text), license: `${header}.${payload}.${mac}` }));
  },
  LICENSE_ALG_MISMATCH: async () => activate(forge(await issueForForging(), { header: { alg: 'EdDSA' } })),
  LICENSE_HEADER_REFUSED: async () =>
    activate(forge(await issueForForging(), { header: { jwk: makeAgreementKey().publicKey } })),
  LICENSE_KEY_UNKNOWN: async () => activate(forge(await issueForForging(), { header: { kid: 'ab'.repeat(32) } })),
  LICENSE_SIGNATURE_INVALID: async () =>
    activate(forge(await issueForForging(), { payload: { exp: T0 + 9999 * DAY } })),
  LICENSE_VENDOR_KEY_MISSING: async () =>
    activateLicense(kit.device, { keys: [], audience: 'modelward' }, (await kit.issue()).file),
  LICENSE_CLAIMS_INVALID: async () => {
    const [header, payload] = (await issueForForging()).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    delete claims.exp;
    const signed = `${header}.${b64(claims)}`;
    const signature = await kit.vendor.signer.sign(Buffer.from(signed));
    const license = `${signed}.${Buffer.from(signature).toString('base64url')}`;
    return activate(bytes({ ...json(forgeryBase), license }));
  },
  LICENSE_ISSUER: async () =>
    activate((await kit.issue({}, { signer: { ...kit.vendor.signer, issuer: toIssuer('ff'.repeat(32)) } })).file),
  LICENSE_AUDIENCE: async () => activate((await kit.issue({ aud: 'another product' })).file),
  LICENSE_NOT_YET_VALID: async () => activate((await kit.issue({ nbf: T0 + DAY })).file),
  LICENSE_ISSUED_IN_FUTURE: async () => activate((await kit.issue({ iat: T0 + DAY, nbf: T0 })).file),
  LICENSE_EXPIRED: async () => {
    const { file } = await activated({ exp: T0 + DAY });
    kit.clock.nowSec = T0 + DAY;
    return open(file);
  },
  LICENSE_SUPERSEDED: async () => {
    const { file } = await kit.issue({ jti: 'L' });
    await activated({ jti: 'L', seq: 2 });
    return open(file);
  },
  LICENSE_SEAL_MISMATCH: async () => {
    const seal = { id: '018f3a10-0000-7000-8000-000000000000', sha256: 'A'.repeat(43) };
    return open((await activated({ seal })).file);
  },
  LICENSE_SEAL_ALTERED: async () =>
    open((await activated({ seal: { id: kit.info.header.sealId, sha256: 'A'.repeat(43) } })).file),
  LICENSE_KEY_DOCUMENT_MALFORMED: async () => {
    const { text } = await kit.issue();
    return activate(bytes({ v: 1, kind: 'modelward-license', license: text, key: { tag: '' } }));
  },
  LICENSE_KEY_DOCUMENT_ALG: async () => {
    const { file } = await kit.issue();
    const { license, keyDocument } = parseLicenseFile(file);
    const header = {
      ...(JSON.parse(Buffer.from(keyDocument.protected, 'base64url').toString()) as object),
      alg: 'dir',
    };
    return activate(encodeLicenseFile({ license, keyDocument: { ...keyDocument, protected: b64(header) } }));
  },
  LICENSE_KEY_DOCUMENT_OTHER: async () => {
    const [one, two] = [parseLicenseFile((await kit.issue()).file), parseLicenseFile((await kit.issue()).file)];
    return activate(encodeLicenseFile({ license: one.license, keyDocument: two.keyDocument }));
  },
  LICENSE_KEY_REFUSED: async () => {
    const { license, keyDocument } = parseLicenseFile((await kit.issue()).file);
    const tag = Buffer.alloc(16, 1).toString('base64url');
    return activate(encodeLicenseFile({ license, keyDocument: { ...keyDocument, tag } }));
  },
  LICENSE_KEY_WRONG: async () => activate((await kit.issue({}, { dek: new Uint8Array(32).fill(7) })).file),
  LICENSE_DEVICE_KEY_MISSING: () => Promise.resolve().then(() => openSoftwareKey(join(kit.folder, 'none'))),
  LICENSE_DEVICE_KEY_EXISTS: () =>
    Promise.resolve().then(() => {
      const path = join(kit.folder, 'device.key');
      createSoftwareKey(nodeStorage, path);
      createSoftwareKey(nodeStorage, path);
    }),
  LICENSE_DEVICE_KEY_INVALID: () =>
    Promise.resolve().then(() => {
      const path = join(kit.folder, 'device.key');
      writeFileSync(path, 'no key', { mode: 0o600 });
      openSoftwareKey(path);
    }),
  // The whole device was copied, but for its key.
  LICENSE_DEVICE_MISMATCH: async () => {
    const { file } = await activated();
    return open(file, {}, kit.makeDevice());
  },
  LICENSE_ASSURANCE_LOW: async () => activate((await kit.issue({ asr: 'tpm' })).file),
  LICENSE_CLOCK_ROLLBACK: async () => {
    const { file } = await activated();
    kit.clock.nowSec = T0 + 10 * DAY;
    await open(file);
    kit.clock.nowSec = T0 + 9 * DAY;
    return open(file);
  },
  LICENSE_NOT_ACTIVATED: async () => open((await kit.issue()).file),
  LICENSE_STATE_MISSING: async () => {
    const { file } = await activated();
    rmSync(statusPath());
    return open(file);
  },
  LICENSE_STATE_BUSY: async () => {
    const { file } = await activated();
    const lock = { acquire: () => Promise.reject(new LedgerError('LEDGER_LOCKED')) };
    return open(file, {}, { ...kit.device, lock });
  },
  LICENSE_LEDGER_FAILED: async () => {
    const { file } = await activated();
    return open(file, {}, withoutLedger(kit.device));
  },
  LICENSE_LEDGER_ROLLED_BACK: async () => {
    const { file } = await activated();
    rmSync(toDeviceLedgerFolder(kit.device), { recursive: true });
    return open(file);
  },
  LICENSE_STATE_MALFORMED: async () => {
    const { file } = await activated();
    writeFileSync(statusPath(), '{}');
    return open(file);
  },
  LICENSE_STATE_TAMPERED: async () => {
    const { file } = await activated();
    const text = readFileSync(statusPath(), 'utf8');
    writeFileSync(statusPath(), text.replace(/"highWaterSec":\d+/, '"highWaterSec":0'));
    return open(file);
  },
  LICENSE_RECORD_FULL: async () => {
    await fillRecord(kit.device);
    return activate((await kit.issue()).file);
  },
  LICENSE_STATE_ROLLED_BACK: async () => {
    const { file } = await activated();
    const copy = join(kit.folder, 'copy');
    copyFileSync(statusPath(), copy);
    kit.clock.nowSec = T0 + 10 * DAY;
    await open(file);
    copyFileSync(copy, statusPath());
    kit.clock.nowSec = T0 + DAY;
    return open(file);
  },
  LICENSE_FINGERPRINT_MISMATCH: async () => {
    const { file } = await activated(await fingerprint(2));
    kit.device.parts = { 'machine-id': 'm1', 'disk-serial': 'other', cpu: 'other' };
    return open(file);
  },
  LICENSE_FINGERPRINT_UNREADABLE: async () => {
    const { file } = await activated(await fingerprint(2));
    kit.device.parts = { 'machine-id': 'm1' };
    return open(file);
  },
  LICENSE_ENTITLEMENT_MISSING: async () => open((await activated()).file, { needs: ['speech'] }),
  LICENSE_REVOKED: async () => {
    const { file, issued } = await activated();
    await changeStanding(
      { store: kit.store, recorder: kit.answering.recorder },
      { name: issued.name, change: 'revoke' },
    );
    await exchange(file, 'check').catch(() => undefined);
    return open(file);
  },
  LICENSE_SUSPENDED: async () => {
    const { file, issued } = await activated();
    await changeStanding(
      { store: kit.store, recorder: kit.answering.recorder },
      { name: issued.name, change: 'suspend' },
    );
    await exchange(file, 'check').catch(() => undefined);
    return open(file);
  },
  LICENSE_STATUS_MISSING: async () => open((await activated(listed(0))).file),
  LICENSE_STATUS_MALFORMED: async () => {
    const { file } = await activated(listed(0, null));
    const list = { bits: 3, lst: '' };
    const signed = [
      b64({ alg: 'ES256', kid: kit.vendor.signer.kid, typ: 'statuslist+jwt' }),
      b64({ sub: STATUS_URI, iat: T0, status_list: list }),
    ].join('.');
    const signature = Buffer.from(await kit.vendor.signer.sign(Buffer.from(signed))).toString('base64url');
    return open(file, { statusList: `${signed}.${signature}` });
  },
  LICENSE_STATUS_OTHER: async () => {
    const { file } = await activated(listed(0, null));
    return open(file, { statusList: await list('https://vendor.example/another') });
  },
  LICENSE_STATUS_INDEX: async () => {
    const { file } = await activated(listed(99, null));
    return open(file, { statusList: await list() });
  },
  LICENSE_STATUS_STALE: async () => {
    const { file } = await activated(listed(0, null));
    const old = await list();
    kit.clock.nowSec += 60;
    await open(file, { statusList: await list() });
    return open(file, { statusList: old });
  },
  LICENSE_GRACE_EXPIRED: async () => {
    const off = { checkSec: DAY, graceSec: 2 * DAY, lateSec: 0, maxSkewSec: 300, leaseSec: null };
    const { file } = await activated({ off });
    kit.clock.nowSec = T0 + 3 * DAY;
    return open(file);
  },
  LICENSE_LEASE_MISSING: async () => open((await activated(pool(1))).file),
  LICENSE_LEASE_EXPIRED: async () => {
    const { file } = await activated(pool(1));
    await exchange(file, 'lease');
    await open(file);
    kit.clock.nowSec += 600;
    return open(file);
  },
  LICENSE_SEATS_TAKEN: async () => {
    const { second } = await twoOfOneSeat();
    return exchange(second.file, 'lease', { device: second.device });
  },
  LICENSE_TAKEN_OVER: async () => {
    const { first, second } = await twoOfOneSeat();
    await exchange(second.file, 'takeover', { device: second.device, from: toThumbprint(kit.device.key.publicKey) });
    return exchange(first.file, 'lease');
  },
  LICENSE_REQUEST_MALFORMED: async () => {
    await activated();
    return answerRequest(kit.answering, await proven({ act: 'steal' }));
  },
  LICENSE_REQUEST_STALE: async () => {
    const { file } = await activated();
    const text = await ask(file, 'check');
    kit.clock.nowSec += 600;
    return answerRequest(kit.answering, text);
  },
  LICENSE_REQUEST_REPLAYED: async () => {
    const { file } = await activated();
    const text = await ask(file, 'check');
    await answerRequest(kit.answering, text);
    return answerRequest(kit.answering, text);
  },
  // The public key of the device is known to the thief; its private half is not.
  LICENSE_PROOF_INVALID: async () => {
    const { issued } = await activated();
    const thief = { ...makeAgreementKey(), publicKey: kit.device.key.publicKey };
    return answerRequest(kit.answering, await proven({ lic: issued.name }, thief));
  },
  LICENSE_UNKNOWN: async () => answerRequest(kit.answering, await proven({ lic: 'Lnone' })),
  LICENSE_NAME_TAKEN: async () => {
    const { issued } = await kit.issue();
    const { refuseTakenName } = await import('../../src/workflows/license/issue.ts');
    return kit.store.transact((transaction) => refuseTakenName(transaction, issued.name));
  },
  LICENSE_ANSWER_REPLAYED: async () => {
    const { file } = await activated();
    const text = await answerRequest(kit.answering, await ask(file, 'check'));
    await acceptAnswer(kit.device, kit.trust, { file, text });
    await ask(file, 'check');
    return acceptAnswer(kit.device, kit.trust, { file, text });
  },
  LICENSE_ANSWER_OTHER: async () => {
    const { file } = await activated();
    const other = await activated();
    const text = await answerRequest(kit.answering, await ask(other.file, 'check'));
    return acceptAnswer(kit.device, kit.trust, { file, text });
  },
  LICENSE_ANSWER_UNASKED: async () => {
    const { file, issued } = await activated();
    const answer = { aud: issued.jkt, lic: issued.name, act: 'check', nonce: 'A'.repeat(22), iat: T0 } as const;
    const text = await signAnswer(kit.vendor.signer, { ...answer, result: 'OK', standing: 'valid', lease: null });
    return acceptAnswer(kit.device, kit.trust, { file, text });
  },
  LICENSE_ENROLMENT_MALFORMED: () => Promise.resolve().then(() => parseEnrolment(bytes({ v: 2 }))),
  LICENSE_SERVER_UNAVAILABLE: () =>
    askServer({ server: 'https://127.0.0.1:9', action: 'check', request: 'x', caPem: null, timeoutMs: 2000 }),
  LICENSE_SERVER_INSECURE: () =>
    askServer({ server: 'http://licences.example', action: 'check', request: 'x', caPem: null, timeoutMs: 2000 }),
  LICENSE_REQUESTS_TOO_MANY: async () => {
    const { file, issued } = await kit.issue();
    await kit.store.transact(async (transaction) => {
      const of = { by: issued.name, nowSec: kit.clock.nowSec, untilSec: kit.clock.nowSec + 300 };
      for (let at = 0; at < LICENSE_LIMITS.noncesPerLicenseMax; at += 1) await transaction.useNonce(`n${at}`, of);
    });
    return answerRequest(kit.answering, await ask(file, 'check'));
  },
  LICENSE_STORE_FAILED: async () => {
    writeFileSync(join(kit.folder, 'licenses.json'), '[]');
    const lock = { acquire: () => Promise.resolve({ isHeld: () => true, release: () => undefined }) };
    return takeOverEarlier(await registerNamed('new.db'), { storage: nodeStorage, folder: kit.folder, lock });
  },
  LICENSE_REGISTER_MOVED: async () => {
    await kit.issue();
    await moveRegister(await registerNamed('register.db'), await registerNamed('new.db'));
    return kit.store.readStandings();
  },
  LICENSE_REGISTER_NOT_EMPTY: async () => {
    await kit.issue();
    return moveRegister(await registerNamed('new.db'), await registerNamed('register.db'));
  },
  LICENSE_LOG_TAKEN: async () => {
    const register = await registerNamed('register.db');
    await claimLog(register, { log: 'modelward/1', home: 'one' });
    await claimLog(register, { log: 'modelward/1', home: 'one' });
    return claimLog(register, { log: 'modelward/1', home: 'two' });
  },
};

const registers: Database<RegisterTables>[] = [];
afterEach(async () => {
  await Promise.all(registers.splice(0).map((register) => register.close()));
});

async function registerNamed(name: string): Promise<Database<RegisterTables>> {
  const register = await openTestDatabase(`sqlite:${join(kit.folder, name)}`);
  registers.push(register);
  return register;
}

async function list(uri = STATUS_URI): Promise<string> {
  const { vendor, store, clock } = kit;
  return writeStatusList({ services: { clock }, store, vendor }, { uri, ttlSec: DAY });
}

async function fingerprint(k: number): Promise<Overrides> {
  const { maskParts } = await import('../../src/license/index.ts');
  return { fpr: { ...maskParts(kit.device.parts, kit.device.random), k } };
}

async function twoOfOneSeat() {
  const first = await activated(pool(1));
  await exchange(first.file, 'lease');
  const device = kit.makeDevice();
  const second = await kit.issue(pool(1), { device });
  await activate(second.file, device);
  return { first, second: { ...second, device } };
}

/** A request with a right proof, unless another key makes it. */
async function proven(change: object, key = kit.device.key): Promise<string> {
  const request = {
    aud: kit.vendor.signer.issuer,
    act: 'check',
    lic: 'L0',
    iat: kit.clock.nowSec,
    jti: 'A'.repeat(22),
    file: false,
  };
  return signRequest(key, kit.vendor.agreement.publicKey, { ...request, ...change } as Parameters<
    typeof signRequest
  >[2]);
}

/** Refused where there is no ledger of a device: no key of his to sign it, or at the vendor's, whose ledger has it. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...['LICENSE_DEVICE_KEY_MISSING', 'LICENSE_DEVICE_KEY_EXISTS', 'LICENSE_DEVICE_KEY_INVALID'],
  ...['LICENSE_STATE_BUSY', 'LICENSE_LEDGER_FAILED', 'LICENSE_SERVER_UNAVAILABLE', 'LICENSE_SERVER_INSECURE'],
  ...['LICENSE_EK_MISSING', 'LICENSE_EK_UNTRUSTED', 'LICENSE_EK_EXPIRED', 'LICENSE_EK_REVOKED', 'LICENSE_EK_MISMATCH'],
  ...['LICENSE_DEVICE_KEY_WEAK', 'LICENSE_ENROLMENT_MALFORMED', 'LICENSE_NAME_TAKEN', 'LICENSE_UNKNOWN'],
  ...['LICENSE_REQUEST_MALFORMED', 'LICENSE_REQUEST_STALE', 'LICENSE_REQUEST_REPLAYED', 'LICENSE_REQUESTS_TOO_MANY'],
  ...['LICENSE_PROOF_INVALID', 'LICENSE_STORE_FAILED', 'LICENSE_REGISTER_MOVED', 'LICENSE_REGISTER_NOT_EMPTY'],
  'LICENSE_LOG_TAKEN',
]);

describe('every refusal has its code', () => {
  test.each(Object.entries(CASES))('%s', async (code, run) => {
    await expect(run()).rejects.toMatchObject({ code });
    const causes = readRefusals(kit.folder).map(({ cause }) => cause);
    expect(causes.includes(code as keyof typeof licenseErrors), 'in the ledger of the device').toBe(
      !ELSEWHERE.has(code),
    );
  });

  test('there are at least 40 of them', () => {
    expect(Object.keys(licenseErrors).length).toBeGreaterThanOrEqual(40);
    expect(Object.keys(CASES).sort()).toEqual(Object.keys(licenseErrors).sort());
  });
});

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
    const { file } = await activated(await fingerprint(2));
    kit.device.parts = { ...kit.device.parts, cpu: 'replaced' };
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement.notes).toContain('MACHINE_CHANGED');
  });

  test('a name that was given stands for the machine, and is told', async () => {
    kit.device.parts = { 'device-id': 'pod-7' };
    const { file } = await activated(await fingerprint(1));
    const { judgement } = await checkLicense(kit.device, kit.trust, { file, statusList: null, needs: [] });
    expect(judgement.notes).toContain('DEVICE_ID_GIVEN');
    kit.device.parts = { 'device-id': 'pod-8' };
    await expect(open(file)).rejects.toMatchObject({ code: 'LICENSE_FINGERPRINT_MISMATCH' });
  });
});

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
    await changeStanding(
      { store: kit.store, recorder: kit.answering.recorder },
      { name: issued.name, change: 'revoke' },
    );
    await expect(exchange(file, 'check')).rejects.toMatchObject({ code: 'LICENSE_REVOKED' });
    expect(kit.refusals.at(-1)).toMatchObject({ cause: 'LICENSE_REVOKED' });
    const broken = { ...kit.answering.recorder, record: () => Promise.reject(new Error('disk')) };
    const fresh = await activated();
    const request = await ask(fresh.file, 'renew');
    await expect(answerRequest({ ...kit.answering, recorder: broken }, request)).rejects.toThrow('disk');
  });

  test('after a lost record only the vendor brings a licence back, and the old copy stays out', async () => {
    const { file } = await activated();
    rmSync(statusPath());
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
