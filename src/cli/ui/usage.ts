/** Commander's refusals as errors of ours, with "did you mean", and without option values, which may be secrets. */
import { type Command, CommanderError } from 'commander';
import { CliError } from '../../core/errors.ts';
import { listVisibleCommands } from '../command-spec.ts';
import { findClosest } from '../../core/closest.ts';

/**
 * What a thrown value means for the command line.
 * @returns "shown" when help or the version was asked for, an error when the usage was wrong or a command is missing, and undefined when the
 *   value is not commander's
 */
export function toUsageError(
  error: unknown,
  program: Command,
  argv: readonly string[],
): CliError | 'shown' | undefined {
  if (!(error instanceof CommanderError)) return undefined;
  if (error.exitCode === 0) return 'shown';
  const command = findCommand(program, argv);
  if (error.code === 'commander.help') return command.parent === null ? 'shown' : toMissingCommand(command);
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  if (error.code === 'commander.unknownCommand') return toUnknownCommand(quoted, command);
  if (error.code === 'commander.unknownOption') {
    const option = quoted.split('=', 1)[0] ?? '';
    const fields = { option, command: toPath(command), didYouMean: findClosest(option, toOptionNames(command)) };
    return new CliError('CLI_UNKNOWN_OPTION', { fields });
  }
  const message = withoutValue(error)
    .replace(/^error: /, '')
    .replace(/\.?$/, '.');
  return new CliError('CLI_USAGE', {
    message: `${message.charAt(0).toUpperCase()}${message.slice(1)}`,
    fields: { command: toPath(command) },
  });
}

/** Longest refused value that is repeated: numbers and choices fit, passwords and addresses with one in them do not. */
const SHOWN_VALUE_CHARS_MAX = 6;

function withoutValue({ code, message }: CommanderError): string {
  if (code !== 'commander.invalidArgument') return message;
  const refused = /^(error: (?:option '[^']*' argument|command-argument value)) '(.*)' is invalid(?=\.| for argument)/s;
  return message.replace(refused, (all, start: string, value: string) =>
    value.length <= SHOWN_VALUE_CHARS_MAX ? all : `${start} (not shown) is invalid`,
  );
}

/** The error for a word that is none of the commands of `parent`. */
export function toUnknownCommand(word: string, parent: Command): CliError {
  const names = parent.commands.map((child) => child.name());
  return new CliError('CLI_UNKNOWN_COMMAND', { fields: { command: word, didYouMean: findClosest(word, names) } });
}

function toMissingCommand(parent: Command): CliError {
  const names = listVisibleCommands(parent).map((child) => child.name());
  return new CliError('CLI_USAGE', {
    message: `A command is missing after "${toPath(parent)}".`,
    fields: { commands: names.join(', ') },
  });
}

/**
 * Makes commander throw instead of ending the process, and leaves the telling of errors to the `Ui`.
 * @param writeOut where help and versions go
 */
export function configureForUi(program: Command, writeOut: (text: string) => void): Command {
  program
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeOut, outputError: () => undefined });
  // Settings are copied to subcommands when they are made, not afterwards.
  for (const child of program.commands) configureForUi(child, writeOut);
  return program;
}

/** The deepest command that the words of `argv` (without node and script) lead to. */
function findCommand(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv.filter((text) => !text.startsWith('-'))) {
    const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child === undefined) break;
    command = child;
  }
  return command;
}

function toPath(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${toPath(parent)} ${command.name()}`;
}

function toOptionNames(command: Command): string[] {
  const own = command.createHelp().visibleOptions(command);
  const names = own.flatMap((option) => [option.long, option.short]).filter((name) => name !== undefined);
  return command.parent === null ? names : [...names, ...toOptionNames(command.parent)];
}
