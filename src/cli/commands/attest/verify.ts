/** `modelward attest verify`: authenticity alone. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toPrintable } from '../../../core/printable.ts';
import { verifyEvidenceFile } from '../../../workflows/attest/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toClaimPairs, toKindText } from './claims-text.ts';
import { addVerifyOptions, toVerifyOptions, type VerifyFlags, warnOfLimits } from './flags.ts';

export function defineAttestVerify(command: Command, host: CommandHost): void {
  command.description(
    'Says who signed the evidence, under which pinned root, and whether it is intact, current and not revoked; of SGX and TDX also the TCB status. Whether that is good enough is for "attest validate". Exit 5 when it is not authentic, 3 when it cannot be read.',
  );
  addVerifyOptions(command);
  addExamples(command, [
    {
      command: 'modelward attest verify report.bin --collateral vcek.der crl.der',
      summary: 'a SEV-SNP report with the certificate of its chip',
    },
    {
      command: 'modelward attest verify quote.dat --collateral collateral.json --json',
      summary: 'an SGX or TDX quote; the claims as JSON',
    },
  ]);
  onAction<VerifyFlags>(host, command, (context, flags, words) => {
    warnOfLimits(context, flags);
    const report = verifyEvidenceFile(context.services, toVerifyOptions(context, flags, words[0]));
    const { claims } = report;
    context.ui.result(report, ({ style }) => {
      const pairs = toClaimPairs(claims).map(([name, value]): [string, string] => [
        toPrintable(name),
        toPrintable(value),
      ]);
      return `${style.bold('authentic')}: ${toKindText(claims)}\n${toPairs(pairs, style)}`;
    });
    return EXIT.ok;
  });
}
