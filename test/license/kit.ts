/** A vendor, a device and a sealed model of a test's own: real keys, real files, a clock that is set by hand. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileCounter } from '../../src/adapters/device-key/index.ts';
import { createLedgerLock } from '../../src/adapters/ledger-lock/index.ts';
import type { EntryInput, Refusal } from '../../src/ledger/ports.ts';
import {
  type DocumentSigner,
  encodeLicenseFile,
  encryptKeyDocument,
  type IssuedLicense,
  type LicenseClaims,
  type MachineParts,
  openAgreementKey,
  signLicense,
  toDekDigest,
  toThumbprint,
} from '../../src/license/index.ts';
import type { AgreementKey, Assurance, LicenseStore } from '../../src/license/ports.ts';
import { readSealHeader, type SealInfo } from '../../src/seal/index.ts';
import { toBase64Url } from '../../src/core/base64url.ts';
import { sha256 } from '../../src/core/hash.ts';
import { createOwner } from '../../src/sign/index.ts';
import { nodeStorage } from '../../src/source/node-storage.ts';
import { activateLicense, openVendor, type DeviceServices, type Trust } from '../../src/workflows/license/index.ts';
import { openTestStore } from './register.ts';
import { countingSource, makeTestSeal, seededRandom, type TestSeal } from '../fakes/seal-kit.ts';

export const T0 = Date.parse('2026-05-01T00:00:00Z') / 1000;
export const DAY = 86_400;

export type Overrides = Partial<Omit<LicenseClaims, 'iss'>>;
export type Vendor = ReturnType<typeof openVendor>;

const PARTS: MachineParts = { 'machine-id': 'm1', 'disk-serial': 'd1', cpu: 'c1' };

export interface TestDevice extends DeviceServices {
  readonly key: AgreementKey;
  /** What its reader finds; a test may change it. */
  parts: MachineParts;
}

export interface Kit {
  readonly folder: string;
  readonly clock: { nowSec: number; nowMs(): number };
  readonly vendor: Vendor;
  readonly trust: Trust;
  readonly device: TestDevice;
  readonly seal: TestSeal;
  readonly info: SealInfo;
  readonly sealPath: string;
  readonly store: LicenseStore;
  /** What went into the ledger, in order. */
  readonly records: EntryInput[];
  readonly refusals: Refusal[];
  makeDevice(options?: { readonly assurance?: Assurance }): TestDevice;
  /** A licence file for `device`, and what the vendor keeps of it. */
  issue(overrides?: Overrides, by?: IssueBy): Promise<{ file: Uint8Array; text: string; issued: IssuedLicense }>;
  /** The context of `answerRequest`. */
  readonly answering: {
    readonly services: { readonly clock: { nowMs(): number }; readonly random: ReturnType<typeof seededRandom> };
    readonly recorder: {
      readonly actor: string;
      record(entries: readonly EntryInput[]): Promise<{ firstIndex: number; checkpoint: string }>;
      readonly writer: { append: never; refuse(...some: readonly Refusal[]): Promise<void> };
    };
    readonly vendor: Vendor;
    readonly store: LicenseStore;
  };
  remove(): void;
}

export interface IssueBy {
  readonly device?: TestDevice;
  readonly signer?: DocumentSigner;
  readonly dek?: Uint8Array;
}

let seed = 1;

export function makeAgreementKey(): AgreementKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return openAgreementKey(privateKey.export({ type: 'pkcs8', format: 'der' }));
}

function makeVendor(): Vendor {
  const owner = createOwner({ ownerId: 'vendor', random: seededRandom(seed++), clock: { nowMs: () => T0 * 1000 } });
  return openVendor(owner);
}

