/** `modelward log retain`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { retainRequests } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';
import { toTable } from '../../ui/table.ts';
import { toCountUpTo } from '../values.ts';
import { addLogOptions, type LogFlags, withLog } from './flags.ts';

const DAYS_MAX = 36_500;

interface RetainFlags extends LogFlags {
  readonly days: number;
  readonly dryRun?: boolean;
}

export function defineRetain(command: Command, host: CommandHost): void {
  command
    .description(
      'Drops the rows of days (UTC) that are older than is to be kept, for good; the ledger says which, before they are gone. Their checkpoints stay, and so does what the rest needs to be verified; proofs that were written before stay valid. Days with rows that have no checkpoint yet are kept.',
    )
    .requiredOption('--days <number>', 'today and so many days before it stay', toCountUpTo(DAYS_MAX))
    .option('--dry-run', 'say what would be dropped, and drop nothing');
  addLogOptions(command);
  addExamples(command, [
    { command: 'modelward log retain --days 90 --dry-run', summary: 'what is older than 90 days' },
    { command: 'modelward log retain --days 90', summary: 'drop it' },
  ]);
  onAction<RetainFlags>(host, command, async (context, flags) => {
    const { days, dryRun: isDryRun = false } = flags;
    const nowMs = context.services.clock.nowMs();
    const dropped = await withLog(context, flags, (database) =>
      withSession(context, ({ recorder }) => retainRequests({ database, recorder }, { days, nowMs, isDryRun })),
    );
    context.ui.result({ isDryRun, dropped }, ({ style }) => {
      if (dropped.length === 0) return 'nothing is that old\n';
      const rows = dropped.map(({ day, rows: count }) => [String(day), String(count)]);
      const columns = [{ title: 'day' }, { title: isDryRun ? 'rows' : 'rows dropped', align: 'right' as const }];
      return toTable({ columns, rows, style });
    });
    return EXIT.ok;
  });
}
