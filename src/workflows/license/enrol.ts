/** `license enrol`: what a device sends to the vendor, once; and its answer when he asks for a proof. */
import { join } from 'node:path';
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { LicenseError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import {
  encodeCertifiedFile,
  encodeEnrolment,
  type Enrolment,
  maskParts,
  parseEnrolment,
  readEnrolmentFile,
  signResponse,
  toEndorsementTexts,
  toThumbprint,
  type VendorKey,
  verifyChallenge,
} from '../../license/index.ts';
import { writeBytes } from '../write-bytes.ts';
import { writeFirstState } from './device.ts';
import { countRefusals } from './ledger.ts';
import type { Device, DeviceServices } from './services.ts';

export interface EnrolResult {
  /** The enrolment's bytes; nothing in them is secret, and no serial number can be read out of them. */
  readonly enrolment: Uint8Array;
  readonly jkt: string;
  readonly assurance: 'software' | 'tpm';
  /** Parts of the machine that could be read. */
  readonly parts: readonly string[];
  /** The TPM has a certificate of its maker: that the key is in it can be proven. */
  readonly isProvable: boolean;
}

/**
 * Makes an enrolment, and keeps a copy with the device: a challenge is answered for the last one.
 * @param device with the key that was just made, or that is there
 * @param options.isNew the key was just made
 */
export async function enrolDevice(
  services: DeviceServices,
  device: Device,
  { isNew }: { readonly isNew: boolean },
): Promise<EnrolResult> {
  const { publicKey: jwk, assurance } = device.key;
  const fpr = maskParts(await device.machine.read(), services.random);
  const tpm = await findEndorsement(device);
  const enrolment = encodeEnrolment({ v: 1, kind: 'modelward-license-enrolment', jwk, assurance, fpr, ...tpm });
  if (isNew) {
    const digests = { enrolment: toHex(sha256(enrolment)) };
    const detail = { action: 'enrol', outcome: assurance };
    await writeFirstState(services, device, { subject: toThumbprint(jwk), digests, detail });
  }
  writeBytes(services.storage, { path: toEnrolmentPath(services), mode: 0o600, bytes: enrolment });
  const isProvable = tpm.tpm !== undefined;
  return { enrolment, jkt: toThumbprint(jwk), assurance, parts: Object.keys(fpr.parts), isProvable };
}

async function findEndorsement({ prover }: Device): Promise<Pick<Enrolment, 'tpm'>> {
  const endorsement = (await prover?.describe()) ?? null;
  const tpm = endorsement === null ? undefined : toEndorsementTexts(endorsement);
  return tpm === undefined ? {} : { tpm };
}

function toEnrolmentPath({ deviceFolder }: Pick<DeviceServices, 'deviceFolder'>): string {
  return join(deviceFolder, 'enrolment.json');
}

/**
 * `license respond`: answers the vendor's challenge to the last enrolment, with what only the TPM of this device opens.
 * @param text the challenge, compact JWS
 * @returns compact JWS
 * @throws LicenseError LICENSE_ENROLMENT_MALFORMED | LICENSE_EK_MISSING | LICENSE_CREDENTIAL_REFUSED, those of `verifyChallenge`
 */
export async function respondToChallenge(
  services: DeviceServices,
  device: Device,
  { text, keys }: { readonly text: string; readonly keys: readonly VendorKey[] },
): Promise<string> {
  return countRefusals(services, utf8(text), async () => {
    const path = toEnrolmentPath(services);
    if (device.prover === undefined || !services.storage.exists(path)) throw new LicenseError('LICENSE_EK_MISSING');
    const enrolment = parseEnrolment(services.storage.read(path));
    const challenge = verifyChallenge(text, keys, enrolment);
    const secret = await device.prover.activate(challenge.credential);
    try {
      return signResponse(challenge, enrolment, secret);
    } finally {
      zeroize(secret);
    }
  });
}

/**
 * The file of a certified enrolment, once it is seen to be the vendor's word about the last enrolment of this device.
 * @param text compact JWS
 * @throws LicenseError LICENSE_CHALLENGE_OTHER, and those of `readEnrolmentFile`
 */
export function takeCertified(
  services: Pick<DeviceServices, 'deviceFolder' | 'storage'>,
  { text, keys }: { readonly text: string; readonly keys: readonly VendorKey[] },
): Uint8Array {
  const file = encodeCertifiedFile(text);
  const own = services.storage.read(toEnrolmentPath(services));
  if (Buffer.compare(encodeEnrolment(readEnrolmentFile(file, keys).enrolment), own) !== 0) {
    throw new LicenseError('LICENSE_CHALLENGE_OTHER');
  }
  return file;
}
