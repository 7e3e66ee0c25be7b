/** A plain description of the commands, read off the commander program: completion and docs/cli.md are made from it. */
import type { Argument, Command, Option } from 'commander';

/** What a value is, as far as a shell can complete it. */
export type ValueKind = 'file' | 'folder' | 'choice' | 'text';

export interface ArgumentSpec {
  readonly name: string;
  readonly summary: string;
  readonly isRequired: boolean;
  readonly isVariadic: boolean;
  readonly kind: ValueKind;
  readonly choices: readonly string[];
}

export interface OptionSpec {
  /** As shown in help, such as "-o, --out <dir>". */
  readonly flags: string;
  readonly short: string | null;
  readonly long: string | null;
  readonly summary: string;
  /** Null for a switch. */
  readonly value: { readonly name: string; readonly kind: ValueKind; readonly choices: readonly string[] } | null;
  readonly isRequired: boolean;
  /** Printed default; null when there is none worth printing. */
  readonly defaultText: string | null;
}

export interface CommandExample {
  readonly command: string;
  readonly summary: string;
}

export interface CommandSpec {
  /** Words after the program's name: "protect", "keys list"; "" is the program itself. */
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly ArgumentSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly CommandExample[];
  /** Last words of the visible subcommands. */
  readonly subcommands: readonly string[];
}

const examplesOf = new WeakMap<Command, readonly CommandExample[]>();

/** Adds examples to a command: its help ends with them, and its spec carries them. */
export function addExamples(command: Command, examples: readonly CommandExample[]): Command {
  examplesOf.set(command, examples);
  const lines = examples.map(({ command: line, summary }) => `  $ ${line}\n      ${summary}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** The program and all its visible commands, parents before children. */
export function toCommandSpecs(program: Command): CommandSpec[] {
  return walk(program, []);
}

function walk(command: Command, words: readonly string[]): CommandSpec[] {
  const children = listVisibleCommands(command);
  const spec: CommandSpec = {
    name: words.join(' '),
    summary: command.summary() || command.description(),
    description: command.description() || command.summary(),
    arguments: command.registeredArguments.map(toArgumentSpec),
    options: command.createHelp().visibleOptions(command).map(toOptionSpec),
    examples: examplesOf.get(command) ?? [],
    subcommands: children.map((child) => child.name()),
  };
  return [spec, ...children.flatMap((child) => walk(child, [...words, child.name()]))];
}

/** Commands that help shows, without the built-in "help" command. */
export function listVisibleCommands(command: Command): Command[] {
  const registered = new Set(command.commands);
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => registered.has(child));
}

function toArgumentSpec(argument: Argument): ArgumentSpec {
  const choices = argument.argChoices ?? [];
  return {
    name: argument.name(),
    summary: argument.description,
    isRequired: argument.required,
    isVariadic: argument.variadic,
    kind: toValueKind(argument.name(), choices),
    choices,
  };
}

function toOptionSpec(option: Option): OptionSpec {
  const placeholder = /[<[]([^>\].]+)/.exec(option.flags)?.[1];
  const choices = option.argChoices ?? [];
  return {
    flags: option.flags,
    short: option.short ?? null,
    long: option.long ?? null,
    summary: option.description,
    value: placeholder === undefined ? null : { name: placeholder, kind: toValueKind(placeholder, choices), choices },
    isRequired: option.mandatory,
    defaultText: toDefaultText(option),
  };
}

function toDefaultText(option: Option): string | null {
  if (option.defaultValueDescription !== undefined) return option.defaultValueDescription;
  const value: unknown = option.defaultValue;
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  return null;
}

const FOLDER_NAMES = /^(dir|directory|folder)$/i;
const FILE_NAMES =
  /^(file|path|model|suspect|original|reference|data|claim|baseline|sealed|envelope|proof|token|input|output|image|logo)s?$/i;

function toValueKind(name: string, choices: readonly string[]): ValueKind {
  if (choices.length > 0) return 'choice';
  if (FOLDER_NAMES.test(name)) return 'folder';
  return FILE_NAMES.test(name) ? 'file' : 'text';
}
