/** The configuration of `modelward serve`: a YAML or JSON file, or flags for one model. */
import { dirname, resolve } from 'node:path';
import { CliError, GatewayError } from '../../../core/errors.ts';
import {
  type GatewayConfig,
  readGatewayConfig,
  toAbsoluteOperations,
  toAbsoluteUpstreams,
} from '../../../gateway/index.ts';
import type { CliContext } from '../../context.ts';
import { parseConfigText } from './config-text.ts';
import { toAbsoluteIdentity } from './identity/paths.ts';
import { toAbsoluteDatabase, toAbsoluteStore } from './stores/paths.ts';
import type { ReleasedFlags } from '../broker/released.ts';
import { toAbsoluteAttested, toAttestedListen } from './broker/attested.ts';
import { toAbsoluteBroker, toBrokerMember } from './broker/released.ts';
import { isOfPlatform, type PlatformFlags, withPlatform } from './platform/platform.ts';
import { toUpstreamMembers, type UpstreamFlags } from './upstreams/flags.ts';

/** A configuration of 256 models is some 64 KiB. */
const FILE_BYTES_MAX = 1024 * 1024;

export interface ServeFlags extends Partial<ReleasedFlags>, PlatformFlags, UpstreamFlags {
  readonly model?: readonly string[];
  readonly key?: string;
  readonly envelope?: string;
  readonly host?: string;
  readonly port?: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly plaintext?: boolean;
  readonly workers?: number;
  readonly instances?: number;
  readonly threads?: number;
}

/** @throws CliError CLI_USAGE; GatewayError GATEWAY_CONFIG_MALFORMED | GATEWAY_CONFIG_EXPOSED; SourceError */
export async function readConfig(
  context: CliContext,
  path: string | undefined,
  flags: ServeFlags,
): Promise<GatewayConfig> {
  if (path !== undefined) {
    const at = context.toAbsolute(path);
    return toAbsolutePaths(readGatewayConfig(mergeFlags(context, await readFile(context, at), flags)), dirname(at));
  }
  if (flags.model === undefined && flags.upstream === undefined) {
    throw new CliError('CLI_USAGE', { message: 'Give a configuration, --model NAME=FILE, or --upstream NAME=URL.' });
  }
  return toAbsolutePaths(readGatewayConfig(mergeFlags(context, {}, flags)), context.toAbsolute('.'));
}

async function readFile({ services }: CliContext, path: string): Promise<Record<string, unknown>> {
  const bytes = services.storage.read(path);
  if (bytes.length > FILE_BYTES_MAX) throw toMalformed('the file is larger than 1 MiB');
  let value: unknown;
  try {
    value = await parseConfigText(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw toMalformed('neither YAML nor JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw toMalformed('no members');
  return value as Record<string, unknown>;
}

function toMalformed(reason: string): GatewayError {
  return new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: [reason] } });
}

/** Flags stand above the file. */
function mergeFlags(context: CliContext, file: Record<string, unknown>, flags: ServeFlags): Record<string, unknown> {
  const { host, port, tlsCert, tlsKey, plaintext } = flags;
  const tls = tlsCert === undefined && tlsKey === undefined ? {} : { tls: { cert: tlsCert, key: tlsKey } };
  const given = { ...(file.listen as object | undefined), ...pick({ host, port }), ...tls };
  const listen = toAttestedListen(context, 'attested' in file, given);
  if (plaintext !== true && !('tls' in listen) && !isOfPlatform(file, flags)) {
    const message =
      'Give --tls-cert and --tls-key ("modelward tls init" makes them), or --plaintext behind a proxy on this machine.';
    throw new CliError('CLI_USAGE', { message });
  }
  const models = flags.model === undefined ? {} : { models: flags.model.map((word) => toModel(word, flags)) };
  const protocols = flags.protocol === undefined ? {} : { protocols: flags.protocol };
  const { workers } = flags;
  const merged = { ...file, listen, ...models, ...toUpstreamMembers(flags), ...protocols, ...pick({ workers }) };
  return withPlatform(merged, flags, {
    env: process.env,
    warn: (words) => {
      context.ui.warn(words);
    },
  });
}

/** `NAME=FILE` or `NAME@VERSION=FILE`. @throws CliError CLI_USAGE */
function toModel(word: string, flags: ServeFlags): Record<string, unknown> {
  const parts = /^([^=@]+)(?:@([^=]+))?=(.+)$/.exec(word);
  if (parts === null) throw new CliError('CLI_USAGE', { message: '--model is NAME=FILE, or NAME@VERSION=FILE.' });
  const [, name, version, file] = parts;
  const { key, envelope, instances, threads } = flags;
  return { name, file, ...pick({ version, key, envelope, instances, threads }), ...toBrokerMember(flags) };
}

function pick(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Paths of a file count from its folder. */
function toAbsolutePaths(config: GatewayConfig, folder: string): GatewayConfig {
  const at = (path: string): string => resolve(folder, path);
  const maybe = <K extends string>(key: K, path: string | undefined): Partial<Record<K, string>> =>
    path === undefined ? {} : ({ [key]: at(path) } as Record<K, string>);
  const { tls } = config.listen;
  const files =
    tls === undefined
      ? {}
      : {
          tls: {
            ...tls,
            ...{ cert: at(tls.cert), key: at(tls.key) },
            ...maybe('clientAuthorities', tls.clientAuthorities),
            ...maybe('revocations', tls.revocations),
          },
        };
  const models = config.models.map((model) => ({
    ...model,
    file: at(model.file),
    ...maybe('dataRoot', model.dataRoot),
    ...maybe('envelope', model.envelope),
    ...toAbsoluteBroker(model, at),
  }));
  const upstreams = toAbsoluteUpstreams(config.upstreams, at);
  const { identity, limits, database } = config;
  return {
    ...config,
    identity: toAbsoluteIdentity(identity, at),
    limits: { ...limits, store: toAbsoluteStore(limits.store, at) },
    database: toAbsoluteDatabase(database, at),
    listen: { ...config.listen, ...files },
    models,
    upstreams,
    ...toAbsoluteAttested(config, at),
    ...toAbsoluteOperations(config, at),
  };
}
