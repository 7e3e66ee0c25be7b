/** Options that several licence commands take, and the services that they work with. */
import { type Command, InvalidArgumentError } from 'commander';
import { LicenseError } from '../../../core/errors.ts';
import { LICENSE_LIMITS } from '../../../core/limits/license.ts';
import { DEFAULT_AUDIENCE, type Judgement, parseVendorKey, toIso } from '../../../license/index.ts';
import { decodeSignerKey } from '../../../sign/index.ts';
import type { Trust, VendorServices } from '../../../workflows/license/index.ts';
import type { CliContext } from '../../context.ts';
import { toDeviceServices, toVendorServices } from './compose.ts';
import { chooseRegister, type RegisterFlags } from './register-choice.ts';

export interface TrustFlags {
  readonly vendorKey?: string;
  readonly audience?: string;
}

export function addTrustOptions(command: Command): Command {
  return command
    .requiredOption('--vendor-key <file>', 'public key of the vendor, as "modelward keys show" prints it there')
    .option('--audience <name>', 'product that the licence must be for', DEFAULT_AUDIENCE);
}

/** @throws LicenseError LICENSE_VENDOR_KEY_MISSING; SignError SIGN_SIGNER_MALFORMED */
export function readTrust(context: CliContext, flags: TrustFlags): Trust {
  if (flags.vendorKey === undefined) throw new LicenseError('LICENSE_VENDOR_KEY_MISSING');
  const bytes = context.services.storage.read(context.toAbsolute(flags.vendorKey));
  return { keys: [parseVendorKey(decodeSignerKey(bytes))], audience: flags.audience ?? DEFAULT_AUDIENCE };
}

export interface DeviceFlags {
  readonly deviceId?: string;
}

export function addDeviceOptions(command: Command): Command {
  return command.option(
    '--device-id <name>',
    'name of this device instead of the parts of the machine: for containers; told in every result',
    toDeviceId,
  );
}

function toDeviceId(text: string): string {
  if (text.trim() === '' || text.length > LICENSE_LIMITS.textCharsMax) throw new InvalidArgumentError('Not a name.');
  return text;
}

export function openDeviceServices(context: CliContext, flags: DeviceFlags): ReturnType<typeof toDeviceServices> {
  return toDeviceServices(context.services, { deviceId: flags.deviceId ?? null });
}

export function openVendorServices(context: CliContext, flags: RegisterFlags = {}): VendorServices {
  return toVendorServices(context.services, () => chooseRegister(context, flags));
}

/** Takes "90", "90d", "48h", "10m", "30s"; days without a unit. Seconds. */
export function toDuration(text: string): number {
  const match = /^(\d{1,9})([dhms]?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Not a time such as 90d, 48h, 10m or 30s.');
  const unit = { d: 86_400, h: 3600, m: 60, s: 1 }[(match[2] || 'd') as 'd' | 'h' | 'm' | 's'];
  return Number(match[1]) * unit;
}

/** Lines about a judgement, for people. */
export function toJudgementPairs({ standing, untilSec, notes }: Judgement): [string, string][] {
  return [
    ['outcome', standing],
    ['until', Number.isFinite(untilSec) ? toIso(untilSec) : 'no end'],
    ...notes.map((note): [string, string] => ['note', NOTE_WORDS[note] ?? note]),
  ];
}

const NOTE_WORDS: Readonly<Record<string, string | undefined>> = {
  SOFTWARE_KEY: 'the device key is a file: who copies it has it',
  MACHINE_CHANGED: 'parts of the machine are not those of the enrolment',
  DEVICE_ID_GIVEN: 'the device goes by a name that was given to it',
};
