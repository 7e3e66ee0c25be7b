/** The device's half of a conversation with its vendor: a request, and the answer to it, as texts for a file or a network. */
import { utf8 } from '../../core/bytes.ts';
import { type ErrorCode, ERRORS, LicenseError } from '../../core/errors.ts';
import {
  type DeviceState,
  drawNonce,
  encodeLicenseFile,
  type LicenseAction,
  type LicenseAnswer,
  notePending,
  parseLicenseFile,
  signRequest,
  takeAnswer,
  toThumbprint,
  type VerifiedLicense,
  verifyAnswer,
  verifyLicense,
} from '../../license/index.ts';
import { type DeviceWork, withDevice } from './device.ts';
import { countRefusals } from './ledger.ts';
import type { Device, DeviceServices } from './services.ts';
import { keepFile, toNowSec, toUseEntry, type Trust } from './use.ts';

export interface RequestOptions {
  /** The licence file's bytes. */
  readonly file: Uint8Array;
  readonly action: LicenseAction;
  /** True for a request that is carried by hand. */
  readonly isFile: boolean;
  /** `takeover`: thumbprint of the device whose seat is taken. */
  readonly from?: string | undefined;
  /** Begins a new record of licences, when the old one is lost; all licences then need an answer. */
  readonly isReset?: boolean;
}

/**
 * Makes a request, and remembers its number.
 * @returns compact JWS
 * @throws LicenseError LICENSE_DEVICE_MISMATCH, those of the licence and of the device's record
 */
export async function makeRequest(services: DeviceServices, trust: Trust, options: RequestOptions): Promise<string> {
  return countRefusals(services, options.file, async (tellName) => {
    const license = verifyLicense(parseLicenseFile(options.file).license, trust);
    tellName(license.claims.jti);
    const isReset = options.isReset ?? false;
    return withDevice(services, (device, state) => signAsked(services, license, options, { device, state }), {
      isReset,
    });
  });
}

async function signAsked(
  services: DeviceServices,
  license: VerifiedLicense,
  { action, isFile, from, isReset = false }: RequestOptions,
  { device, state }: { readonly device: Device; readonly state: DeviceState },
): Promise<DeviceWork<string>> {
  const { claims } = license;
  if (claims.cnf.jkt !== toThumbprint(device.key.publicKey)) throw new LicenseError('LICENSE_DEVICE_MISMATCH');
  const nowSec = toNowSec(services);
  const nonce = drawNonce(services.random);
  const isTimed = device.clock !== undefined;
  const request = {
    ...{ aud: claims.iss, act: action, lic: claims.jti, iat: nowSec, jti: nonce, file: isFile },
    ...(from === undefined ? {} : { from }),
  };
  const result = await signRequest(device.key, claims.agr, request);
  const next = notePending(state, claims, { nonce, nowSec, act: action, isTimed });
  // A request changes nothing here that would have to be told, but for a seat that is gone and a record that begins anew.
  if (!isReset && action !== 'release') return { state: next, result };
  const outcome = isReset ? 'RECORD_BEGUN' : 'SEAT_GIVEN_BACK';
  return { state: next, result, entry: toUseEntry(license, `request-${action}`, outcome) };
}

export interface TakenAnswer {
  readonly result: 'OK';
  readonly standing: 'valid' | 'suspended';
  /** Until when the seat is the device's, seconds; null without one. */
  readonly leaseEndSec: number | null;
  /** The newest licence file, when the answer brought one. */
  readonly file: Uint8Array | null;
}

/**
 * Takes an answer: contact, seat and renewal go into the device's record. A refusal goes there too, and is thrown.
 * @param text compact JWS
 * @throws LicenseError LICENSE_ANSWER_OTHER | LICENSE_ANSWER_UNASKED | LICENSE_ANSWER_REPLAYED, those of a signed document, and
 *   the code of the vendor's refusal
 */
export async function acceptAnswer(
  services: DeviceServices,
  trust: Trust,
  { file, text }: { readonly file: Uint8Array; readonly text: string },
): Promise<TakenAnswer> {
  return countRefusals(services, file, async (tellName) => {
    const license = verifyLicense(parseLicenseFile(file).license, trust);
    tellName(license.claims.jti);
    const { answer, newFile } = await withDevice(services, (device, state) =>
      Promise.resolve(take(services, trust, { license, text }, { device, state })),
    );
    if (answer.result !== 'OK') throw toRefusal(answer.result);
    const leaseEndSec = answer.lease?.exp ?? null;
    return { result: 'OK', standing: answer.standing === 'valid' ? 'valid' : 'suspended', leaseEndSec, file: newFile };
  });
}

interface Taken {
  readonly answer: LicenseAnswer;
  readonly newFile: Uint8Array | null;
}

function take(
  services: DeviceServices,
  trust: Trust,
  { license, text }: { readonly license: VerifiedLicense; readonly text: string },
  { device, state }: { readonly device: Device; readonly state: DeviceState },
): DeviceWork<Taken> {
  const jkt = toThumbprint(device.key.publicKey);
  const answer = verifyAnswer(text, { keys: trust.keys, jkt, license: license.claims.jti });
  const renewed = answer.license === undefined ? null : readRenewed(trust, license, answer.license);
  const next = takeAnswer(state, (renewed ?? license).claims, answer);
  const newFile = toRenewedFile(renewed, answer);
  // Before the record, which then refuses the older licence: whoever is killed in between takes the answer again.
  if (newFile !== null) keepFile(services, license.claims.seal.id, newFile);
  const entry = toUseEntry(renewed ?? license, `answer-${answer.act}`, answer.result);
  return { state: next, result: { answer, newFile }, entry };
}

function toRenewedFile(renewed: VerifiedLicense | null, { result, key }: LicenseAnswer): Uint8Array | null {
  if (renewed === null || key === undefined || result !== 'OK') return null;
  return encodeLicenseFile({ license: renewed.text, keyDocument: key });
}

/** A licence in an answer is verified as any other, and must be for the same device and seal. */
function readRenewed(trust: Trust, old: VerifiedLicense, text: string): VerifiedLicense {
  const renewed = verifyLicense(text, trust);
  const [now, before] = [renewed.claims, old.claims];
  const isSame = now.iss === before.iss && now.jti === before.jti && now.cnf.jkt === before.cnf.jkt;
  if (!isSame || now.seal.id !== before.seal.id) throw new LicenseError('LICENSE_ANSWER_OTHER');
  return renewed;
}

/** The vendor's refusal under its own code; codes of newer vendors are told as what they are: no permission. */
function toRefusal(result: string): LicenseError {
  const code = Object.hasOwn(ERRORS, result) ? (result as ErrorCode) : 'LICENSE_REVOKED';
  return new LicenseError(code, { fields: { by: 'vendor' } });
}

/** The text of a request or answer file: the JWS and a line feed. */
export function toTextFile(text: string): Uint8Array {
  return utf8(`${text}\n`);
}
