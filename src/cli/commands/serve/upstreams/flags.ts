/** `--upstream`: a server behind the gateway without a file of configuration. */
import type { Command } from 'commander';
import { CliError } from '../../../../core/errors.ts';

export interface UpstreamFlags {
  readonly upstream?: readonly string[];
  readonly protocol?: readonly string[];
}

const collect = (word: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), word];

export function addUpstreamOptions(command: Command): Command {
  return command.option(
    '--upstream <name=url>',
    'a model of an inference server: NAME=https://HOST[:PORT], which speaks the first --protocol (default: oip); again for more',
    collect,
  );
}

/** Members of the configuration; each server has one model, which it calls as callers do. @throws CliError CLI_USAGE */
export function toUpstreamMembers({ upstream, protocol }: UpstreamFlags): Record<string, unknown> {
  if (upstream === undefined) return {};
  const upstreams = upstream.map((word) => {
    const at = word.indexOf('=');
    if (at <= 0) throw new CliError('CLI_USAGE', { message: '--upstream is NAME=URL.' });
    const name = word.slice(0, at);
    return { name, url: word.slice(at + 1), protocol: protocol?.at(0) ?? 'oip', models: [{ name }] };
  });
  return { upstreams };
}
