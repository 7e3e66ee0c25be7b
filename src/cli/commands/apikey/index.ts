/** `modelward apikey`: keys by which customers ask the gateway. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'create',
    summary: 'draw a key, with its scopes, limits and what it may see of answers',
    load: async () => (await import('./create.ts')).defineCreate,
  },
  {
    name: 'list',
    summary: 'the keys that were made, and when they were used last',
    load: async () => (await import('./show.ts')).defineList,
  },
  {
    name: 'show',
    summary: 'print the terms of a key, and what it used of its budgets',
    load: async () => (await import('./show.ts')).defineShow,
  },
  {
    name: 'rotate',
    summary: 'draw a second secret for a key; the first one ends after an overlap',
    load: async () => (await import('./change.ts')).defineRotate,
  },
  {
    name: 'revoke',
    summary: 'end a key for good, on every machine within a second',
    load: async () => (await import('./change.ts')).defineRevoke,
  },
];

export function defineApiKey(command: Command, host: CommandHost): void {
  command.description(
    'Keys by which customers ask the gateway: scopes, limits, networks, and what a key may see of answers. What is kept is a hash; the key itself goes into a file that only you can read, once.',
  );
  addCommands(command, COMMANDS, host);
}
