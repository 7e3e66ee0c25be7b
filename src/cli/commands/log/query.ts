/** `modelward log query` and `export`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { findRequests, writeRequests } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import { toCountUpTo } from '../values.ts';
import { addQueryOptions, type QueryFlags, toQuery, withLog } from './flags.ts';

/** More is for a file. */
const COUNT_MAX = 10_000;

export function defineQuery(command: Command, host: CommandHost): void {
  command.description(
    'Prints requests, the oldest first. A stream has two rows: one of status 100 when it began, one when it ended. Where the gateway keys its hashes of inputs, --input finds nothing.',
  );
  addQueryOptions(command).option('--count <number>', 'at most so many', toCountUpTo(COUNT_MAX), 100);
  addExamples(command, [
    { command: 'modelward log query --key k_0123456789abcdef --since 2026-11-21', summary: 'what a key asked' },
    { command: 'modelward log query --input body.json', summary: 'who sent exactly this body' },
  ]);
  onAction<QueryFlags & { readonly count: number }>(host, command, async (context, flags) => {
    const query = await toQuery(context, flags);
    const found = await withLog(context, flags, (database) => findRequests(database, query, flags.count));
    const { requests, isCut } = found;
    context.ui.result(found, ({ style, widthColumns }) => {
      if (requests.length === 0) return 'no such requests\n';
      const table = toTable({
        columns: [
          ...['time', 'request', 'caller', 'model'].map((title) => ({ title })),
          ...['status', 'items', 'ms'].map((title) => ({ title, align: 'right' as const })),
          { title: 'input', isFlexible: true },
        ],
        rows: requests.map(({ time, requestId, principal, model, status, code, items, durationUs, inputHash }) => [
          ...[time, requestId, principal, model, code === null ? String(status) : `${status} ${code}`],
          ...[String(items), (durationUs / 1000).toFixed(1), inputHash],
        ]),
        ...{ style, widthColumns },
      });
      return isCut ? `${table}there are more: narrow it down, raise --count, or use "log export"\n` : table;
    });
    return EXIT.ok;
  });
}

export function defineExport(command: Command, host: CommandHost): void {
  command.description(
    'Writes requests into a file, one JSON object a line, the oldest first. Memory does not grow with their number.',
  );
  addQueryOptions(command).requiredOption('-o, --out <file>', 'the file; one that is there is not replaced');
  addExamples(command, [
    {
      command: 'modelward log export --tenant acme --since 2026-11-01 -o acme.ndjson',
      summary: 'a month of a customer',
    },
  ]);
  onAction<QueryFlags & { readonly out: string }>(host, command, async (context, flags) => {
    const { services } = context;
    const query = await toQuery(context, flags);
    const path = context.toAbsolute(flags.out);
    const rows = await withLog(context, flags, (database) => writeRequests(services, database, { query, path }));
    context.ui.result({ file: path, rows }, ({ style }) =>
      toPairs(
        [
          ['file', path],
          ['rows', String(rows)],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
