/** `modelward recipients list`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { listRecipients } from '../../../workflows/recipients/list.ts';
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
    const recipients = await withLazySession(context, (open) =>
      Promise.resolve(listRecipients(context.services, open, toPathOption(context, 'claimPath', flags.claim))),
    );
    context.ui.result({ recipients }, ({ style, widthColumns }) => {
      if (recipients.length === 0) return 'no copy was given to anybody: modelward protect MODEL --recipient ID\n';
      return toTable({
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
    });
    return EXIT.ok;
  });
}
