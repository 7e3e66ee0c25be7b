/** `modelward attest collect`: evidence of the machine that this runs on. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { ATTEST_LIMITS } from '../../../core/limits/attest.ts';
import { toPrintable } from '../../../core/printable.ts';
import { collectEvidence } from '../../../workflows/attest/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openReportSource } from '../../compose.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toCountWithin } from '../values.ts';
import { assertLength, toHexArgument } from './flags.ts';

interface CollectFlags {
  readonly reportData: Uint8Array;
  readonly vmpl?: number;
  readonly out: string;
  readonly force?: boolean;
}

export function defineAttestCollect(command: Command, host: CommandHost): void {
  command
    .description(
      'Inside a SEV-SNP or TDX guest with Linux 6.7 or newer: asks the hardware for evidence (configfs-tsm) and writes it with the certificates of the host as an evidence file. Needs the right to write there, usually root.',
    )
    .requiredOption('--report-data <hex>', 'what the evidence is to be bound to: 1 to 64 bytes', toHexArgument)
    .option('--vmpl <level>', 'SEV-SNP: privilege level to ask for', toCountWithin(0, 3))
    .option('-o, --out <file>', 'the evidence file', 'evidence.json')
    .option('--force', 'replace an existing output');
  addExamples(command, [
    {
      command: 'modelward attest collect --report-data 819770b7e6ea6df8dd8fd4dd146b073c -o evidence.json',
      summary: 'answers a challenge of 16 bytes',
    },
  ]);
  onAction<CollectFlags>(host, command, async (context, flags) => {
    assertLength('--report-data', flags.reportData, 1, ATTEST_LIMITS.reportDataBytes);
    const collected = collectEvidence(context.services, await openReportSource(), {
      reportData: flags.reportData,
      ...(flags.vmpl === undefined ? {} : { privilegeLevel: flags.vmpl }),
      outPath: context.toAbsolute(flags.out),
      force: flags.force ?? false,
    });
    context.ui.result(collected, ({ style }) =>
      toPairs(
        [
          ['provider', toPrintable(collected.provider)],
          ['evidence', collected.path],
          ['certificates', String(collected.certificates)],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
