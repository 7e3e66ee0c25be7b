/** `modelward attest fetch`: collateral from its vendor, checked and kept. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
import { fetchCollateral } from '../../../workflows/attest/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openCollateralLink } from '../../compose.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

interface FetchFlags {
  readonly out: string;
  readonly from?: string;
  readonly ca?: string;
  readonly force?: boolean;
}

export function defineAttestFetch(command: Command, host: CommandHost): void {
  command
    .description(
      'Fetches what belongs to a SEV-SNP report (VCEK certificate, authorities, revocation list) or to an SGX or TDX quote (TCB info, QE identity, revocation lists) from AMD or Intel, checks it against the pinned roots, and keeps it as a folder for --collateral. Nothing else of this program asks a vendor. The vendor learns the chip or the kind of platform.',
    )
    .argument('<evidence>', 'report or quote as the hardware gave it, or an evidence file in JSON')
    .option('-o, --out <dir>', 'folder to make', 'collateral')
    .option('--from <url>', 'a service that keeps copies (PCCS), https, instead of the vendor')
    .option('--ca <file>', 'authority of that service, PEM (default: those of the system)')
    .option('--force', 'replace an existing folder, once the new one is checked');
  addExamples(command, [
    { command: 'modelward attest fetch report.bin --out collateral', summary: 'from the vendor' },
    {
      command: 'modelward attest fetch quote.dat --from https://pccs.example.com:8081 --ca pccs.pem --force',
      summary: 'every night, from a service of your own',
    },
  ]);
  onAction<FetchFlags>(host, command, async (context, flags, words) => {
    const caPem = flags.ca === undefined ? undefined : context.services.storage.read(context.toAbsolute(flags.ca));
    const result = await fetchCollateral(context.services, {
      path: context.toAbsolute(words[0]),
      out: context.toAbsolute(flags.out),
      force: flags.force ?? false,
      link: await openCollateralLink({ from: flags.from ?? null, caPem }),
    });
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ...result.files.map((file): [string, string] => ['checked', `${file.path} (${toByteText(file.sizeBytes)})`]),
          ['good until', new Date(result.validUntilMs).toISOString()],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
