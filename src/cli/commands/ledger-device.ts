/** `--device` of the ledger commands: the ledger that a device with licences keeps, instead of the owner's. */
import type { Command } from 'commander';
import type { LedgerKeeper } from '../../workflows/ledger.ts';
import type { Services } from '../../workflows/services.ts';
import type { CliContext } from '../context.ts';

export interface DeviceLedgerFlags {
  readonly device?: true | string;
}

export function addDeviceOption(command: Command): Command {
  return command.option('--device [dir]', 'the ledger of the device in this home, or in the folder of a product');
}

/** Services whose ledger is the one that is meant. */
export async function toLedgerServices(context: CliContext, flags: DeviceLedgerFlags): Promise<Services> {
  const { services } = context;
  const device = await findDeviceServices(context, flags);
  if (device === undefined) return services;
  const { toDeviceLedgerFolder } = await import('../../workflows/license/index.ts');
  return { ...services, home: { ...services.home, ledgerFolder: toDeviceLedgerFolder(device) } };
}

/** Undefined for the owner's ledger; null where the key of the device is not at hand. */
export async function findKeeper(
  context: CliContext,
  flags: DeviceLedgerFlags,
): Promise<LedgerKeeper | null | undefined> {
  const device = await findDeviceServices(context, flags);
  if (device === undefined) return undefined;
  const { findLedgerKeeper } = await import('../../workflows/license/index.ts');
  return findLedgerKeeper(device);
}

async function findDeviceServices(context: CliContext, { device }: DeviceLedgerFlags) {
  if (device === undefined) return undefined;
  const { toDeviceServices } = await import('./license/compose.ts');
  const folder = device === true ? undefined : context.toAbsolute(device);
  return toDeviceServices(context.services, { deviceId: null, folder });
}
