/**
 * Platforms that run containers and stand in front of them: their own identity management says who may ask, and the container
 * is not told who did. Nothing is open without these lines: they name who everybody behind that front is, and what he may.
 */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS, RATE_LIMITS } from '../../core/limits/api-keys.ts';
import { limitsShape, outputShape } from '../identity/record.ts';
import { assertScopes } from '../identity/scopes.ts';
import type { Principal } from '../principal.ts';

const route = z
  .string()
  .max(256)
  .regex(/^(?:\/(?!\.)[A-Za-z0-9._:-]+)+$/);

export const platformSchema = z
  .strictObject({
    kind: z.enum(['sagemaker', 'vertex']),
    /** Of Vertex AI. */
    predictRoute: route.default('/predict'),
    healthRoute: route.default('/health'),
    /** Everybody whom the platform lets through. */
    anonymous: z.strictObject({
      tenant: z.string().min(1).max(API_KEY_LIMITS.tenantCharsMax).default('platform'),
      scopes: z.array(z.string().max(256)).min(1).max(API_KEY_LIMITS.scopesMax),
      limits: limitsShape.partial().default({}),
      output: outputShape.partial().default({}),
    }),
  })
  .optional();

export type PlatformConfig = z.infer<typeof platformSchema>;

/** Who asks, where nobody is told apart. */
export function toPlatformPrincipal({ kind, anonymous }: NonNullable<PlatformConfig>): Principal {
  const { tenant, scopes, limits, output } = anonymous;
  return {
    ...{ id: `platform:${kind}`, kind: 'platform', tenant, scopes, tagKey: null },
    limits: {
      ...{ perMinute: RATE_LIMITS.defaultPerMinute, burst: RATE_LIMITS.defaultBurst },
      ...{ concurrency: RATE_LIMITS.defaultConcurrency, daily: null, lifetime: null },
      ...{ bodyBytesMax: null, batchMax: null, ...limits },
    },
    output: { topK: null, decimals: null, isLabelOnly: false, hidden: [], ...output },
  };
}

interface Rest {
  readonly platform?: PlatformConfig;
  readonly protocols: readonly string[];
  readonly listen: { readonly tls?: object | undefined };
}

/** @throws GatewayError GATEWAY_CONFIG_MALFORMED | APIKEY_SCOPE_INVALID */
export function assertPlatform({ platform, protocols, listen }: Rest): void {
  if (platform === undefined) return;
  const { kind, anonymous } = platform;
  // Any other route would be open to everybody, too.
  if (protocols.some((name) => name !== kind)) refuse(`protocols: with platform ${kind} that one alone`);
  if (listen.tls !== undefined) refuse('platform: it speaks plaintext to the container, listen.tls is of no use');
  assertScopes(anonymous.scopes);
  const admin = anonymous.scopes.find((scope) => !/^(?:infer|meta):/.test(scope));
  if (admin !== undefined) refuse('platform.anonymous.scopes: infer and meta alone');
}

function refuse(at: string): never {
  throw new GatewayError('GATEWAY_CONFIG_MALFORMED', { fields: { at: [at] } });
}
