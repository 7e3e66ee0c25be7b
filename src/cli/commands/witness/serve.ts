/** `modelward witness serve`. */
import type { Command } from 'commander';
import { CliError, EXIT } from '../../../core/errors.ts';
import { LEDGER_LIMITS } from '../../../core/limits/ledger.ts';
import { toPrintable } from '../../../core/printable.ts';
import { openHomeWitness, type ServedWitness } from '../../../workflows/witness/witness.ts';
import { addExamples } from '../../command-spec.ts';
import { openLoopbackServer, openServer } from '../../compose.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { readTlsKey } from '../tls-key.ts';
import { toCountWithin } from '../values.ts';

interface ServeFlags {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly http?: boolean;
  readonly host: string;
  readonly port: number;
}

const LIMITS = { ...LEDGER_LIMITS, bodyBytesMax: LEDGER_LIMITS.witnessRequestBytesMax };

export function defineWitnessServe(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers POST /add-checkpoint over TLS 1.3: 200 with the cosignature, 404 for a ledger that it was not told of, 403 for a wrong signature, 409 with the size that it knows, 422 for a proof that does not hold. What is cosigned is on disk before the cosignature is sent. Two processes cannot serve one witness. SIGTERM or Ctrl-C ends it.',
    )
    .option('--tls-cert <file>', 'certificate of the server and those above it, PEM')
    .option('--tls-key <file>', 'its private key, PEM, not encrypted, readable by its owner alone')
    .option('--http', 'without TLS, at a loopback address: for a proxy with TLS on this machine')
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--port <number>', 'port to listen at; 0 for a free one', toCountWithin(0, 65_535), 8445);
  addExamples(command, [
    {
      command: 'modelward witness serve --tls-cert server.pem --tls-key server.key --host 0.0.0.0',
      summary: 'for ledgers of other machines',
    },
    { command: 'modelward witness serve --http', summary: 'behind a proxy on this machine' },
  ]);
  onAction<ServeFlags>(host, command, serve);
}

async function serve(context: CliContext, flags: ServeFlags): Promise<typeof EXIT.ok> {
  const { ui } = context;
  const onTrouble = (code: string): void => {
    ui.warn(`a request failed: ${code}`);
  };
  const witness = await openHomeWitness(context.services, {
    onTrouble,
    onFork: ({ origin, size }) => {
      ui.warn(`${toPrintable(origin)} signed two different trees of size ${size}; both notes are kept`);
    },
  });
  try {
    const server = await listen(context, flags, witness, onTrouble);
    const stopped = new Promise<void>((done) => {
      context.onStop(done);
    });
    const scheme = flags.http === true ? 'http' : 'https';
    ui.note(`witness ${witness.verifierKey} at ${scheme}://${flags.host}:${server.port}`);
    await stopped;
    ui.note('stopping: no more requests are taken');
    await server.close();
    return EXIT.ok;
  } finally {
    witness.close();
  }
}

async function listen(
  context: CliContext,
  flags: ServeFlags,
  { handler }: ServedWitness,
  onTrouble: (code: string) => void,
): ReturnType<typeof openServer> {
  const { host, port, http = false, tlsCert, tlsKey } = flags;
  const tell = (): void => {
    onTrouble('UNKNOWN');
  };
  const options = { host, port, limits: LIMITS, handler, onTrouble: tell };
  if (http && tlsCert === undefined && tlsKey === undefined) return openLoopbackServer(options);
  if (http || tlsCert === undefined || tlsKey === undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give --tls-cert and --tls-key, or --http alone.' });
  }
  return openServer({
    ...options,
    certificatePem: context.services.storage.read(context.toAbsolute(tlsCert)),
    privateKeyPem: readTlsKey(context, tlsKey),
  });
}
