/** `modelward log`: the log of requests that a gateway answered. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'verify',
    summary: 'recompute rows, chains and checkpoints, and hold them against the ledger',
    load: async () => (await import('./verify.ts')).defineVerify,
  },
  {
    name: 'query',
    summary: 'print the requests of a key, model, time or input',
    load: async () => (await import('./query.ts')).defineQuery,
  },
  {
    name: 'export',
    summary: 'write requests into a file, one JSON object a line',
    load: async () => (await import('./query.ts')).defineExport,
  },
  {
    name: 'prove',
    summary: 'write a proof that a request and its answer are in the log, for outsiders',
    load: async () => (await import('./prove.ts')).defineProve,
  },
  {
    name: 'retain',
    summary: 'drop the rows of old days',
    load: async () => (await import('./retain.ts')).defineRetain,
  },
  {
    name: 'key',
    summary: "print the gateway's public key, by which proofs and signed answers are checked",
    load: async () => (await import('./key.ts')).defineKey,
  },
];

export function defineLog(command: Command, host: CommandHost): void {
  command.description(
    'What a gateway keeps of each request: who asked which model, hashes of what came and what was answered, and never the input itself. Rows are chained and covered by signed checkpoints, which the ledger has.',
  );
  addCommands(command, COMMANDS, host);
}
