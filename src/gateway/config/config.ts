/** The configuration of a gateway: what is served, to whom, and how (docs/spec/gateway-config.md). */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { findFrontFaults } from './front.ts';
import { attestedSchema } from './guest.ts';
import { assertIdentity, identitySchema } from './identity.ts';
import { budgetsSchema, limitsSchema } from './limits.ts';
import { assertCovered, listenSchema } from './listen.ts';
import { modelSchema } from './models.ts';
import { assertBudgets } from './budgets.ts';
import { assertPlatform, platformSchema } from './platform.ts';
import { databaseSchema } from './store.ts';
import { assertOperations, operationsShape } from './operations.ts';
import type { ProtocolName } from '../ports.ts';
import { assertUpstreams, findNothing, PROTOCOL_NAMES, toProtocols, upstreamSchema } from './upstreams.ts';
import { name } from './words.ts';
import { workersSchema } from './workers.ts';

const configSchema = z.strictObject({
  listen: listenSchema.prefault({}),
  /** Certificates that are made inside attested hardware. */
  attested: attestedSchema.optional(),
  platform: platformSchema,
  /** Liveness and readiness of the server are told to anybody, as load balancers and platforms ask. */
  openHealth: z.boolean().default(false),
  protocols: z.array(z.enum(PROTOCOL_NAMES)).min(1).optional(),
  models: z.array(modelSchema).max(256).default([]),
  upstreams: z.array(upstreamSchema).max(64).default([]),
  identity: identitySchema,
  database: databaseSchema,
  limits: limitsSchema,
  /** By tenant, and by model. */
  tenants: z.record(z.string().max(GATEWAY_LIMITS.nameCharsMax), budgetsSchema).default({}),
  budgets: z.record(name, budgetsSchema).default({}),
  integrity: z.strictObject({ sign: z.boolean().default(false), tensors: z.boolean().default(true) }).prefault({}),
  workers: workersSchema,
  ...operationsShape,
});

export type GatewayConfig = Omit<z.infer<typeof configSchema>, 'protocols'> & {
  /** As they were named, or as what is served is asked by. */
  readonly protocols: readonly ProtocolName[];
};
export type ModelConfig = GatewayConfig['models'][number];

/**
 * @param input what YAML or JSON held
 * @throws GatewayError GATEWAY_CONFIG_MALFORMED with every member that is wrong | GATEWAY_CONFIG_EXPOSED: plaintext beyond loopback
 */
export function readGatewayConfig(input: unknown): GatewayConfig {
  const parsed = configSchema.safeParse(input);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path: place, message }) => `${place.join('.') || '(all)'}: ${message}`);
    throw new GatewayError('GATEWAY_CONFIG_MALFORMED', {
      fields: { at: [...findNothing(input), ...faults].slice(0, 16) },
    });
  }
  assertUpstreams(parsed.data);
  const config = { ...parsed.data, protocols: toProtocols(parsed.data) };
  assertRoom(config.limits);
  assertApart(config.models);
  assertOneKey(config.models);
  assertBudgets(config);
  // A platform of containers is the one that reaches the port, and speaks plaintext.
  if (config.platform === undefined) assertCovered(config.listen);
  assertPlatform(config);
  assertOperations(config);
  assertIdentity(config.identity, config.listen);
  return config;
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED for caps that no request could pass */
function assertRoom(limits: GatewayConfig['limits']): void {
  const at = findFrontFaults(limits);
  if (at.length > 0) throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: [...at] } });
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED for a version that is there twice */
function assertApart(models: readonly ModelConfig[]): void {
  const seen = new Set<string>();
  for (const { name: model, version } of models) {
    const id = `${model} ${version}`;
    if (seen.has(id)) throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: [`models: ${id} twice`] } });
    seen.add(id);
  }
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED for a model whose key would come from two places */
function assertOneKey(models: readonly ModelConfig[]): void {
  const at = models.findIndex(({ broker, key, envelope }) => broker !== undefined && (key ?? envelope) !== undefined);
  if (at === -1) return;
  const fields = { at: [`models.${at}.broker: stands in place of key and envelope`] };
  throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields });
}
