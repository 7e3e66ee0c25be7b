/** `modelward broker`: keys for attested machines. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'serve',
    summary: 'release keys to machines that prove themselves, until it is stopped',
    load: async () => (await import('./serve.ts')).defineBrokerServe,
  },
  {
    name: 'check',
    summary: 'read a broker policy, and print its digest and resources',
    load: async () => (await import('./check.ts')).defineBrokerCheck,
  },
  {
    name: 'releases',
    summary: 'list what the broker released and refused, from the ledger',
    load: async () => (await import('./releases.ts')).defineBrokerReleases,
  },
  {
    name: 'open',
    summary: 'inside a confidential VM: open a sealed model with a key from a broker',
    load: async () => (await import('./open.ts')).defineBrokerOpen,
  },
];

export function defineBroker(broker: Command, host: CommandHost): void {
  broker.description(
    'A key broker in the KBS protocol of Trustee: a machine proves with evidence of its hardware what it runs, and gets the key of a sealed model encrypted to a key that only it has. SEV-SNP, TDX and SGX; roots are compiled in, nothing is fetched, and no build accepts machines without hardware.',
  );
  addCommands(broker, COMMANDS, host);
}
