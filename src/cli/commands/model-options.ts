/** Options of commands that read a model, plain or sealed, and of those that write a changed copy of one. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import type { OpenAnyOptions } from '../../workflows/open-model.ts';
import { type CliContext, toPathOption } from '../context.ts';

export interface DataRootFlags {
  readonly dataRoot?: string;
}

export interface OpenFlags extends DataRootFlags {
  readonly envelope?: string;
  readonly key?: string;
}

export function addOpenOptions(command: Command): Command {
  command
    .option('--envelope <file>', 'key envelope of a sealed model (default: the one in the home)')
    .option('--key <uri>', 'key that opens a sealed model');
  return addDataRootOption(command);
}

export function addDataRootOption(command: Command): Command {
  return command.option('--data-root <dir>', 'follow links that stay below this folder');
}

/** For commands that read plain models alone. */
export function toLookOptions(
  context: CliContext,
  { dataRoot }: DataRootFlags,
  path: string,
): { readonly path: string; readonly dataRoot?: string } {
  return { path: context.toAbsolute(path), ...toPathOption(context, 'dataRoot', dataRoot) };
}

export function toOpenOptions(context: CliContext, flags: OpenFlags, path: string): OpenAnyOptions {
  return {
    ...toLookOptions(context, flags, path),
    keyUri: flags.key ?? null,
    ...toPathOption(context, 'envelopePath', flags.envelope),
  };
}

/** As {@link toOpenOptions}, for commands that take objects of stores, too. */
export function toSourceOptions(context: CliContext, flags: OpenFlags, word: string): OpenAnyOptions {
  return {
    path: context.toLocation(word),
    keyUri: flags.key ?? null,
    ...toPathOption(context, 'dataRoot', flags.dataRoot),
    ...toPathOption(context, 'envelopePath', flags.envelope),
  };
}

export interface CopyFlags extends DataRootFlags {
  readonly out?: string;
  readonly force?: boolean;
}

/** @param ending what the copy's name gets when none is given: "stamped" makes NAME.stamped.EXT */
export function addCopyOptions(command: Command, ending: string): Command {
  command
    .option('-o, --out <file>', `the copy (default: NAME.${ending}.EXT in the current folder)`)
    .option('--force', 'replace an existing output');
  return addDataRootOption(command);
}

export function toCopyOptions(
  context: CliContext,
  { out, force = false, dataRoot }: CopyFlags,
  { model, ending }: { readonly model: string; readonly ending: string },
): { readonly path: string; readonly out: string; readonly force: boolean; readonly dataRoot?: string } {
  const { name, ext } = parse(model);
  return {
    ...toLookOptions(context, { dataRoot }, model),
    out: context.toAbsolute(out ?? `${name}.${ending}${ext}`),
    force,
  };
}