/** @param options.files what is sealed; seeded bytes without it */
export function makeKit(options: Pick<NonNullable<Parameters<typeof makeTestSeal>[0]>, 'files'> = {}): Kit {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-license-'));
  const random = seededRandom(seed++);
  const clock = {
    nowSec: T0 + 60,
    nowMs() {
      return this.nowSec * 1000;
    },
  };
  const seal = makeTestSeal(options);
  const sealPath = join(folder, 'm.seal');
  writeFileSync(sealPath, seal.bytes);
  const info = readSealHeader(countingSource('m.seal', seal.bytes));
  const vendor = makeVendor();
  const records: EntryInput[] = [];
  const refusals: Refusal[] = [];
  const store = openTestStore(`sqlite:${join(folder, 'register.db')}`);
  const makeDevice = ({ assurance = 'software' }: { readonly assurance?: Assurance } = {}): TestDevice => {
    const key = makeAgreementKey();
    const deviceFolder = mkdtempSync(join(folder, 'device-'));
    const device: TestDevice = {
      storage: nodeStorage,
      clock,
      random,
      deviceFolder,
      lock: createLedgerLock(),
      key,
      parts: PARTS,
      openDevice: () =>
        Promise.resolve({
          key: { publicKey: key.publicKey, assurance, agree: (peer) => key.agree(peer) },
          counter: openFileCounter(nodeStorage, join(deviceFolder, 'counter')),
          machine: { read: () => Promise.resolve(device.parts) },
          close: () => Promise.resolve(),
        }),
    };
    return device;
  };
  const device = makeDevice();
  let index = 0;
  const issue: Kit['issue'] = async (overrides = {}, by = {}) => {
    const to = by.device ?? device;
    const dek = by.dek ?? seal.dek;
    const claims: Omit<LicenseClaims, 'iss'> = {
      ...{ aud: 'modelward', sub: 'Acme', jti: `L${index}`, seq: 1, iat: T0, nbf: T0, exp: T0 + 100 * DAY },
      cnf: { jkt: toThumbprint(to.key.publicKey) },
      seal: { id: info.header.sealId, sha256: toBase64Url(sha256(info.preamble, info.floeHeader)) },
      ent: ['vision'],
      off: { checkSec: null, graceSec: 2 * DAY, lateSec: 0, maxSkewSec: 300, leaseSec: null },
      asr: 'software',
      agr: vendor.agreement.publicKey,
      dek_sha256: toDekDigest(seal.dek),
      ...overrides,
    };
    const text = await signLicense(by.signer ?? vendor.signer, claims);
    const keyDocument = encryptKeyDocument({ dek, recipient: to.key.publicKey, license: text, random });
    const file = encodeLicenseFile({ license: text, keyDocument });
    const { jti: name, seq, sub: licensee } = claims;
    const issued: IssuedLicense = {
      ...{ name, seq, licensee, jkt: claims.cnf.jkt, jwk: to.key.publicKey, sealId: claims.seal.id, index: index++ },
      ...{ standing: 'valid', pool: claims.pool ?? null, issuedSec: claims.iat, expiresSec: claims.exp },
      file: new TextDecoder().decode(file),
    };
    await store.transact((transaction) => transaction.saveLicense(issued));
    return { file, text, issued };
  };
  const recorder = {
    actor: 'vendor',
    record: (entries: readonly EntryInput[]) => {
      records.push(...entries);
      return Promise.resolve({ firstIndex: records.length - entries.length, checkpoint: '' });
    },
    writer: {
      append: undefined as never,
      refuse: (...some: readonly Refusal[]) => {
        refusals.push(...some);
        return Promise.resolve();
      },
    },
  };
  return {
    ...{ folder, clock, vendor, device, seal, info, sealPath, store, records, refusals, makeDevice, issue },
    trust: { keys: [vendor.key], audience: 'modelward' },
    answering: { services: { clock, random }, recorder, vendor, store },
    remove: () => {
      void store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Issues a licence, and puts it into the device. */
export async function issueActivated(kit: Kit, overrides: Overrides = {}) {
  const made = await kit.issue(overrides);
  await activateLicense(kit.device, kit.trust, made.file);
  return made;
}
