/** `license enrol`: what a device sends to the vendor, once. */
import { encodeEnrolment, maskParts, toThumbprint } from '../../license/index.ts';
import { writeFirstState } from './device.ts';
import type { Device, DeviceServices } from './services.ts';

export interface EnrolResult {
  /** The enrolment's bytes; nothing in them is secret, and no serial number can be read out of them. */
  readonly enrolment: Uint8Array;
  readonly jkt: string;
  readonly assurance: 'software' | 'tpm';
  /** Parts of the machine that could be read. */
  readonly parts: readonly string[];
}

/**
 * @param device with the key that was just made, or that is there
 * @param options.isNew the key was just made
 */
export async function enrolDevice(
  services: DeviceServices,
  device: Device,
  { isNew }: { readonly isNew: boolean },
): Promise<EnrolResult> {
  if (isNew) await writeFirstState(services, device);
  const { publicKey: jwk, assurance } = device.key;
  const fpr = maskParts(await device.machine.read(), services.random);
  const enrolment = encodeEnrolment({ v: 1, kind: 'modelward-license-enrolment', jwk, assurance, fpr });
  return { enrolment, jkt: toThumbprint(jwk), assurance, parts: Object.keys(fpr.parts) };
}
