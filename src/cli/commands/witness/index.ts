/** `modelward witness`: cosigns the checkpoints of ledgers of others. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'init',
    summary: 'make a witness with a key of its own',
    load: async () => (await import('./manage.ts')).defineWitnessInit,
  },
  {
    name: 'add-log',
    summary: 'let the witness take the checkpoints of a ledger',
    load: async () => (await import('./manage.ts')).defineWitnessAddLog,
  },
  {
    name: 'show',
    summary: 'print the key of the witness, and what it cosigned last of each ledger',
    load: async () => (await import('./manage.ts')).defineWitnessShow,
  },
  {
    name: 'serve',
    summary: 'cosign checkpoints that only add to what was seen, until it is stopped',
    load: async () => (await import('./serve.ts')).defineWitnessServe,
  },
];

export function defineWitness(witness: Command, host: CommandHost): void {
  witness.description(
    'A witness (c2sp.org/tlog-witness) states that a ledger only grew since it saw it first: its cosignature keeps an owner from showing different histories to different people. It is worth as much as it is not run by the owner of the ledger. It sees sizes and root hashes, and no entries.',
  );
  addCommands(witness, COMMANDS, host);
}
