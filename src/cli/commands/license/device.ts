/** What is done on the device with a licence: activate, check. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { activateLicense, checkLicense } from '../../../workflows/license/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import {
  addDeviceOptions,
  addTrustOptions,
  type DeviceFlags,
  openDeviceServices,
  readTrust,
  toJudgementPairs,
  type TrustFlags,
} from './flags.ts';

export function defineActivate(command: Command, host: CommandHost): void {
  addDeviceOptions(
    addTrustOptions(
      command
        .description(
          'Verifies a licence against the pinned key of the vendor, tries it on this device, and keeps it for "modelward open --license".',
        )
        .argument('<license>', 'licence file'),
    ),
  );
  addExamples(command, [
    { command: 'modelward license activate acme.license.json --vendor-key vendor.pem', summary: 'once per licence' },
  ]);
  onAction<DeviceFlags & TrustFlags>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, flags);
    const file = services.storage.read(context.toAbsolute(words[0]));
    const result = await activateLicense(services, readTrust(context, flags), file);
    context.ui.result(result, ({ style }) =>
      toPairs([['licence', result.name], ['seal', result.sealId], ...toJudgementPairs(result.judgement)], style),
    );
    return EXIT.ok;
  });
}

interface CheckFlags extends DeviceFlags, TrustFlags {
  readonly statusList?: string;
  readonly need?: readonly string[];
}

export function defineCheck(command: Command, host: CommandHost): void {
  addDeviceOptions(
    addTrustOptions(
      command
        .description(
          'Judges a licence on this device without opening anything. A refusal has its own code and exit code 5; a licence that may be used says how long, and whether something is due.',
        )
        .argument('<license>', 'licence file'),
    ),
  )
    .option('--status-list <file>', "the vendor's signed status list")
    .option('--need <entitlement...>', 'entitlements that the licence must include');
  addExamples(command, [
    { command: 'modelward license check acme.license.json --vendor-key vendor.pem', summary: 'without a network' },
  ]);
  onAction<CheckFlags>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, flags);
    const read = (path: string): Uint8Array => services.storage.read(context.toAbsolute(path));
    const statusList = flags.statusList === undefined ? null : toText(read(flags.statusList));
    const options = { file: read(words[0]), statusList, needs: flags.need ?? [] };
    const result = await checkLicense(services, readTrust(context, flags), options);
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ['licence', result.name],
          ['licensee', result.licensee],
          ['seal', result.sealId],
          ...toJudgementPairs(result.judgement),
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

/** A signed text in a file, without the line end. */
export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').trimEnd();
}
