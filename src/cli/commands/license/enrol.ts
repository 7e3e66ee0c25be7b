/** What is done on the device before it has a licence: its key, and the proof that a TPM has it. */
import type { Command } from 'commander';
import { CliError, EXIT, type ExitCode } from '../../../core/errors.ts';
import {
  type Device,
  enrolDevice,
  type EnrolResult,
  respondToChallenge,
  takeCertified,
  toTextFile,
} from '../../../workflows/license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { askServer } from './compose.ts';
import { toText } from './device.ts';
import { addDeviceOptions, type DeviceFlags, openDeviceServices, readTrust } from './flags.ts';

interface EnrolFlags extends DeviceFlags {
  readonly out: string;
  readonly tpm?: string | true;
  readonly server?: string;
  readonly vendorKey?: string;
  readonly ca?: string;
}

export function defineEnrol(command: Command, host: CommandHost): void {
  addDeviceOptions(
    command
      .description(
        'Makes the key of this device, once, and writes an enrolment for the vendor: its public half, salted digests of parts of the machine, and with --tpm the certificate of the TPM. Nothing in it is secret; that certificate tells which TPM it is. With --server the vendor certifies at once that the key is in it.',
      )
      .option('--tpm [line]', 'keep the key in the TPM: of the system, a device path, or tcp:127.0.0.1:PORT')
      .option('--server <url>', 'licence server that certifies the key in the TPM, https')
      .option('--vendor-key <file>', 'with --server: public key of the vendor')
      .option('--ca <file>', 'with --server: authorities to trust instead of those of the system, PEM')
      .option('-o, --out <file>', 'the enrolment', 'enrolment.json'),
  );
  addExamples(command, [
    { command: 'modelward license enrol --out device.enrolment.json', summary: 'send it to the vendor' },
    {
      command: 'modelward license enrol --tpm --server https://licences.acme.example:8444 --vendor-key vendor.pem',
      summary: 'certified by the vendor',
    },
  ]);
  onAction<EnrolFlags>(host, command, enrol);
}

async function enrol(context: CliContext, flags: EnrolFlags): Promise<ExitCode> {
  if (flags.server !== undefined && flags.vendorKey === undefined) {
    throw new CliError('CLI_USAGE', { fields: { missing: '--vendor-key' } });
  }
  const services = openDeviceServices(context, flags);
  const tpm = flags.tpm === undefined ? null : { address: flags.tpm === true ? null : flags.tpm };
  const { device, isNew } = await services.enrolDevice(tpm);
  try {
    const { enrolment, ...told } = await enrolDevice(services, device, { isNew });
    const { server } = flags;
    const isCertified = server !== undefined;
    const bytes = isCertified ? await certify(context, device, { ...flags, server, enrolment }) : enrolment;
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, bytes);
    return printEnrolled(context, told, { out, isCertified });
  } finally {
    await device.close();
  }
}

/** Both steps at once: the server asks, and the TPM answers. Returns the certified enrolment. */
async function certify(
  context: CliContext,
  device: Device,
  flags: EnrolFlags & { readonly server: string; readonly enrolment: Uint8Array },
): Promise<Uint8Array> {
  const services = openDeviceServices(context, flags);
  const { server } = flags;
  const { keys } = readTrust(context, flags);
  const caPem = flags.ca === undefined ? null : services.storage.read(context.toAbsolute(flags.ca));
  const text = await askServer({ server, action: 'enrol', request: toText(flags.enrolment), caPem });
  const response = await respondToChallenge(services, device, { text, keys });
  const word = await askServer({ server, action: 'enrol/response', request: response, caPem });
  return takeCertified(services, { text: word, keys });
}

function printEnrolled(
  context: CliContext,
  told: Omit<EnrolResult, 'enrolment'>,
  { out, isCertified }: { readonly out: string; readonly isCertified: boolean },
): ExitCode {
  const { assurance, isProvable } = told;
  if (assurance === 'software') {
    context.ui.note('the device key is a file: whoever copies it can use licences of this device elsewhere');
  } else if (!isProvable) {
    context.ui.note('the TPM has no certificate of its maker: that the key is in it is the word of this device');
  }
  const known = isCertified ? 'tpm-certified' : assurance;
  context.ui.result({ ...told, assurance: known, enrolment: out }, ({ style }) =>
    toPairs(
      [
        ['device', told.jkt],
        ['assurance', known],
        ['provable', isProvable ? 'yes' : 'no'],
        ['machine', told.parts.join(', ') || 'nothing could be read'],
        ['enrolment', out],
      ],
      style,
    ),
  );
  return EXIT.ok;
}

interface RespondFlags extends DeviceFlags {
  readonly vendorKey: string;
  readonly out: string;
}

export function defineRespond(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers the challenge of the vendor to the last enrolment of this device: the TPM opens it, if it is the one that the maker certified and has the key.',
    )
    .argument('<challenge>', 'challenge of the vendor')
    .requiredOption('--vendor-key <file>', 'public key of the vendor')
    .option('-o, --out <file>', 'the response', 'license.response');
  addExamples(command, [
    {
      command: 'modelward license respond license.challenge --vendor-key vendor.pem',
      summary: 'take it to the vendor',
    },
  ]);
  onAction<RespondFlags>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, flags);
    const text = toText(services.storage.read(context.toAbsolute(words[0])));
    const device = await services.openDevice();
    try {
      const response = await respondToChallenge(services, device, { text, keys: readTrust(context, flags).keys });
      const out = context.toAbsolute(flags.out);
      writeOutput(services, out, toTextFile(response));
      context.ui.result({ response: out }, () => `response written to ${out}\n`);
      return EXIT.ok;
    } finally {
      await device.close();
    }
  });
}
