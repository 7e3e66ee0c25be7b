/** `modelward broker releases`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { listReleases } from '../../../workflows/broker/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';

export function defineBrokerReleases(command: Command, host: CommandHost): void {
  command.description(
    'Lists every decision about a machine whose evidence was authentic: released or refused, with codes, resource, kind, and the key that it went to. What was refused before that is counted: "modelward ledger show".',
  );
  addExamples(command, [
    { command: 'modelward broker releases --json', summary: 'with digests of policy and evidence' },
  ]);
  onAction<object>(host, command, (context) =>
    withSession(context, (session) => {
      const releases = listReleases(session);
      context.ui.result({ releases }, () => {
        if (releases.length === 0) return 'nothing was asked for by a machine with authentic evidence\n';
        const lines = releases.map(({ index, time, outcome, resource, tee, recipient, codes }) =>
          [index, time, outcome, toPrintable(resource), tee, toPrintable(recipient), ...codes].join('  '),
        );
        return `${lines.join('\n')}\n`;
      });
      return Promise.resolve(EXIT.ok);
    }),
  );
}
