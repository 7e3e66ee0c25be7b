/** `modelward log verify`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { readPublicKey, verifyRequestLog } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';
import { toTable } from '../../ui/table.ts';
import { addLogOptions, type LogFlags, withLog } from './flags.ts';

interface VerifyFlags extends LogFlags {
  readonly publicKey?: readonly string[];
}

const collect = (word: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), word];

export function defineVerify(command: Command, host: CommandHost): void {
  command.description(
    'Recomputes every row, chain and checkpoint of the log. Keys, and checkpoints that must be there, are taken from the ledger of this home. Exit 1 when a row was changed, taken out, put in or moved. Rows behind "anchored" are vouched for by the gateway\'s key alone, those behind "covered" by nobody yet.',
  );
  command.option(
    '--public-key <file>',
    'key of a gateway with a home of its own, PEM of its "modelward log key"; again for more. Its own home has its checkpoints',
    collect,
  );
  addLogOptions(command);
  addExamples(command, [
    { command: 'modelward log verify', summary: 'the log of this home' },
    { command: 'modelward log verify --database-file db.url --json', summary: 'a log in PostgreSQL' },
    {
      command: 'modelward log verify --database-file db.url --public-key second.pem',
      summary: 'a log of two machines',
    },
  ]);
  onAction<VerifyFlags>(host, command, (context, flags) =>
    withLog(context, flags, (database) =>
      withSession(context, async ({ recorder }) => {
        const { storage } = context.services;
        const others = (flags.publicKey ?? []).map((file) => readPublicKey(storage.read(context.toAbsolute(file))));
        const report = await verifyRequestLog({ database, recorder }, others);
        const { isIntact, streams, faults, isCut } = report;
        context.ui.result(report, ({ style, widthColumns }) => {
          const table = toTable({
            columns: [
              { title: 'stream' },
              ...['rows', 'dropped', 'checkpoints', 'covered', 'anchored'].map((title) => ({
                title,
                align: 'right' as const,
              })),
              { title: 'ended' },
            ],
            rows: streams.map(({ stream, rows, dropped, checkpoints, covered, anchored, isEnded }) => [
              stream,
              ...[rows, dropped, checkpoints, covered, anchored].map(String),
              isEnded ? 'in order' : 'no',
            ]),
            ...{ style, widthColumns },
          });
          const lines = faults.map(({ kind, stream, place }) => `  ${kind}  ${stream}  ${place}\n`).join('');
          const more = isCut ? '  and more\n' : '';
          return `${isIntact ? 'nothing was changed' : 'the log was changed'}\n${table}${lines}${more}`;
        });
        return isIntact ? EXIT.ok : EXIT.findings;
      }),
    ),
  );
}
