/** `modelward recipients`: who got which copy. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'list',
    summary: 'everybody who was given a copy that names them',
    load: async () => (await import('./list.ts')).defineList,
  },
  {
    name: 'show',
    summary: 'one recipient: the copy, what names it, and where it was recorded',
    load: async () => (await import('./show.ts')).defineShow,
  },
  {
    name: 'verify',
    summary: 'whose copy a suspect is, for a judge with a disclosed seed',
    load: async () => (await import('./verify.ts')).defineVerify,
  },
];

export function defineRecipients(recipients: Command, host: CommandHost): void {
  recipients.description(
    'Copies made with "protect --recipient ID" or "embed --recipient ID" name who got them: by the order of their neurons, which costs nothing, and by a payload in the weights. IDs stay in this home; the ledger has salted commitments. "detect" names the recipient of a leaked copy by itself.',
  );
  addCommands(recipients, COMMANDS, host);
}
