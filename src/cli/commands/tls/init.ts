/** `modelward tls init`. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../../../core/errors.ts';
import { initTls, type InitTlsResult } from '../../../workflows/gateway/index.ts';
import { addExamples } from '../../command-spec.ts';
import { openTlsAuthority } from '../../compose.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { askSecret, readSecretFile } from '../../ui/secret.ts';
import { toPairs } from '../../ui/table.ts';

interface InitFlags {
  readonly out: string;
  readonly client?: readonly string[];
  readonly trustDomain?: string;
  readonly keepCa?: boolean;
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

export function defineTlsInit(command: Command, host: CommandHost): void {
  command
    .description(
      'Makes a certificate authority that can vouch for the given names and addresses alone (name constraints, no authority below it), and a certificate of the server for 90 days: ECDSA P-256. The key of the authority is never written, unless --keep-ca keeps it under a passphrase. Keys are files for you alone (0600). Nothing is put into a store of the system: clients are given ca.pem, as "curl --cacert tls/ca.pem https://NAME:8443/…" and NODE_EXTRA_CA_CERTS take it (with a certificate of their own: --cert tls/clients/NAME.pem --key tls/clients/NAME.key). Each --client NAME gets a certificate with the SPIFFE id spiffe://TRUST-DOMAIN/client/NAME, for gateways that ask for one.',
    )
    .argument('[names...]', 'DNS names and addresses of the server (default: localhost 127.0.0.1 ::1)')
    .option('-o, --out <dir>', 'folder for ca.pem, server.pem, server.key and clients/', 'tls')
    .option('--client <names...>', 'also make certificates for these clients')
    .option('--trust-domain <name>', 'of the SPIFFE ids (default: the first DNS name, else modelward.internal)')
    .option('--keep-ca', 'keep the key of the authority in ca.key, under a passphrase, for five years')
    .option('--passphrase-file <file>', 'passphrase of ca.key, from a file that only you can read (default: asked for)')
    .option('--force', 'replace files that are there');
  addExamples(command, [
    { command: 'modelward tls init', summary: 'for trial on this machine: tls/ca.pem, tls/server.pem, tls/server.key' },
    {
      command: 'modelward tls init models.example.com 192.0.2.10 --client acme --client globex -o tls',
      summary: 'a name and an address, and two clients with certificates of their own',
    },
  ]);
  onAction<InitFlags>(host, command, async (context, flags, words) => {
    const result = await initTls(context.services, await openTlsAuthority(), {
      out: context.toAbsolute(flags.out),
      names: words.length === 0 ? ['localhost', '127.0.0.1', '::1'] : words,
      clients: flags.client ?? [],
      trustDomain: flags.trustDomain ?? null,
      passphrase: await readPassphrase(context, flags),
      force: flags.force ?? false,
    });
    context.ui.result(result, ({ style }) => toPairs(toRows(result), style));
    return EXIT.ok;
  });
}

/** @throws CliError CLI_USAGE for a passphrase without --keep-ca */
async function readPassphrase(context: CliContext, { keepCa, passphraseFile }: InitFlags): Promise<Uint8Array | null> {
  if (keepCa !== true) {
    if (passphraseFile !== undefined) {
      throw new CliError('CLI_USAGE', { message: '--passphrase-file goes with --keep-ca: without it no key is kept.' });
    }
    return null;
  }
  if (passphraseFile !== undefined) return readSecretFile(context.toAbsolute(passphraseFile));
  return askSecret({ terminal: context.terminal, prompt: 'Passphrase for the key of the authority', isNew: true });
}

function toRows({ authority, server, clients, days }: InitTlsResult): [string, string][] {
  return [
    ['authority', `${authority.certificate} (give it to clients; it vouches for nothing else)`],
    ['its key', authority.privateKey ?? 'thrown away'],
    ['server', `${server.certificate}, ${server.privateKey}`],
    ['names', server.names.join(', ')],
    ...clients.map(({ id, certificate, privateKey }): [string, string] => [
      'client',
      `${id}: ${certificate}, ${privateKey}`,
    ]),
    ['valid', `${days} days`],
  ];
}
