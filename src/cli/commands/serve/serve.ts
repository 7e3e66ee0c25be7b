/** `modelward serve`: answers queries to models, and never shows their weights. */
import type { Command } from 'commander';
import { CLUSTER_LIMITS } from '../../../core/limits/cluster.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction, withSession } from '../../context.ts';
import { addUpstreamOptions } from './upstreams/flags.ts';
import { addReleasedOptions } from '../broker/released.ts';
import { toCountWithin } from '../values.ts';
import { readConfig, type ServeFlags } from './config-file.ts';
import { addPlatformOption } from './platform/platform.ts';
import { serve } from './run.ts';

interface Flags extends ServeFlags {
  readonly firstKey?: string;
  readonly pepperFile?: string;
}

const collect = (word: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), word];

export function defineServe(command: Command, host: CommandHost): void {
  command
    .description(
      'Answers queries to models over TLS 1.3, to callers with an API key ("modelward apikey create"), and shows weights to nobody. Sealed models run in a process of their own, plain ones in threads. Each answered request is a row of the log, with hashes of input and answer, and no input. SIGTERM or Ctrl-C ends it once the answers under way are given.',
    )
    .argument('[config]', 'YAML or JSON file (docs/spec/gateway-config.md)')
    .option('--model <name=file>', 'a model to serve: NAME=FILE or NAME@VERSION=FILE; again for more', collect)
    .option('--key <uri>', "key of sealed models (default: the home's)")
    .option('--envelope <file>', 'key envelope of a sealed model')
    .option('--host <address>', 'address to listen at (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen at; 0 for a free one (default: 8443)', toCountWithin(0, 65_535))
    .option('--tls-cert <file>', 'certificate of the server and those above it, PEM')
    .option('--tls-key <file>', 'its private key, PEM, not encrypted, readable by its owner alone')
    .option('--plaintext', 'no TLS: on loopback, behind a proxy of this machine')
    .option(
      '--protocol <name>',
      'oip, oip-grpc, openai, torchserve, vertex, sagemaker or plain; again for more',
      collect,
    )
    .option(
      '--workers <number>',
      'processes that answer, each with the models anew; limits are counted over all (default: 1)',
      toCountWithin(1, CLUSTER_LIMITS.workersMax),
    )
    .option('--instances <number>', 'runs of each model at a time', toCountWithin(1, 64))
    .option('--threads <number>', 'threads inside one run', toCountWithin(1, 64))
    .option('--pepper-file <file>', 'secret by which the hashes of API keys were made, mode 600');
  command.option(
    '--first-key <file>',
    'where there is no API key yet: make one for all models, in this file of mode 600',
  );
  addUpstreamOptions(command);
  addReleasedOptions(command, 'with --broker: ');
  addPlatformOption(command);
  addExamples(command, [
    { command: 'modelward serve gateway.yaml', summary: 'as the file says' },
    {
      command: 'modelward serve --model digits=net.seal --tls-cert tls/server.pem --tls-key tls/server.key',
      summary: 'one sealed model, by the key of the home',
    },
    {
      command:
        'modelward serve --upstream llama=http://localhost:8000 --protocol openai --tls-cert tls/server.pem --tls-key tls/server.key',
      summary: 'in front of a server of text models',
    },
    {
      command:
        'modelward serve --model digits=net.seal --tls-cert tls/server.pem --tls-key tls/server.key --broker https://keys.example.com:8443 --resource models/key/digits --tee snp',
      summary: 'inside a confidential VM: the key comes from a broker',
    },
  ]);
  onAction<Flags>(host, command, (context, flags, words) => {
    // What is to be read anew is read in a moment; without this, a service that is told so now would end.
    context.onReload(() => undefined);
    return withSession(context, async (session) => {
      const read = () => readConfig(context, words.at(0), flags);
      return serve({ context, session, config: await read(), flags, readConfig: read });
    });
  });
}
