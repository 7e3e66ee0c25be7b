/** What the vendor does without the key of the model: answers, standings, the status list. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { LICENSE_LIMITS } from '../../../core/limits/license.ts';
import { type LicenseStore, type ListedLicense, toIso } from '../../../license/index.ts';
import {
  answerRequest,
  changeStanding,
  openVendor,
  type StandingChange,
  toTextFile,
  withStore,
  writeStatusList,
} from '../../../workflows/license/index.ts';
import { writeOutput } from '../../../workflows/write-bytes.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';
import { toPairs, toTable } from '../../ui/table.ts';
import { toText } from './device.ts';
import { openVendorServices, toDuration } from './flags.ts';
import { addRegisterOptions, type RegisterFlags } from './register-choice.ts';

export function defineAnswer(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers a request file: what was asked for, or a signed refusal. Each request is answered once; a request that proves no key is refused, and counted in the ledger.',
    )
    .argument('<request>', 'request of a device')
    .option('-o, --out <file>', 'the answer', 'license.answer');
  addRegisterOptions(command);
  addExamples(command, [{ command: 'modelward license answer license.request', summary: 'send the answer back' }]);
  onAction<RegisterFlags & { out: string }>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const request = toText(services.storage.read(context.toAbsolute(words[0])));
    const text = await withSession(context, ({ owner, recorder }) =>
      withStore(services, (store) => answerRequest({ services, recorder, store, vendor: openVendor(owner) }, request)),
    );
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, toTextFile(text));
    context.ui.result({ answer: out }, () => `answer written to ${out}\n`);
    return EXIT.ok;
  });
}

interface RevokeFlags extends RegisterFlags {
  readonly suspend?: boolean;
  readonly restore?: boolean;
}

export function defineRevoke(command: Command, host: CommandHost): void {
  command
    .description(
      'Ends a licence for good; it is refused from the next contact or status list on. A key that a device already has cannot be called back.',
    )
    .argument('<name>', 'name of the licence')
    .option('--suspend', 'until it is restored')
    .option('--restore', 'end a suspension');
  addRegisterOptions(command);
  addExamples(command, [{ command: 'modelward license revoke L0011223344556677', summary: 'for good' }]);
  onAction<RevokeFlags>(host, command, async (context, flags, words) => {
    const services = openVendorServices(context, flags);
    const change: StandingChange = flags.restore === true ? 'restore' : flags.suspend === true ? 'suspend' : 'revoke';
    const { license, leafIndex } = await withSession(context, ({ recorder }) =>
      withStore(services, (store) => changeStanding({ store, recorder }, { name: words[0], change })),
    );
    const { name, standing } = license;
    context.ui.result({ name, standing, leafIndex }, ({ style }) =>
      toPairs(
        [
          ['licence', name],
          ['standing', standing],
          ['ledger', `entry ${leafIndex}`],
        ],
        style,
      ),
    );
    return EXIT.ok;
  });
}

export function defineStatusList(command: Command, host: CommandHost): void {
  command
    .description('Writes the signed status list of all licences, to be put where licences say that it is fetched.')
    .requiredOption('--uri <uri>', 'where it will be fetched, as in the licences')
    .addOption(new Option('--ttl <time>', 'how long it is good for').argParser(toDuration).default(7 * 86_400, '7d'))
    .option('-o, --out <file>', 'the list', 'status-list.jwt');
  addRegisterOptions(command);
  addExamples(command, [
    { command: 'modelward license status-list --uri https://acme.example/status-list.jwt', summary: 'at least weekly' },
  ]);
  onAction<RegisterFlags & { uri: string; ttl: number; out: string }>(host, command, async (context, flags) => {
    const services = openVendorServices(context, flags);
    const text = await withSession(context, ({ owner }) =>
      withStore(services, (store) =>
        writeStatusList({ services, store, vendor: openVendor(owner) }, { uri: flags.uri, ttlSec: flags.ttl }),
      ),
    );
    const out = context.toAbsolute(flags.out);
    writeOutput(services, out, toTextFile(text));
    context.ui.result({ statusList: out }, () => `status list written to ${out}\n`);
    return EXIT.ok;
  });
}

async function listAll(store: LicenseStore): Promise<ListedLicense[]> {
  const all: ListedLicense[] = [];
  for (let fromIndex = 0; ; fromIndex = all.at(-1)!.index + 1) {
    const page = await store.listLicenses({ fromIndex, count: LICENSE_LIMITS.listPageMax });
    all.push(...page);
    if (page.length < LICENSE_LIMITS.listPageMax) return all;
  }
}

export function defineList(command: Command, host: CommandHost): void {
  command.description('Lists the licences that this owner issued.');
  addRegisterOptions(command);
  addExamples(command, [{ command: 'modelward license list', summary: 'with their standing and end' }]);
  onAction<RegisterFlags>(host, command, async (context, flags) => {
    const services = openVendorServices(context, flags);
    const licenses = await withStore(services, listAll);
    const rows = licenses.map(({ name, seq, licensee, sealId, jkt, standing, expiresSec }) => {
      return { name, seq, licensee, sealId, device: jkt, standing, expires: toIso(expiresSec) };
    });
    context.ui.result({ licenses: rows }, ({ style }) =>
      rows.length === 0
        ? 'no licences yet\n'
        : toTable({
            columns: ['licence', 'licensee', 'standing', 'to', 'seal'].map((title) => ({ title })),
            rows: rows.map(({ name, licensee, standing, expires, sealId }) => [
              name,
              licensee,
              standing,
              expires,
              sealId,
            ]),
            style,
          }),
    );
    return EXIT.ok;
  });
}
