/** `modelward open --license`: a sealed model decrypted on a device, by licence. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT, type ExitCode } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
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

/** Opens without an owner: nothing of a home but the device's folder is used. */
export async function openByLicense(context: CliContext, flags: LicensedFlags, sealed: string): Promise<ExitCode> {
  const [{ openLicensed }, { openDeviceServices, readTrust, toJudgementPairs }, { toText }] = await Promise.all([
    import('../../../workflows/license/index.ts'),
    import('./flags.ts'),
    import('./device.ts'),
  ]);
  const services = openDeviceServices(context, flags);
  const read = (path: string): Uint8Array => services.storage.read(context.toAbsolute(path));
  const path = context.toAbsolute(sealed);
  const { judgement, ...result } = await openLicensed(services, readTrust(context, flags), {
    path,
    out: context.toAbsolute(flags.out ?? `${parse(path).name}.opened`),
    force: flags.force ?? false,
    file: read(flags.license!),
    statusList: flags.statusList === undefined ? null : toText(read(flags.statusList)),
    needs: flags.need ?? [],
  });
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
