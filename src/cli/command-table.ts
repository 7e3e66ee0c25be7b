/**
 * Commands by name and one line each. What a command takes and does is defined by a module of its own, which is loaded
 * when the command is used: a start pays for its own command alone, and help, completion and "did you mean" know all.
 */
import type { Command } from 'commander';
import type { CommandHost } from './context.ts';
import { toUnknownCommand } from './ui/usage.ts';

/** Adds description, arguments, options, examples and work to a command that has its name and summary. */
export type DefineCommand = (command: Command, host: CommandHost) => void;

export interface CommandRow {
  readonly name: string;
  readonly summary: string;
  /** Heading in the help of the parent; rows of a group stand together. */
  readonly group?: string;
  readonly load: () => Promise<DefineCommand>;
}

/** What is still to be done for commands that are known by name only. */
const pending = new WeakMap<Command, () => Promise<void>>();

/** Adds the commands of a table, each to be defined when it is used, and a "help" that does the same. */
export function addCommands(parent: Command, rows: readonly CommandRow[], host: CommandHost): void {
  for (const { name, summary, group, load } of rows) {
    const command = parent.command(name).summary(summary);
    if (group !== undefined) command.helpGroup(group);
    pending.set(command, async () => {
      (await load())(command, host);
    });
  }
  parent.hook('preSubcommand', (_parent, command) => define(command));
  // Help was asked for, but of what? Commander would show the help of the parent.
  parent.on('beforeHelp', () => {
    const word = parent.args.at(0);
    const isKnown = word === undefined || word.startsWith('-') || parent.commands.some((one) => one.name() === word);
    if (!isKnown) throw toUnknownCommand(word, parent);
  });
  // The built-in one would show commands as they are before they are defined.
  parent.helpCommand(false);
  parent
    .command('help', { hidden: true })
    .argument('[command...]')
    .action((words: readonly string[]) => showHelp(parent, words));
}

/** Defines every command below `program`, for those who describe them all. */
export async function defineAll(program: Command): Promise<void> {
  await define(program);
  for (const command of program.commands) await defineAll(command);
}

async function define(command: Command): Promise<void> {
  const work = pending.get(command);
  pending.delete(command);
  await work?.();
}

/** @throws CliError CLI_UNKNOWN_COMMAND */
async function showHelp(parent: Command, words: readonly string[]): Promise<void> {
  let command = parent;
  for (const word of words) {
    const child = command.commands.find((one) => one.name() === word);
    if (child === undefined) throw toUnknownCommand(word, command);
    await define(child);
    command = child;
  }
  command.outputHelp();
}
