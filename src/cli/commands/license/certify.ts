/** What the vendor does before he issues for a TPM: asks the device, and certifies its enrolment by the answer. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import {
  certifyDevice,
  type CertifyContext,
  challengeDevice,
  openVendor,
  readMakers,
  toTextFile,
  type VendorServices,
  withStore,
} from '../../../workflows/license/index.ts';
import { encodeCertifiedFile } from '../../../license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toText } from './device.ts';
import { openVendorServices } from './flags.ts';
import { addRegisterOptions, type RegisterFlags } from './register-choice.ts';

export interface MakerFlags {
  readonly ekCa?: readonly string[];
}

const MAKERS = 'certificates of TPM makers to believe, root and those below, and their revocation lists: PEM or DER';

export function addMakerOptions(command: Command, note = ''): Command {
  return command.option('--ek-ca <file...>', `${note}${MAKERS}`);
}

/** @throws AttestError for files that are none */
export function findMakers(context: CliContext, { ekCa }: MakerFlags): CertifyContext['makers'] | null {
  const { storage } = context.services;
  return ekCa === undefined ? null : readMakers(ekCa.map((path) => storage.read(context.toAbsolute(path))));
}

interface Flags extends RegisterFlags {
  readonly ekCa: readonly string[];
  readonly out: string;
}

export function defineChallenge(command: Command, host: CommandHost): void {
  command
    .description(
      'Follows the certificate in an enrolment to a maker of TPMs that is believed, and writes a challenge that only that TPM opens, and only while it has the device key. It may be answered for 14 days, once.',
    )
    .argument('<enrolment>', 'what the device wrote with "modelward license enrol --tpm"')
    .requiredOption('--ek-ca <file...>', MAKERS)
    .option('-o, --out <file>', 'the challenge', 'license.challenge');
  addRegisterOptions(command);
  addExamples(command, [
    { command: 'modelward license challenge enrolment.json --ek-ca maker.pem', summary: 'send it to the device' },
  ]);
  onAction<Flags>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const enrolment = services.storage.read(context.toAbsolute(words[0]));
    const text = await withCertifier(context, services, flags, (certifier) =>
      challengeDevice(certifier, enrolment, { isFile: true }),
    );
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, toTextFile(text));
    context.ui.result({ challenge: out }, () => `challenge written to ${out}\n`);
    return EXIT.ok;
  });
}

export function defineCertify(command: Command, host: CommandHost): void {
  command
    .description(
      'Takes the answer to a challenge, once, and writes the certified enrolment that "modelward license issue --assurance tpm-certified" demands. The entry in the ledger is durable before it is written.',
    )
    .argument('<response>', 'what the device wrote with "modelward license respond"')
    .requiredOption('--ek-ca <file...>', MAKERS)
    .option('-o, --out <file>', 'the certified enrolment', 'enrolment.certified.json');
  addRegisterOptions(command);
  addExamples(command, [
    { command: 'modelward license certify license.response --ek-ca maker.pem', summary: 'then issue a licence for it' },
  ]);
  onAction<Flags>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const response = toText(services.storage.read(context.toAbsolute(words[0])));
    const { certified, ...told } = await withCertifier(context, services, flags, (certifier) =>
      certifyDevice(certifier, response),
    );
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, encodeCertifiedFile(certified));
    context.ui.result({ ...told, enrolment: out }, ({ style }) =>
      toPairs(
        [
          ['device', told.jkt],
          ['certificate', told.ek],
          ['maker', told.root],
          ['revocation', told.isRevocationChecked ? 'checked' : 'NOT checked: no lists were given'],
          ['enrolment', out],
          ['ledger', `entry ${told.leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

function withCertifier<T>(
  context: CliContext,
  services: VendorServices,
  { ekCa }: Flags,
  use: (certifier: CertifyContext) => Promise<T>,
): Promise<T> {
  const makers = readMakers(ekCa.map((path) => services.storage.read(context.toAbsolute(path))));
  return withSession(context, ({ owner, recorder }) =>
    withStore(services, (store) => use({ services, recorder, store, vendor: openVendor(owner), makers })),
  );
}
