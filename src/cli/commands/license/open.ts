/** `modelward open --license` and `run --license`: a sealed model on a device, by licence. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
import type { loadLicensed } from '../../../workflows/license/index.ts';
import type { CliContext } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

export interface LicensedFlags {
  readonly license?: string;
  readonly vendorKey?: string;
  readonly audience?: string;
  readonly statusList?: string;
  readonly need?: readonly string[];
  readonly deviceId?: string;
  readonly out?: string;
  readonly force?: boolean;
}

export function addLicensedOptions(command: Command): Command {
  return command
    .option('--license <file>', 'on a device: open by this licence instead of the owner')
    .option('--vendor-key <file>', 'with --license: public key of the vendor')
    .option('--audience <name>', 'with --license: product that the licence must be for (default: modelward)')
    .option('--status-list <file>', "with --license: the vendor's signed status list")
    .option('--need <entitlement...>', 'with --license: entitlements that it must include')
    .option('--device-id <name>', 'with --license: name of this device instead of the parts of the machine');
}

const LICENSED = ['vendorKey', 'audience', 'statusList', 'need', 'deviceId'] as const;

/** Words of a licence without one would say nothing. @throws CliError CLI_USAGE */
export function assertLicensed(flags: LicensedFlags, others: Readonly<Record<string, unknown>>): void {
  const given = LICENSED.find((name) => flags[name] !== undefined);
  if (flags.license === undefined && given !== undefined) {
    throw new CliError('CLI_USAGE', { message: `${toFlag(given)} goes with --license.` });
  }
  const other = Object.keys(others).find((name) => others[name] !== undefined);
  if (flags.license !== undefined && other !== undefined) {
    throw new CliError('CLI_USAGE', { message: `--license opens without a home: ${toFlag(other)} is of no use.` });
  }
}

function toFlag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What the device needs to open a sealed file by licence; nothing of a home but the device's folder is used. */
async function readLicensed(context: CliContext, flags: LicensedFlags) {
  const [{ openDeviceServices, readTrust }, { toText }] = await Promise.all([
    import('./flags.ts'),
    import('./device.ts'),
  ]);
  const services = openDeviceServices(context, flags);
  const read = (path: string): Uint8Array => services.storage.read(context.toAbsolute(path));
  const statusList = flags.statusList === undefined ? null : toText(read(flags.statusList));
  const license = { file: read(flags.license!), statusList, needs: flags.need ?? [] };
  return { services, trust: readTrust(context, flags), license };
}

/** Loads for running: the plaintext is in the child process alone. */
export async function loadByLicense(
  context: CliContext,
  flags: LicensedFlags,
  path: string,
): ReturnType<typeof loadLicensed> {
  const { loadLicensed: load } = await import('../../../workflows/license/index.ts');
  const { services, trust, license } = await readLicensed(context, flags);
  return load(services, trust, { ...license, path });
}

/** Opens into plain files, without an owner. */
export async function openByLicense(context: CliContext, flags: LicensedFlags, sealed: string): Promise<ExitCode> {
  const [{ openLicensed }, { toJudgementPairs }] = await Promise.all([
    import('../../../workflows/license/index.ts'),
    import('./flags.ts'),
  ]);
  const { services, trust, license } = await readLicensed(context, flags);
  const path = context.toAbsolute(sealed);
  const out = context.toAbsolute(flags.out ?? `${parse(path).name}.opened`);
  const options = { ...license, path, out, force: flags.force ?? false };
  const { judgement, ...result } = await openLicensed(services, trust, options);
  context.ui.result({ ...result, judgement }, ({ style }) =>
    toPairs(
      [
        ...result.files.map((file): [string, string] => ['opened', `${file.path} (${toByteText(file.sizeBytes)})`]),
        ['seal', result.sealId],
        ...toJudgementPairs(judgement),
      ],
      style,
    ),
  );
  return EXIT.ok;
}
