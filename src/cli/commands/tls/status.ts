/** `modelward tls status`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { readTlsStatus } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';

export function defineTlsStatus(command: Command, host: CommandHost): void {
  command
    .description(
      'Prints until when each certificate of a file holds. Exit 1 when one has ended, is not valid yet, or ends within 21 days.',
    )
    .argument('<file>', 'certificates, PEM');
  addExamples(command, [{ command: 'modelward tls status tls/server.pem', summary: 'for a timer that warns in time' }]);
  onAction<object>(host, command, (context, _flags, words) => {
    const certificates = readTlsStatus(context.services, context.toAbsolute(words[0]));
    context.ui.result({ certificates }, () =>
      certificates
        .map(({ subject, names, daysLeft, notAfter, state }) => {
          const left = `${daysLeft} days left, until ${notAfter}`;
          const word = state === 'valid' ? '' : `  ${state.toUpperCase()}`;
          return `${toPrintable(subject)}  ${toPrintable(names)}\n  ${left}${word}\n`;
        })
        .join(''),
    );
    return certificates.every(({ state }) => state === 'valid') ? EXIT.ok : EXIT.findings;
  });
}
