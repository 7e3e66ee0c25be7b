/** A licence on its device: activated, judged, and used to open the one sealed model that it is for. No network, no owner. */
import { join } from 'node:path';
import { findBase64Url } from '../../core/base64url.ts';
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { LicenseError, WorkflowError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import {
  activateFromFile,
  decryptKeyDocument,
  type DeviceState,
  findActive,
  findRecord,
  type Judgement,
  judgeLicense,
  type KeyDocument,
  type LicenseFile,
  parseLicenseFile,
  toThumbprint,
  type VendorKey,
  type VerifiedLicense,
  type VerifiedStatusList,
  verifyLicense,
  verifyStatusList,
  withRecord,
} from '../../license/index.ts';
import { isSeal, readSealHeader, type SealHeader, type SealInfo } from '../../seal/index.ts';
import { openFileSource } from '../../source/index.ts';
import type { ByteSource } from '../../source/ports.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';
import { type Moment, withDevice } from './device.ts';
import { countRefusals, type DeviceEntry } from './ledger.ts';
import { toHeadDigest } from './seal-head.ts';
import type { Device, DeviceServices } from './services.ts';

/** What the integrator pins; none of it is ever taken from a licence. */
export interface Trust {
  readonly keys: readonly VendorKey[];
  readonly audience: string;
}

export interface ActivateResult {
  readonly name: string;
  readonly sealId: string;
  readonly judgement: Judgement;
}

/**
 * Takes a licence into use on this device, and keeps a copy of its file with the device.
 * @param file the licence file's bytes
 * @throws LicenseError with the outcome's code
 */
export async function activateLicense(
  services: DeviceServices,
  trust: Trust,
  file: Uint8Array,
): Promise<ActivateResult> {
  return countRefusals(services, file, async (tellName) => {
    const parsed = parseLicenseFile(file);
    const license = verifyLicense(parsed.license, trust);
    tellName(license.claims.jti);
    return withDevice(services, async (device, before, moment) => {
      const nowSec = toNowSec(services);
      if (license.claims.cnf.jkt !== toThumbprint(device.key.publicKey))
        throw new LicenseError('LICENSE_DEVICE_MISMATCH');
      const state = activateFromFile(before, license.claims, nowSec);
      const rules = { seal: null, statusList: null, needs: [], isUse: false };
      const judgement = await judgeHere(services, { device, state, moment, license, ...rules });
      // The key document is tried now, not on the day when the model is needed.
      zeroize(await openKey(device, parsed, license));
      keepFile(services, license.claims.seal.id, file);
      return {
        state: { ...state, highWaterSec: judgement.nowSec },
        result: toActivated(license, judgement),
        entry: toUseEntry(license, 'activate', judgement.standing),
      };
    });
  });
}

/** What an entry has of a licence: its names, and digests of the signed text and of the sealed file's head. */
export function toUseEntry({ claims, text }: VerifiedLicense, action: string, outcome: string): DeviceEntry {
  const { jti: name, seq, seal } = claims;
  const head = findBase64Url(seal.sha256);
  return {
    subject: seal.id,
    digests: { license: toHex(sha256(utf8(text))), ...(head?.length === 32 ? { seal: toHex(head) } : {}) },
    detail: { action, outcome, name, seq },
  };
}

function toActivated({ claims }: VerifiedLicense, judgement: Judgement): ActivateResult {
  return { name: claims.jti, sealId: claims.seal.id, judgement };
}

/** Keeps a licence file where `open` finds it by the seal. */
export function keepFile(services: DeviceServices, sealId: string, file: Uint8Array): void {
  const path = toLicensePath(services, sealId);
  makeParent(services.storage, path);
  writeBytes(services.storage, { path, mode: 0o600, bytes: file });
}

export function toLicensePath({ deviceFolder }: Pick<DeviceServices, 'deviceFolder'>, sealId: string): string {
  return join(deviceFolder, 'licenses', `${sealId}.license.json`);
}

export interface CheckOptions {
  /** The licence file's bytes. */
  readonly file: Uint8Array;
  /** Compact JWS; null when there is none here. */
  readonly statusList: string | null;
  /** Entitlements that are asked for. */
  readonly needs: readonly string[];
}

export interface CheckResult {
  readonly name: string;
  readonly sealId: string;
  readonly licensee: string;
  readonly judgement: Judgement;
}

/** Judges a licence without opening anything. @throws LicenseError with the outcome's code */
export async function checkLicense(
  services: DeviceServices,
  trust: Trust,
  options: CheckOptions,
): Promise<CheckResult> {
  return countRefusals(services, options.file, async (tellName) => {
    const license = verifyLicense(parseLicenseFile(options.file).license, trust);
    tellName(license.claims.jti);
    return withDevice(services, async (device, state, moment) => {
      const rules = readRules(trust, options);
      const judgement = await judgeHere(services, { device, state, moment, license, seal: null, ...rules });
      const { jti: name, seal, sub: licensee } = license.claims;
      const result = { name, sealId: seal.id, licensee, judgement };
      return { state: noteJudged(state, license, judgement, rules.statusList), result };
    });
  });
}

interface Rules {
  readonly statusList: VerifiedStatusList | null;
  readonly needs: readonly string[];
  readonly isUse: boolean;
}

function readRules(trust: Trust, { statusList, needs }: Omit<CheckOptions, 'file'>): Rules {
  const list = statusList === null ? null : verifyStatusList(statusList, trust.keys);
  return { statusList: list, needs, isUse: true };
}

export interface UseOptions extends CheckOptions {
  /** Absolute path of the sealed file. */
  readonly path: string;
  /** What the ledger is told that the key is for: plain files, without it, or a session that answers. */
  readonly action?: 'open' | 'load';
}

export interface Licensed {
  readonly source: ByteSource;
  readonly header: SealHeader;
  /** 32 bytes; gone when the work is done. */
  readonly dek: Uint8Array;
  readonly judgement: Judgement;
}

/**
 * Opens a sealed file by licence, for the length of `work`; the key is wiped afterwards.
 * @throws LicenseError with the outcome's code; WorkflowError NOT_SEALED; SealError SEAL_AUTH_FAILED; what `work` throws
 */
export async function withLicensedKey<T>(
  services: DeviceServices,
  trust: Trust,
  options: UseOptions,
  work: (licensed: Licensed) => Promise<T>,
): Promise<T> {
  return countRefusals(services, options.file, async (tellName) => {
    const source = openFileSource(options.path);
    try {
      if (!isSeal(source)) throw new WorkflowError('NOT_SEALED', { fields: { file: source.label } });
      const parsed = parseLicenseFile(options.file);
      const license = verifyLicense(parsed.license, trust);
      tellName(license.claims.jti);
      const seal = readSealHeader(source);
      const { dek, judgement } = await releaseKey(services, trust, options, { seal, parsed, license });
      try {
        return await work({ source, header: seal.header, dek, judgement });
      } finally {
        zeroize(dek);
      }
    } finally {
      source.close();
    }
  });
}

/** Every rule first, the key second; without the entry in the ledger, and the record, the key is not handed out. */
async function releaseKey(
  services: DeviceServices,
  trust: Trust,
  options: UseOptions,
  {
    seal,
    parsed,
    license,
  }: { readonly seal: SealInfo; readonly parsed: LicenseFile; readonly license: VerifiedLicense },
): Promise<{ readonly dek: Uint8Array; readonly judgement: Judgement }> {
  const rules = readRules(trust, options);
  let dek: Uint8Array | undefined;
  try {
    return await withDevice(services, async (device, state, moment) => {
      const judgement = await judgeHere(services, { device, state, moment, license, seal, ...rules });
      dek = await openKey(device, parsed, license);
      return {
        state: noteJudged(state, license, judgement, rules.statusList),
        result: { dek, judgement },
        entry: toUseEntry(license, options.action ?? 'open', judgement.standing),
      };
    });
  } catch (error) {
    // It could not be recorded: no key without that.
    if (dek !== undefined) zeroize(dek);
    throw error;
  }
}

function openKey({ key }: Device, file: LicenseFile, { claims, text }: VerifiedLicense): Promise<Uint8Array> {
  const document: KeyDocument = file.keyDocument;
  return decryptKeyDocument({ document, key, license: text, digest: claims.dek_sha256 });
}

interface Here extends Rules {
  readonly device: Device;
  readonly state: DeviceState;
  readonly moment: Moment;
  readonly license: VerifiedLicense;
  readonly seal: SealInfo | null;
}

async function judgeHere(services: DeviceServices, here: Here): Promise<Judgement> {
  const { device, state, moment, license, seal } = here;
  return judgeLicense({
    license,
    nowSec: toNowSec(services),
    highWaterSec: moment.recordSec,
    floorSec: moment.floorSec,
    seenSec: [moment.ledgerSec],
    device: { jkt: toThumbprint(device.key.publicKey), assurance: device.key.assurance },
    machine: await device.machine.read(),
    record: findActive(state, license.claims),
    statusList: here.statusList,
    seal: seal === null ? null : { id: seal.header.sealId, headSha256: toHeadDigest(seal) },
    needs: here.needs,
    isUse: here.isUse,
  });
}

/** The time that was judged by has been seen now, and so has the status list. */
function noteJudged(
  state: DeviceState,
  { claims }: VerifiedLicense,
  { nowSec }: Judgement,
  statusList: VerifiedStatusList | null,
): DeviceState {
  const seen = { ...state, highWaterSec: Math.max(state.highWaterSec, nowSec) };
  const record = findRecord(state, claims);
  if (record === null || statusList === null || statusList.iatSec <= record.statusSec) return seen;
  return withRecord(seen, claims, { ...record, statusSec: statusList.iatSec });
}

export function toNowSec({ clock }: Pick<DeviceServices, 'clock'>): number {
  return Math.floor(clock.nowMs() / 1000);
}
