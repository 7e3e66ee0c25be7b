/** `modelward broker open`. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../../core/errors.ts';
import { toByteText } from '../../../core/quantities.ts';
import { openReleased } from '../../../workflows/broker/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addReleasedOptions, type ReleasedFlags, toReleasedOptions } from './released.ts';

interface OpenFlags extends ReleasedFlags {
  readonly out?: string;
  readonly force?: boolean;
}

export function defineBrokerOpen(command: Command, host: CommandHost): void {
  command
    .description(
      'Inside a SEV-SNP or TDX guest with Linux 6.7 or newer, or an SGX enclave under Gramine: makes a key pair, proves it to the broker with evidence of the hardware, gets the data key encrypted to it, and opens the sealed model. No owner and no key store are needed here. Write to a folder in memory: what is written to a disk leaves the protection of the machine.',
    )
    .argument('<sealed>', 'sealed file');
  addReleasedOptions(command)
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
    const result = await openReleased(context.services, {
      ...(await toReleasedOptions(context, flags)),
      path,
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
