/** `modelward license serve` and `license sync`: the two ends of the line. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { LICENSE_LIMITS } from '../../../core/limits/license.ts';
import { ACTIONS, type LicenseAction } from '../../../license/index.ts';
import {
  acceptAnswer,
  createLicenseHandler,
  makeRequest,
  openVendor,
  withStore,
} from '../../../workflows/license/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openServer } from '../../compose.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../../context.ts';
import { readTlsKey } from '../tls-key.ts';
import { toCountWithin } from '../values.ts';
import { addMakerOptions, findMakers, type MakerFlags } from './certify.ts';
import { askServer } from './compose.ts';
import { addTrustOptions, openDeviceServices, openVendorServices, readTrust, type TrustFlags } from './flags.ts';
import { addRegisterOptions, type RegisterFlags } from './register-choice.ts';
import { tellTaken } from './taken.ts';

interface ServeFlags extends RegisterFlags, MakerFlags {
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly host: string;
  readonly port: number;
  readonly statusUri?: string;
}

const LIMITS = {
  bodyBytesMax: LICENSE_LIMITS.jwsCharsMax,
  headerBytesMax: LICENSE_LIMITS.headerBytesMax,
  connectionsMax: LICENSE_LIMITS.connectionsMax,
  headersTimeoutMs: LICENSE_LIMITS.requestTimeoutMs,
  requestTimeoutMs: LICENSE_LIMITS.requestTimeoutMs,
  idleTimeoutMs: 5000,
};

export function defineServe(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers requests of devices over TLS 1.3: activate, check, renew, lease, takeover, release, and the status list. Each answer is signed, carries the number of its request, and is in the ledger before it is sent. The keys of models are not needed, and not there. SIGTERM or Ctrl-C ends it.',
    )
    .requiredOption('--tls-cert <file>', 'certificate of the server and those above it, PEM')
    .requiredOption('--tls-key <file>', 'its private key, PEM, not encrypted, readable by its owner alone')
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--port <number>', 'port to listen at; 0 for a free one', toCountWithin(0, 65_535), 8444)
    .option('--status-uri <uri>', 'serve the status list, whose address in the licences is this');
  addRegisterOptions(command);
  addMakerOptions(command, 'certify device keys in TPMs of these: ');
  addExamples(command, [
    {
      command: 'modelward license serve --tls-cert server.pem --tls-key server.key',
      summary: 'for devices of this machine',
    },
  ]);
  onAction<ServeFlags>(host, command, (context, flags) => serve(context, flags));
}

async function serve(context: CliContext, flags: ServeFlags): Promise<typeof EXIT.ok> {
  const { ui } = context;
  const services = openVendorServices(context, flags);
  services.onSecrets();
  const makers = findMakers(context, flags);
  const onTrouble = (code: string): void => {
    ui.warn(`a request failed: ${code}`);
  };
  return withSession(context, ({ owner, recorder }) =>
    withStore(services, async (store) => {
      const answering = { services, recorder, store, vendor: openVendor(owner) };
      const server = await openServer({
        ...{ host: flags.host, port: flags.port, limits: LIMITS },
        handler: createLicenseHandler({ ...answering, statusUri: flags.statusUri ?? null, makers, onTrouble }),
        certificatePem: services.storage.read(context.toAbsolute(flags.tlsCert)),
        privateKeyPem: readTlsKey(context, flags.tlsKey),
        onTrouble: () => {
          onTrouble('UNKNOWN');
        },
      });
      const stopped = new Promise<void>((done) => {
        context.onStop(done);
      });
      ui.note(`licence server at https://${flags.host}:${server.port}`);
      await stopped;
      ui.note('stopping: no more requests are taken');
      await server.close();
      return EXIT.ok;
    }),
  );
}

interface SyncFlags extends TrustFlags {
  readonly server: string;
  readonly action: LicenseAction;
  readonly ca?: string;
  readonly from?: string;
  readonly out?: string;
}

export function defineSync(command: Command, host: CommandHost): void {
  addTrustOptions(
    command
      .description('Asks the licence server, and takes its answer: contact, renewal, or the seat of a pool.')
      .argument('<license>', 'licence file'),
  )
    .requiredOption('--server <url>', 'address of the licence server, https')
    .addOption(new Option('--action <name>', 'what is asked for').choices(ACTIONS).default('check'))
    .option('--ca <file>', 'authorities to trust instead of those of the system, PEM')
    .option('--from <device>', 'takeover: thumbprint of the device whose seat is taken')
    .option('-o, --out <file>', 'where to write a newer licence');
  addExamples(command, [
    {
      command:
        'modelward license sync acme.license.json --vendor-key vendor.pem --server https://licences.acme.example:8444',
      summary: 'contact; the grace begins anew',
    },
  ]);
  onAction<SyncFlags>(host, command, async (context, flags, words) => {
    const services = openDeviceServices(context, {});
    const trust = readTrust(context, flags);
    const file = services.storage.read(context.toAbsolute(words[0]));
    const request = await makeRequest(services, trust, { file, action: flags.action, isFile: false, from: flags.from });
    const caPem = flags.ca === undefined ? null : services.storage.read(context.toAbsolute(flags.ca));
    const text = await askServer({ server: flags.server, action: flags.action, request, caPem });
    tellTaken(context, services, await acceptAnswer(services, trust, { file, text }), flags.out);
    return EXIT.ok;
  });
}
