/** The editing verbs as commands: each reads a model, runs one verb, and writes a copy. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { CliError, EXIT } from '../../../core/errors.ts';
import { editGraphFile, type EditFileResult } from '../../../workflows/graph/edit-file.ts';
import { addExamples } from '../../command-spec.ts';
import type { DefineCommand } from '../../command-table.ts';
import { type CliContext, type CommandHost, onAction, toPathOption } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import type { TextLook } from '../../ui/ui.ts';
import { createInputs } from './inputs.ts';
import type { VerbFlags, VerbRow } from './verbs/index.ts';

export interface EditFlags extends VerbFlags {
  readonly out?: string;
  readonly inPlace?: boolean;
  readonly plan?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

/** The command of a verb. */
export function toEditDefinition(row: VerbRow): DefineCommand {
  return (command, host) => {
    defineEdit(row, command, host);
  };
}

function defineEdit(row: VerbRow, command: Command, host: CommandHost): void {
  command.argument('<model>', 'ONNX model');
  for (const [word, summary] of row.words) command.argument(word, summary);
  for (const [flags, summary] of row.options) command.option(flags, summary);
  addWriteOptions(command.option('--scope <path>', 'path of a subgraph or function (default: the main graph)'));
  const [example, meaning] = row.example;
  addExamples(command, [{ command: `modelward graph ${example}`, summary: meaning === '' ? row.summary : meaning }]);
  onAction<EditFlags>(host, command, (context, flags, [model, ...words]) => {
    const inputs = createInputs(context);
    const other = row.other === undefined ? undefined : words[row.other];
    const others = other === undefined ? {} : { others: { [other]: context.toAbsolute(other) } };
    const result = editGraphFile(context.services, { ...toEditOptions(context, model, flags), ...others }, (tx) => {
      row.act(tx, words, flags, inputs);
    });
    context.ui.result(result, (look) => toEditText(result, look));
    return EXIT.ok;
  });
}

/** Where the result goes; the same for every command that edits one model. */
export function addWriteOptions(command: Command): Command {
  return command
    .option('-o, --out <file>', 'edited copy (default: NAME.edited.EXT in the current folder)')
    .option('--in-place', 'edit the model itself: at any moment it is the old one or the new one')
    .option('--plan <file>', 'keep what was done as a plan')
    .option('--dry-run', 'check the edit and write no model')
    .option('--force', 'replace existing outputs')
    .option('--data-root <dir>', 'follow links that stay below this folder');
}

export function toEditOptions(
  context: CliContext,
  model: string,
  flags: EditFlags,
): Parameters<typeof editGraphFile>[1] {
  const { name, ext } = parse(model);
  const { inPlace = false } = flags;
  if (inPlace && flags.out !== undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give --out or --in-place, not both.' });
  }
  const out = inPlace ? model : (flags.out ?? `${name}.edited${ext}`);
  return {
    path: context.toAbsolute(model),
    out: flags.dryRun === true ? null : context.toAbsolute(out),
    planPath: flags.plan === undefined ? null : context.toAbsolute(flags.plan),
    force: flags.force ?? false,
    inPlace,
    ...toPathOption(context, 'dataRoot', flags.dataRoot),
  };
}

export function toEditText(result: EditFileResult, { style }: TextLook): string {
  const { edited, plan, steps, inherited, warnings } = result;
  const pairs: [string, string][] = [
    ['edited', edited === null ? 'nothing written (--dry-run)' : edited.path],
    ['verbs', String(steps)],
    ...(plan === null ? [] : [['plan', plan] as [string, string]]),
    ...warnings.map(({ rule, scope, name }): [string, string] => ['warning', `${rule}: ${scope} ${name}`.trim()]),
    ...(inherited.length === 0
      ? []
      : [['before', `${inherited.length} problems that the model had already`] as [string, string]]),
  ];
  return toPairs(pairs, style);
}
