/** What the vendor does with keys: issue and renew. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { LICENSE_LIMITS } from '../../../core/limits/license.ts';
import { ASSURANCES, DEFAULT_AUDIENCE, type KnownAssurance, toIso } from '../../../license/index.ts';
import { issueLicense, type IssueResult, type LicenseTerms, renewLicense } from '../../../workflows/license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption, withSession } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { toCountUpTo, toCountWithin } from '../values.ts';
import { addMakerOptions, findMakers, type MakerFlags } from './certify.ts';
import { openVendorServices, toDuration } from './flags.ts';
import { addRegisterOptions, type RegisterFlags } from './register-choice.ts';

interface IssueFlags extends MakerFlags, RegisterFlags {
  readonly enrolment: string;
  readonly to: string;
  readonly valid: number;
  readonly name?: string;
  readonly audience: string;
  readonly entitlement?: readonly string[];
  readonly check?: number;
  readonly grace?: number;
  readonly late?: number;
  readonly skew?: number;
  readonly pool?: string;
  readonly seats?: number;
  readonly lease?: number;
  readonly parts?: number;
  readonly assurance: KnownAssurance;
  readonly statusUri?: string;
  readonly statusAge?: number;
  readonly envelope?: string;
  readonly key?: string;
  readonly out: string;
}

export function defineIssue(command: Command, host: CommandHost): void {
  command
    .description(
      'Encrypts the key of a sealed model to the key of one device, and signs the terms. The entry in the ledger is durable before the licence is written.',
    )
    .argument('<sealed>', 'sealed file')
    .requiredOption('--enrolment <file>', 'what the device wrote with "modelward license enrol", or what was certified')
    .requiredOption('--to <licensee>', 'to whom the licence is given')
    .addOption(
      new Option('--valid <time>', 'how long, such as 365d').argParser(toDuration).default(365 * 86_400, '365d'),
    )
    .option('--name <name>', 'name of the licence (default: drawn)')
    .option('--audience <name>', 'product that it is for', DEFAULT_AUDIENCE)
    .option('--entitlement <name...>', 'what it includes')
    .option('--check <time>', 'contact is due this long after the last one (default: never)', toDuration)
    .option('--grace <time>', 'and may be this late (default: 48h)', toDuration)
    .option('--late <time>', 'how long the licence may be used beyond its end (default: not)', toDuration)
    .option('--skew <time>', 'how far the clock of the device may be off (default: 5m)', toDuration)
    .option('--pool <name>', 'draw from a pool of seats of this name')
    .option('--seats <count>', 'seats in the pool', toCountUpTo(LICENSE_LIMITS.seatsMax))
    .option('--lease <time>', 'how long a seat is used without contact (default: 10m)', toDuration)
    .option(
      '--parts <count>',
      'parts of the machine that must fit, 0 for none (default: all but one)',
      toCountWithin(0, LICENSE_LIMITS.fingerprintPartsMax),
    )
    .addOption(
      new Option('--assurance <kind>', 'least that the device key must be').choices(ASSURANCES).default('software'),
    )
    .option('--status-uri <uri>', 'where the status list is fetched')
    .option(
      '--status-age <time>',
      'oldest status list that is accepted; without it the list may be missing',
      toDuration,
    )
    .option('--envelope <file>', 'key envelope (default: the one in the home)')
    .option('--key <uri>', 'key that unwraps the data key')
    .option('-o, --out <file>', 'the licence', 'license.json');
  addMakerOptions(command, 'with --assurance tpm, the key must be certified under these: ');
  addExamples(command, [
    {
      command: 'modelward license issue model.seal --enrolment device.enrolment.json --to "Acme GmbH" --valid 90d',
      summary: 'for one device, 90 days, without a network',
    },
  ]);
  onAction<IssueFlags>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const result = await withSession(context, (session) =>
      issueLicense(services, session, {
        path: context.toAbsolute(words[0]),
        ...toPathOption(context, 'envelopePath', flags.envelope),
        keyUri: flags.key ?? null,
        enrolment: services.storage.read(context.toAbsolute(flags.enrolment)),
        makers: findMakers(context, flags),
        name: flags.name ?? null,
        terms: toTerms(flags),
      }),
    );
    return printIssued(context, result, flags.out);
  });
}

function toTerms(flags: IssueFlags): LicenseTerms {
  const given = {
    checkSec: flags.check,
    graceSec: flags.grace,
    lateSec: flags.late,
    maxSkewSec: flags.skew,
    leaseSec: flags.lease,
  };
  const offline = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    licensee: flags.to,
    audience: flags.audience,
    validSec: flags.valid,
    fromSec: null,
    entitlements: flags.entitlement ?? [],
    offline,
    pool: flags.pool === undefined ? null : { id: flags.pool, seats: flags.seats ?? 1 },
    machineParts: flags.parts ?? null,
    assurance: flags.assurance,
    status: flags.statusUri === undefined ? null : { uri: flags.statusUri, maxAgeSec: flags.statusAge ?? null },
  };
}

/** The file is written after the entry in the ledger is durable. */
function printIssued(context: CliContext, { license, file, leafIndex }: IssueResult, path: string): typeof EXIT.ok {
  const out = context.toAbsolute(path);
  writeOutput(context.services, out, file);
  const { name, seq, jkt, sealId, expiresSec } = license;
  context.ui.result(
    { name, seq, device: jkt, sealId, expires: toIso(expiresSec), license: out, leafIndex },
    ({ style }) =>
      toPairs(
        [
          ['licence', `${name}, number ${seq}`],
          ['device', jkt],
          ['seal', sealId],
          ['to', toIso(expiresSec)],
          ['file', out],
          ['ledger', `entry ${leafIndex}`],
        ],
        style,
      ),
  );
  return EXIT.ok;
}

interface RenewFlags extends RegisterFlags {
  readonly valid: number;
  readonly key?: string;
  readonly out: string;
}

export function defineRenew(command: Command, host: CommandHost): void {
  command
    .description(
      'Makes the next number of a licence, from now on, under the same terms. Devices get it with their next request.',
    )
    .argument('<name>', 'name of the licence')
    .addOption(
      new Option('--valid <time>', 'how long from now, such as 90d')
        .argParser(toDuration)
        .default(365 * 86_400, '365d'),
    )
    .option('--key <uri>', 'key that unwraps the data key')
    .option('-o, --out <file>', 'the licence', 'license.json');
  addRegisterOptions(command);
  addExamples(command, [{ command: 'modelward license renew L0011223344556677 --valid 90d', summary: 'same terms' }]);
  onAction<RenewFlags>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const options = { name: words[0], validSec: flags.valid, keyUri: flags.key ?? null };
    const result = await withSession(context, (session) => renewLicense(services, session, options));
    return printIssued(context, result, flags.out);
  });
}
