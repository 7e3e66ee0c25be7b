/** `modelward witness init`, `add-log` and `show`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { addWitnessedLog, createHomeWitness, showWitness } from '../../../workflows/witness/witness.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';

export function defineWitnessInit(command: Command, host: CommandHost): void {
  command
    .description(
      'Makes the key in the folder "witness" of the home, readable by this user alone, and prints the verifier key to publish. The folder must stay on one disk and never be restored from an older copy: what is remembered in it is what the witness is for.',
    )
    .requiredOption('--name <name>', 'name in its cosignatures: a URL without scheme, such as witness.example/w1');
  addExamples(command, [{ command: 'modelward witness init --name witness.example/w1', summary: 'once' }]);
  onAction<{ name: string }>(host, command, (context, { name }) => {
    const made = createHomeWitness(context.services, name);
    context.ui.result(made, () => `${made.verifierKey}\n`);
    return EXIT.ok;
  });
}

export function defineWitnessAddLog(command: Command, host: CommandHost): void {
  command
    .description(
      'The first checkpoint that is sent is believed; from then on only what extends it. A witness that serves already takes the ledger from its next request on.',
    )
    .argument(
      '<ledger-key...>',
      'verifier key of the ledger, as "keys show" prints it; further ones may sign for it too',
    )
    .option('--origin <text>', 'first line of its checkpoints (default: name of the first key)');
  addExamples(command, [
    { command: "modelward witness add-log 'modelward/…+…+…'", summary: 'a ledger of this product' },
  ]);
  onAction<{ origin?: string }>(host, command, (context, { origin }, words) => {
    const [first = '', ...others] = words;
    const added = addWitnessedLog(context.services, { verifierKeys: [first, ...others], origin });
    context.ui.result(added, () => `${toPrintable(added.origin)}\n`);
    return EXIT.ok;
  });
}

export function defineWitnessShow(command: Command, host: CommandHost): void {
  addExamples(command, [{ command: 'modelward witness show', summary: 'what it knows' }]);
  onAction<object>(host, command, (context) => {
    const summary = showWitness(context.services);
    context.ui.result(summary, ({ style, widthColumns }) => {
      const columns = [
        { title: 'origin', isFlexible: true },
        { title: 'size', align: 'right' as const },
        { title: 'cosigned' },
        { title: '' },
      ];
      const rows = summary.logs.map(({ origin, size, cosignedAt, isForked }) => [
        toPrintable(origin),
        String(size ?? ''),
        cosignedAt ?? 'never',
        isForked ? 'signed two histories' : '',
      ]);
      const table = rows.length === 0 ? '' : toTable({ columns, rows, style, widthColumns });
      return `${toPairs([['key', summary.verifierKey]], style)}${table}`;
    });
    return summary.logs.some(({ isForked }) => isForked) ? EXIT.findings : EXIT.ok;
  });
}
