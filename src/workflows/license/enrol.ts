/** `license enrol`: what a device sends to the vendor, once. */
import { encodeEnrolment, maskParts, toThumbprint } from '../../license/index.ts';
import type { Device, DeviceServices } from './services.ts';

export interface EnrolResult {
  /** The enrolment's bytes; nothing in them is secret, and no serial number can be read out of them. */
  readonly enrolment: Uint8Array;
  readonly jkt: string;
  readonly assurance: 'software' | 'tpm';
  /** Parts of the machine that could be read. */
  readonly parts: readonly string[];
}

/** @param device with the key that was just made, or that is there */
export async function enrolDevice({ random }: Pick<DeviceServices, 'random'>, device: Device): Promise<EnrolResult> {
  const { publicKey: jwk, assurance } = device.key;
  const fpr = maskParts(await device.machine.read(), random);
  const enrolment = encodeEnrolment({ v: 1, kind: 'modelward-license-enrolment', jwk, assurance, fpr });
  return { enrolment, jkt: toThumbprint(jwk), assurance, parts: Object.keys(fpr.parts) };
}
