/** What the device says to its vendor, and hears: as files, carried by any means. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { ACTIONS, type LicenseAction } from '../../../license/index.ts';
import { acceptAnswer, makeRequest, toTextFile } from '../../../workflows/license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { toText } from './device.ts';
import { addTrustOptions, openDeviceServices, readTrust, type TrustFlags } from './flags.ts';
import { tellTaken } from './taken.ts';

interface RequestFlags extends TrustFlags {
  readonly action: LicenseAction;
  readonly out: string;
  readonly from?: string;
  readonly reset?: boolean;
}

export function defineRequest(command: Command, host: CommandHost): void {
  addTrustOptions(
    command
      .description(
        'Writes a request that proves the key of this device. It is answered with "modelward license answer" within 14 days, once; the answer fits this request alone.',
      )
      .argument('<license>', 'licence file'),
  )
    .addOption(new Option('--action <name>', 'what is asked for').choices(ACTIONS).default('renew'))
    .option('--from <device>', 'takeover: thumbprint of the device whose seat is taken')
    .option('--reset', 'begin a new record of licences; all of them then need an answer')
    .option('-o, --out <file>', 'the request', 'license.request');
  addExamples(command, [
    {
      command: 'modelward license request acme.license.json --vendor-key vendor.pem',
      summary: 'take it to the vendor',
    },
  ]);
  onAction<RequestFlags>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, {});
    const file = services.storage.read(context.toAbsolute(words[0]));
    const text = await makeRequest(services, readTrust(context, flags), {
      file,
      action: flags.action,
      isFile: true,
      from: flags.from,
      isReset: flags.reset ?? false,
    });
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, toTextFile(text));
    context.ui.result({ request: out, action: flags.action }, () => `request written to ${out}\n`);
    return EXIT.ok;
  });
}

export function defineAccept(command: Command, host: CommandHost): void {
  addTrustOptions(
    command
      .description(
        'Takes the answer to the request that this device made last. A newer licence in it replaces the kept one.',
      )
      .argument('<license>', 'licence file')
      .argument('<answer>', 'answer of the vendor'),
  ).option('-o, --out <file>', 'where to write a newer licence');
  addExamples(command, [
    {
      command:
        'modelward license accept acme.license.json license.answer --vendor-key vendor.pem --out acme.license.json',
      summary: 'contact, seat and renewal are noted',
    },
  ]);
  onAction<TrustFlags & { out?: string }>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, {});
    const [file, answer] = words.map((path) => services.storage.read(context.toAbsolute(path)));
    const taken = await acceptAnswer(services, readTrust(context, flags), { file, text: toText(answer) });
    tellTaken(context, services, taken, flags.out);
    return EXIT.ok;
  });
}
