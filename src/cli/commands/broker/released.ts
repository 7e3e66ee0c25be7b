/** Options of the commands that get a key from a broker, inside a confidential VM or an enclave. */
import { type Command, Option } from 'commander';
import { CliError } from '../../../core/errors.ts';
import type { FetchSealKeyOptions, GuestTee } from '../../../workflows/broker/index.ts';
import { openBrokerLink, openReportSource } from '../../compose.ts';
import type { CliContext } from '../../context.ts';

export interface ReleasedFlags {
  readonly broker: string;
  readonly resource: string;
  readonly tee: GuestTee;
  readonly ca?: string;
}

const TEES: readonly GuestTee[] = ['snp', 'tdx', 'sgx'];

/** @param condition put before each description where the options are no must, such as "with --broker: " */
export function addReleasedOptions(command: Command, condition?: string): Command {
  const isMust = condition === undefined;
  const words = condition ?? '';
  const add = (flags: string, description: string): Option => {
    const option = new Option(flags, description).makeOptionMandatory(isMust);
    command.addOption(option);
    return option;
  };
  add(
    '--broker <url>',
    isMust ? 'origin of the broker, https' : 'inside an attested machine: key from this broker, https',
  );
  add('--resource <name>', `${words}REPOSITORY/TYPE/TAG of the key`);
  add('--tee <kind>', `${words}what this machine is; sgx is an enclave under Gramine`).choices(TEES);
  return command.option('--ca <file>', `${words}its authority, PEM (default: those of the system)`);
}

/** The flags, when a broker was named. @throws CliError CLI_USAGE for parts of them */
export function findReleasedFlags(flags: Partial<ReleasedFlags>): ReleasedFlags | undefined {
  const { broker, resource, tee, ca } = flags;
  if (broker !== undefined && resource !== undefined && tee !== undefined) {
    return { broker, resource, tee, ...(ca === undefined ? {} : { ca }) };
  }
  if ([broker, resource, tee, ca].every((flag) => flag === undefined)) return undefined;
  throw new CliError('CLI_USAGE', { message: '--broker, --resource and --tee go together; --ca goes with them.' });
}

/** What could carry the key to a disk is told before it is asked for. @throws BrokerError BROKER_UNREACHABLE; SourceError */
export async function toReleasedOptions(context: CliContext, flags: ReleasedFlags): Promise<FetchSealKeyOptions> {
  const { broker, resource, tee, ca } = flags;
  const caPem = ca === undefined ? undefined : context.services.storage.read(context.toAbsolute(ca));
  context.services.onSecrets();
  const link = await openBrokerLink({ url: broker, caPem });
  return { link, source: await openReportSource(), tee, resource };
}
