/** `modelward broker open`. */
import { type Command, Option } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
import { openReleased } from '../../../workflows/broker/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openBrokerLink, openReportSource } from '../../compose.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';

interface OpenFlags {
  readonly broker: string;
  readonly resource: string;
  readonly tee: 'snp' | 'tdx';
  readonly ca?: string;
  readonly out?: string;
  readonly force?: boolean;
}

export function defineBrokerOpen(command: Command, host: CommandHost): void {
  command
    .description(
      'Inside a SEV-SNP or TDX guest with Linux 6.7 or newer: makes a key pair, proves it to the broker with evidence of the hardware (configfs-tsm), gets the data key encrypted to it, and opens the sealed model. No owner and no key store are needed here. Write to a folder in memory: what is written to a disk leaves the protection of the machine.',
    )
    .argument('<sealed>', 'sealed file')
    .requiredOption('--broker <url>', 'origin of the broker, https')
    .requiredOption('--resource <name>', 'REPOSITORY/TYPE/TAG of the key')
    .addOption(new Option('--tee <kind>', 'what this machine is').choices(['snp', 'tdx']).makeOptionMandatory())
    .option('--ca <file>', 'authority of the broker, PEM (default: those of the system)')
    .option('-o, --out <dir>', 'folder to make (default: NAME.opened in the current folder)')
    .option('--force', 'replace an existing folder');
  addExamples(command, [
    {
      command:
        'modelward broker open model.seal --broker https://keys.example.com:8443 --resource models/key/resnet --tee snp -o /dev/shm/model',
      summary: 'plain files in memory alone',
    },
  ]);
  onAction<OpenFlags>(host, command, async (context, flags, words) => {
    const path = context.toAbsolute(words[0]);
    const caPem = flags.ca === undefined ? undefined : context.services.storage.read(context.toAbsolute(flags.ca));
    const result = await openReleased(context.services, {
      link: await openBrokerLink({ url: flags.broker, caPem }),
      source: await openReportSource(),
      ...{ tee: flags.tee, resource: flags.resource, path },
      out: context.toAbsolute(flags.out ?? `${parse(path).name}.opened`),
      force: flags.force ?? false,
    });
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ...result.files.map((file): [string, string] => ['opened', `${file.path} (${toByteText(file.sizeBytes)})`]),
          ['seal', result.sealId],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
