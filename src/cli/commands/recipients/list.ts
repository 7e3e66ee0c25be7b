/** `modelward recipients list`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { type ListedFault, listRecipients } from '../../../workflows/recipients/list.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withLazySession } from '../../context.ts';
import { toTable } from '../../ui/table.ts';

export function defineList(command: Command, host: CommandHost): void {
  command
    .description(
      'Lists everybody who was given a copy, original by original. The size of a register is what naming one of it costs in evidence.',
    )
    .option('--claim <file>', 'only the register of this claim (default: every claim of the home)');
  addExamples(command, [{ command: 'modelward recipients list', summary: 'all of them' }]);
  onAction<{ claim?: string }>(host, command, async (context, flags) => {
    const { recipients, faults } = await withLazySession(context, (open) =>
      Promise.resolve(listRecipients(context.services, open, toPathOption(context, 'claimPath', flags.claim))),
    );
    context.ui.result({ recipients, faults }, ({ style, widthColumns }) => {
      const problems = toProblems(faults);
      if (problems !== '' && recipients.length === 0) return problems;
      if (recipients.length === 0) return 'no copy was given to anybody: modelward protect MODEL --recipient ID\n';
      const table = toTable({
        columns: [
          { title: 'number', align: 'right' },
          { title: 'recipient', isFlexible: true },
          { title: 'original' },
          { title: 'codes' },
          { title: 'recorded' },
        ],
        rows: recipients.map(({ number, id, originalDigest, codes, recorded }) => [
          String(number),
          id ?? '(not known here)',
          `${originalDigest.slice(0, 12)}…`,
          codes.join(', '),
          recorded === null ? 'not in the ledger' : recorded.time,
        ]),
        style,
        widthColumns,
      });
      return `${table}${problems}`;
    });
    return faults.length === 0 ? EXIT.ok : EXIT.malformed;
  });
}

function toProblems(faults: readonly ListedFault[]): string {
  return faults
    .map(({ code, number, annexes }) => {
      const what =
        number === null ? 'cannot be read' : `number ${number} stands for more than one copy, and names nobody`;
      return `fault: ${code}: ${what}\n${annexes.map((path) => `  annex ${path}\n`).join('')}`;
    })
    .join('');
}
