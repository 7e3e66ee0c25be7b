/** Checks of an API key's record, before it is written and after it was read (docs/spec/api-keys.md section 3). */
import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { API_KEY_LIMITS as CAPS } from '../../core/limits/api-keys.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { PrincipalLimits } from '../principal.ts';
import { createNetworkCheck } from './networks.ts';
import type { ApiKeyRecord } from './ports.ts';
import { assertScopes } from './scopes.ts';

/** Names of tenants stand in ids of budgets and in the log. */
const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const PRINTABLE = /^[\x20-\x7e]+$/;
const KEY_ID = /^k_[0-9A-Za-z]{16}$/;

const count = (least: number, most: number) => z.int().min(least).max(most);
const timeMs = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Bounds of what is allowed, and of what is seen of answers: for keys, and for rules of a configuration. */
export const limitsShape = z.strictObject({
  perMinute: count(1, CAPS.perMinuteMax),
  burst: count(1, CAPS.burstMax),
  daily: count(0, CAPS.itemsMax).nullable(),
  lifetime: count(0, CAPS.itemsMax).nullable(),
  concurrency: count(1, CAPS.concurrencyMax),
  bodyBytesMax: count(1, GATEWAY_LIMITS.bodyBytesCeiling).nullable(),
  batchMax: count(1, CAPS.batchMax).nullable(),
});

export const outputShape = z.strictObject({
  topK: count(1, 1_000_000).nullable(),
  decimals: count(0, 15).nullable(),
  isLabelOnly: z.boolean(),
  hidden: z.array(z.string().min(1).max(GATEWAY_LIMITS.nameCharsMax)).max(CAPS.hiddenMax),
});

const secretShape = z.strictObject({
  hashHex: z.string().regex(/^[0-9a-f]{64}$/),
  scheme: z.enum(['sha256', 'hmac-sha256']),
  last4: z.string().regex(/^[0-9A-Za-z]{4}$/),
  createdMs: timeMs,
  endsMs: timeMs.nullable(),
  usedMs: timeMs.nullable(),
});

const recordShape = z.strictObject({
  id: z.string().regex(KEY_ID),
  name: z.string().max(CAPS.nameCharsMax).regex(PRINTABLE),
  tenant: z.string().max(CAPS.tenantCharsMax).regex(TENANT),
  scopes: z.array(z.string()),
  limits: limitsShape,
  networks: z.array(z.string()),
  output: outputShape,
  notBeforeMs: timeMs.nullable(),
  expiresMs: timeMs.nullable(),
  createdMs: timeMs,
  revokedMs: timeMs.nullable(),
  secrets: z.array(secretShape).min(1).max(CAPS.secretsMax),
});

/**
 * @throws GatewayError APIKEY_FIELD_INVALID | APIKEY_SCOPE_INVALID | APIKEY_CIDR_INVALID
 */
export function toApiKeyRecord(value: unknown): ApiKeyRecord {
  const parsed = recordShape.safeParse(value);
  if (!parsed.success) throw toFieldError(parsed.error.issues[0].path);
  const record = parsed.data;
  assertScopes(record.scopes);
  createNetworkCheck(record.networks);
  const { notBeforeMs, expiresMs } = record;
  if (notBeforeMs !== null && expiresMs !== null && notBeforeMs >= expiresMs) throw toFieldError(['expiresMs']);
  return record;
}

/** Limits of tokens and certificates, from a configuration. @throws GatewayError APIKEY_FIELD_INVALID */
export function toPrincipalLimits(value: unknown): PrincipalLimits {
  const parsed = limitsShape.safeParse(value);
  if (!parsed.success) throw toFieldError(parsed.error.issues[0].path);
  return parsed.data;
}

export function isTenant(text: string): boolean {
  return text.length <= CAPS.tenantCharsMax && TENANT.test(text);
}

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
}

function toFieldError(path: readonly PropertyKey[]): GatewayError {
  return new GatewayError('APIKEY_FIELD_INVALID', { fields: { at: path.map(String).join('.') } });
}
