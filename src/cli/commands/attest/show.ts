/** `modelward attest show`: what evidence says of itself. */
import type { Command } from 'commander';
import { describeEvidence } from '../../../attest/index.ts';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { openEvidence } from '../../../workflows/attest/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toKindText } from './claims-text.ts';

export function defineAttestShow(command: Command, host: CommandHost): void {
  command
    .description(
      'Prints what evidence says of itself, and the addresses of the vendor where its certificates, lists and collateral are handed out. Nothing is verified, and nothing is fetched.',
    )
    .argument('<evidence>', 'report, quote or document as the hardware gave it, or an evidence file in JSON');
  addExamples(command, [{ command: 'modelward attest show report.bin', summary: 'which certificate does it need?' }]);
  onAction<object>(host, command, (context, _flags, [path]) => {
    const evidence = openEvidence(context.services, { path: context.toAbsolute(path), collateralPaths: [] });
    const description = describeEvidence(evidence);
    context.ui.result({ isVerified: false, ...description }, ({ style }) => {
      const pairs = Object.entries(description.says).map(([name, value]): [string, string] => [
        name,
        toPrintable(String(value)),
      ]);
      const fetch = description.fetch.map((address): [string, string] => ['fetch', toPrintable(address)]);
      return `${style.yellow('NOT VERIFIED')}: ${toKindText(description)}\n${toPairs([...pairs, ...fetch], style)}`;
    });
    return EXIT.ok;
  });
}
