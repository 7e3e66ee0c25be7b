/** A device with licences, as a product embeds it: enrolled once, activated, then sealed models load straight into the runtime. */
import { join, resolve } from 'node:path';
import type { ErrorCode } from '../core/errors.ts';
import { utf8 } from '../core/bytes.ts';
import { DEFAULT_AUDIENCE, type LicenseAction, parseVendorKey } from '../license/index.ts';
import { readSealHeader } from '../seal/index.ts';
import { decodeSignerKey } from '../sign/index.ts';
import { openFileSource } from '../source/index.ts';
import { toDefaultHome } from '../workflows/home.ts';
import {
  acceptAnswer,
  activateLicense,
  type ActivateResult,
  askVendor,
  checkLicense,
  type CheckResult,
  enrolDevice,
  type EnrolResult,
  holdSeat,
  type LicensedSession,
  loadLicensed,
  makeRequest,
  type Seat,
  type TakenAnswer,
  toLicensePath,
  type Trust,
} from '../workflows/license/index.ts';
import { askServer, composeDevice, type EnrollingServices, listExposures, openRunner, systemPorts } from './compose.ts';

export interface DeviceOptions {
  /**
   * Public keys of the vendor, as `modelward keys show` prints them: the one in use, and the next. They are compiled into the
   * product; a key out of a file that its user can change makes every licence worthless.
   */
  readonly vendorKeys: readonly string[];
  /** Product that licences must be for. */
  readonly audience?: string;
  /**
   * Folder of this device's key, record, ledger and licences; without it, that of the command `modelward`. What cannot be written
   * into the ledger there gives no key.
   */
  readonly folder?: string;
  /** Name of this device instead of the parts of the machine, for containers. */
  readonly deviceId?: string;
  /** Told once, before secrets come into memory, by which ways they could reach a disk; not called when there is none. */
  readonly onExposed?: (ways: readonly string[]) => void;
}

export interface CheckOptions {
  /** Entitlements that are asked for. */
  readonly needs?: readonly string[];
  /** The vendor's status list, compact JWS; licences that demand one are refused without it. */
  readonly statusList?: string;
}

export interface LoadOptions extends CheckOptions {
  /** The licence file's bytes; without them, the one that was activated for this seal. */
  readonly license?: Uint8Array;
  /** Where the weights are: in a child process, which ends with the session; or in this one, whose memory keeps fragments. */
  readonly where?: 'child' | 'here';
}

export interface AskOptions {
  /** Address of the licence server, https. */
  readonly server: string;
  readonly license: Uint8Array;
  /** Authorities to trust instead of those of the system, PEM. */
  readonly caPem?: string;
}

export interface SeatHolding extends AskOptions {
  /** Told the code of a renewal that failed; `isLost`: the vendor refused, and it is not tried again. */
  readonly onTrouble?: (code: ErrorCode | 'UNKNOWN', isLost: boolean) => void;
}

/** Everything that is refused is a `LicenseError` with the code of the outcome ([list](docs/errors.md)). */
export interface LicensedDevice {
  /** Makes the key of this device when it has none, and the enrolment for the vendor. `tpm`: true for the system's, or its address. */
  enrol(options?: { readonly tpm?: boolean | string }): Promise<EnrolResult>;
  /** Takes a licence into use. */
  activate(license: Uint8Array): Promise<ActivateResult>;
  /** Judges a licence without opening anything. */
  check(license: Uint8Array, options?: CheckOptions): Promise<CheckResult>;
  /** Loads a sealed ONNX model straight into the runtime: no plaintext reaches a file. The caller releases the session. */
  load(path: string, options?: LoadOptions): Promise<LicensedSession>;
  /** A request for the vendor, compact JWS, that is carried by hand. */
  request(license: Uint8Array, action: LicenseAction): Promise<string>;
  /** Takes the answer to the last request; a renewed licence is kept, and returned. */
  accept(license: Uint8Array, answer: string): Promise<TakenAnswer>;
  /** Asks the licence server. */
  sync(action: LicenseAction, options: AskOptions): Promise<TakenAnswer>;
  /** Holds a seat of the pool until it is released; it is renewed when a third of its lease is over. */
  holdSeat(options: SeatHolding): Promise<Seat>;
}

