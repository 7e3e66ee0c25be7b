/** How a gateway is watched and changed while it runs: its admin listener, numbers, journal, telemetry, and what is kept of the log. */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { METRICS_LIMITS, TELEMETRY_LIMITS } from '../../core/limits/metrics.ts';
import { assertCovered, isLoopback, listenSchema } from './listen.ts';
import { path } from './words.ts';

const adminSchema = listenSchema.extend({
  port: z.int().min(0).max(65_535).default(8444),
  /** `/metrics` is told to anybody who reaches it: on loopback alone. */
  openMetrics: z.boolean().default(false),
});

const metricsSchema = z.strictObject({
  /** So many callers who ask most have numbers of their own; 0 names none. */
  topCallers: z.int().min(0).max(METRICS_LIMITS.topCallersMax).default(0),
});

const journalSchema = z.strictObject({
  /** Lines are put behind what is in it; without it they go to standard error. */
  file: path.optional(),
  level: z.enum(['info', 'warn', 'error']).default('info'),
  /** Answered requests that have a line. */
  lines: z.enum(['none', 'failures', 'refusals', 'all']).default('none'),
});

/** Names by the conventions of OpenTelemetry: `deployment.environment.name`. */
const resource = z
  .record(z.string().regex(/^[a-z][a-z0-9_.]{0,127}$/), z.string().min(1).max(256))
  .refine((members) => Object.keys(members).length <= 32, 'at most 32 members')
  .default({});

const telemetrySchema = z.strictObject({
  /** Of a collector (OTLP over HTTP), without `/v1/…`: https, or http on this machine. */
  url: z.string().min(1).max(1024),
  /** Lines `name: value`, mode 600: what the collector wants to see. */
  headersFile: path.optional(),
  /** PEM: who signs the collector's certificate; the system's authorities without it. */
  authority: path.optional(),
  /** Part of the requests of which a span is told. */
  sampleRatio: z.number().min(0).max(1).default(0),
  /** Whether callers decide that their requests are told. */
  trustCallers: z.boolean().default(false),
  metrics: z.boolean().default(true),
  temporality: z.enum(['cumulative', 'delta']).default('cumulative'),
  everyMs: z.int().min(100).max(3_600_000).default(TELEMETRY_LIMITS.everyMs),
  resource,
});

const logSchema = z.strictObject({
  /** Today and so many days before it stay; all of them without. */
  retentionDays: z.int().min(1).max(36_500).optional(),
  /** 32 bytes or more in hex, mode 600: hashes of inputs are HMACs under it, which nobody else can try inputs against. */
  hashKeyFile: path.optional(),
});

/** Members of a configuration. */
export const operationsShape = {
  admin: adminSchema.optional(),
  metrics: metricsSchema.prefault({}),
  journal: journalSchema.optional(),
  telemetry: telemetrySchema.optional(),
  log: logSchema.prefault({}),
};

export type OperationsConfig = z.infer<z.ZodObject<typeof operationsShape>>;
export type AdminConfig = NonNullable<OperationsConfig['admin']>;
export type JournalConfig = NonNullable<OperationsConfig['journal']>;
export type TelemetryConfig = NonNullable<OperationsConfig['telemetry']>;

/** @throws GatewayError GATEWAY_CONFIG_EXPOSED | GATEWAY_CONFIG_MALFORMED */
export function assertOperations({ admin }: OperationsConfig): void {
  if (admin === undefined) return;
  assertCovered(admin);
  if (admin.openMetrics && !isLoopback(admin.host)) {
    throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: ['admin.openMetrics: on loopback alone'] } });
  }
}

/** @param at makes a path that counts from the folder of the configuration absolute */
export function toAbsoluteOperations(config: OperationsConfig, at: (path: string) => string): OperationsConfig {
  const maybe = <K extends string>(key: K, file: string | undefined): Partial<Record<K, string>> =>
    file === undefined ? {} : ({ [key]: at(file) } as Record<K, string>);
  const { admin, metrics, journal, telemetry, log } = config;
  return {
    ...(admin !== undefined && { admin: { ...admin, ...toAbsoluteTls(admin, at) } }),
    metrics,
    ...(journal !== undefined && { journal: { ...journal, ...maybe('file', journal.file) } }),
    ...(telemetry !== undefined && {
      telemetry: {
        ...telemetry,
        ...maybe('headersFile', telemetry.headersFile),
        ...maybe('authority', telemetry.authority),
      },
    }),
    log: { ...log, ...maybe('hashKeyFile', log.hashKeyFile) },
  };
}

function toAbsoluteTls({ tls }: AdminConfig, at: (path: string) => string): Pick<AdminConfig, 'tls'> {
  if (tls === undefined) return {};
  const { clientAuthorities, revocations } = tls;
  return {
    tls: {
      ...tls,
      ...{ cert: at(tls.cert), key: at(tls.key) },
      ...(clientAuthorities !== undefined && { clientAuthorities: at(clientAuthorities) }),
      ...(revocations !== undefined && { revocations: at(revocations) }),
    },
  };
}
