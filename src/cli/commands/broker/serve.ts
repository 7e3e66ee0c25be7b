/** `modelward broker serve`. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { BROKER_LIMITS } from '../../../core/limits/broker.ts';
import { openHomeBroker } from '../../../workflows/broker/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openServer } from '../../compose.ts';
import { type CliContext, type CommandHost, onAction, withSession } from '../../context.ts';
import { readTlsKey } from '../tls-key.ts';
import { toCountWithin } from '../values.ts';

interface ServeFlags {
  readonly policy: string;
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly host: string;
  readonly port: number;
  readonly key?: string;
  readonly collateral?: readonly string[];
}

export function defineBrokerServe(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers the KBS protocol (0.4) over TLS 1.3: challenge, attestation, key. A key leaves only as JWE to the key that the evidence is bound to, only for a machine that the policy of the resource accepts, and only when the release is durable in the ledger; every refusal is recorded. Policy and collateral are read once, at the start. SIGTERM or Ctrl-C ends it.',
    )
    .requiredOption('--policy <file>', 'broker policy (docs/spec/key-broker.md)')
    .requiredOption('--tls-cert <file>', 'certificate of the server and those above it, PEM')
    .requiredOption('--tls-key <file>', 'its private key, PEM, not encrypted, readable by its owner alone')
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--port <number>', 'port to listen at; 0 for a free one', toCountWithin(0, 65_535), 8443)
    .option('--key <uri>', 'key that unwraps the data keys (default: the one in the home)')
    .option(
      '--collateral <files...>',
      'certificates, revocation lists and collateral that guests do not send; files, or folders of "attest fetch"',
    );
  addExamples(command, [
    {
      command: 'modelward broker serve --policy broker.json --tls-cert server.pem --tls-key server.key',
      summary: 'for guests of this machine',
    },
  ]);
  onAction<ServeFlags>(host, command, (context, flags) =>
    withSession(context, (session) => serve(context, flags, session)),
  );
}

async function serve(
  context: CliContext,
  flags: ServeFlags,
  session: Parameters<typeof openHomeBroker>[1],
): Promise<typeof EXIT.ok> {
  const { ui, services } = context;
  const onTrouble = (code: string): void => {
    ui.warn(`a request failed: ${code}`);
  };
  const broker = await openHomeBroker(services, session, {
    policyPath: context.toAbsolute(flags.policy),
    keyUri: flags.key ?? null,
    collateralPaths: (flags.collateral ?? []).map((file) => context.toAbsolute(file)),
    onTrouble,
  });
  try {
    const server = await openServer({
      ...{ host: flags.host, port: flags.port, limits: BROKER_LIMITS, handler: broker.handler },
      certificatePem: services.storage.read(context.toAbsolute(flags.tlsCert)),
      privateKeyPem: readTlsKey(context, flags.tlsKey),
      onTrouble: () => {
        onTrouble('UNKNOWN');
      },
    });
    const stopped = new Promise<void>((done) => {
      context.onStop(done);
    });
    ui.note(`key broker at https://${flags.host}:${server.port}, policy ${broker.policy.digestHex}`);
    await stopped;
    ui.note('stopping: no more requests are taken');
    await server.close();
    return EXIT.ok;
  } finally {
    await broker.close();
  }
}
