/** `modelward tls`: certificates for the gateway. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'init',
    summary: 'make an authority for the given names alone, and certificates of a server and its clients',
    load: async () => (await import('./init.ts')).defineTlsInit,
  },
  {
    name: 'status',
    summary: 'until when the certificates of a file hold',
    load: async () => (await import('./status.ts')).defineTlsStatus,
  },
];

export function defineTls(tls: Command, host: CommandHost): void {
  tls.description(
    'Certificates to begin with, so that no prediction is served in plaintext: an authority of your own that can vouch for your names and for nothing else, whose key is thrown away. Nothing is put into a store of the system: clients are given ca.pem.',
  );
  addCommands(tls, COMMANDS, host);
}
