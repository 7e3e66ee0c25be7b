/** `--platform`: what the contract of a platform says of port and paths is taken from its variables. */
import { type Command, Option } from 'commander';

export interface PlatformFlags {
  readonly platform?: 'sagemaker' | 'vertex';
}

export function addPlatformOption(command: Command): void {
  const words =
    'in a container of this platform, which alone reaches it: its port and paths, and callers without a name';
  command.addOption(new Option('--platform <name>', words).choices(['sagemaker', 'vertex']));
}

type Members = Record<string, unknown>;
type Env = Readonly<Record<string, string | undefined>>;

interface Outside {
  readonly env: Env;
  readonly warn: (words: string) => void;
}

export function isOfPlatform(file: Members, { platform }: PlatformFlags): boolean {
  return platform !== undefined || 'platform' in file;
}

/**
 * The configuration with what the platform says where it says nothing. With the flag, whoever comes through the platform may
 * ask the models of `--model`; a file says that itself.
 * @see https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
 * @see https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
 */
export function withPlatform(config: Members, flags: PlatformFlags, { env, warn }: Outside): Members {
  if (!isOfPlatform(config, flags)) return config;
  warn('callers are not asked who they are: whoever reaches the port may ask. Only the platform may reach it.');
  const given = config.platform as { readonly kind?: unknown } | undefined;
  const kind = flags.platform ?? given?.kind;
  const platform = { ...toRoutes(kind, env), anonymous: { scopes: toScopes(config) }, ...given, kind };
  return {
    openHealth: true,
    protocols: [kind],
    ...config,
    listen: { host: '0.0.0.0', port: toPort(kind, env), ...(config.listen as object) },
    platform,
  };
}

const PORT = 8080;

function toPort(kind: unknown, env: Env): number {
  const text = kind === 'vertex' ? env.AIP_HTTP_PORT : env.SAGEMAKER_BIND_TO_PORT;
  return text === undefined || text === '' ? PORT : Number(text);
}

function toRoutes(kind: unknown, env: Env): Members {
  const { AIP_PREDICT_ROUTE: predictRoute, AIP_HEALTH_ROUTE: healthRoute } = kind === 'vertex' ? env : {};
  return { ...(predictRoute && { predictRoute }), ...(healthRoute && { healthRoute }) };
}

function toScopes({ models }: Members): string[] {
  const names = (models as readonly { readonly name: string }[] | undefined)?.map(({ name }) => name) ?? [];
  return [...new Set(names)].map((name) => `infer:${name}`);
}
