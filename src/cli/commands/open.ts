/** `modelward open`: a sealed model decrypted. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { toByteText } from '../../core/quantities.ts';
import { toLocationName } from '../../workflows/locations.ts';
import { openSealed } from '../../workflows/open-sealed.ts';
import { addExamples } from '../command-spec.ts';
import { type CommandHost, onAction, toPathOption, withSession } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addLicensedOptions, assertLicensed, type LicensedFlags, openByLicense } from './license/open.ts';

interface OpenFlags extends LicensedFlags {
  readonly out?: string;
  readonly envelope?: string;
  readonly key?: string;
  readonly force?: boolean;
}

export function defineOpen(command: Command, host: CommandHost): void {
  command
    .description(
      'Opens a sealed model into plain files. The key use is recorded before the key is handed out; a damaged segment ends the run and leaves nothing under the final name.',
    )
    .argument('<sealed>', 'sealed file, or s3:// or gs:// address of one')
    .option('-o, --out <dir>', 'folder to make (default: NAME.opened in the current folder)')
    .option('--envelope <file>', 'key envelope (default: the one in the home)')
    .option('--key <uri>', 'key that unwraps the data key')
    .option('--force', 'replace an existing folder');
  addLicensedOptions(command);
  addExamples(command, [
    { command: 'modelward open model.seal --out plain', summary: 'get the model back' },
    {
      command: 'modelward open model.seal --license acme.license.json --vendor-key vendor.pem',
      summary: 'on a device with a licence: no owner, no network',
    },
  ]);
  onAction<OpenFlags>(host, command, async (context, flags, words) => {
    assertLicensed(flags, { envelope: flags.envelope, key: flags.key });
    if (flags.license !== undefined) return openByLicense(context, flags, words[0]);
    const path = context.toLocation(words[0]);
    const result = await withSession(context, (session) =>
      openSealed(context.services, session, {
        path,
        out: context.toAbsolute(flags.out ?? `${parse(toLocationName(path)).name}.opened`),
        keyUri: flags.key ?? null,
        force: flags.force ?? false,
        ...toPathOption(context, 'envelopePath', flags.envelope),
      }),
    );
    context.ui.result(result, ({ style }) =>
      toPairs(
        [
          ...result.files.map((file): [string, string] => ['opened', `${file.path} (${toByteText(file.sizeBytes)})`]),
          ['seal', result.sealId],
          ['ledger', `entry ${result.leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}