/**
 * @throws SignError SIGN_SIGNER_MALFORMED for a key that is none
 * @example
 * const device = openDevice({ vendorKeys: [VENDOR_KEY], audience: 'acme-vision' });
 * const session = await device.load('/opt/acme/model.seal', { needs: ['vision'] });
 * const answers = await session.run(new Map([['x', { dtype: 'f32', shape: [1, 4], data }]]));
 * await session.release();
 */
export function openDevice(options: DeviceOptions): LicensedDevice {
  const trust = toTrust(options);
  const services = toServices(options);
  const toAsk = ({ server, caPem }: AskOptions) => {
    const ca = caPem === undefined ? null : utf8(caPem);
    return (action: LicenseAction, request: string) => askServer({ server, action, request, caPem: ca });
  };
  return {
    enrol: ({ tpm = false } = {}) => enrol(services, tpm),
    activate: (license) => activateLicense(services, trust, license),
    check: (file, asked = {}) => checkLicense(services, trust, { file, ...toRules(asked) }),
    load: (path, asked = {}) => load(services, trust, path, asked),
    request: (file, action) => makeRequest(services, trust, { file, action, isFile: true }),
    accept: (file, text) => acceptAnswer(services, trust, { file, text }),
    sync: (action, asked) => askVendor(services, trust, { file: asked.license, action, ask: toAsk(asked) }),
    holdSeat: (asked) => {
      const { license: file, onTrouble = () => undefined } = asked;
      return holdSeat(services, trust, { file, ask: toAsk(asked), pause: systemPorts.pause, onTrouble });
    },
  };
}

function toTrust({ vendorKeys, audience = DEFAULT_AUDIENCE }: DeviceOptions): Trust {
  return { keys: vendorKeys.map((text) => parseVendorKey(decodeSignerKey(utf8(text)))), audience };
}

function toServices({ folder, deviceId, onExposed }: DeviceOptions): EnrollingServices {
  let isTold = onExposed === undefined;
  const onSecrets = (): void => {
    if (isTold) return;
    isTold = true;
    const ways = listExposures();
    if (ways.length > 0) onExposed?.(ways);
  };
  const home = resolve(folder ?? join(toDefaultHome(process.env, process.platform), 'device'));
  return composeDevice({ ...systemPorts, folder: home, deviceId: deviceId ?? null, onSecrets });
}

function toRules({ needs = [], statusList }: CheckOptions): {
  readonly needs: readonly string[];
  readonly statusList: string | null;
} {
  return { needs, statusList: statusList ?? null };
}

async function enrol(services: EnrollingServices, tpm: boolean | string): Promise<EnrolResult> {
  const choice = tpm === false ? null : { address: tpm === true ? null : tpm };
  const { device, isNew } = await services.enrolDevice(choice);
  try {
    return await enrolDevice(services, device, { isNew });
  } finally {
    await device.close();
  }
}

async function load(
  services: EnrollingServices,
  trust: Trust,
  given: string,
  { license, where = 'child', ...asked }: LoadOptions,
): Promise<LicensedSession> {
  // The child has an empty working folder of its own.
  const path = resolve(given);
  const runner = await openRunner(where);
  const file = license ?? services.storage.read(toLicensePath(services, readSealId(path)));
  return loadLicensed({ ...services, openSealedRunner: () => runner }, trust, { path, file, ...toRules(asked) });
}

function readSealId(path: string): string {
  const source = openFileSource(path);
  try {
    return readSealHeader(source).header.sealId;
  } finally {
    source.close();
  }
}
