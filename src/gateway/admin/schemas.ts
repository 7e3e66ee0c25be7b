/** What goes in and out of the admin API; docs/openapi/admin.json is made from it. */
import { z } from 'zod';
import { ADMIN_LIMITS } from '../../core/limits/admin.ts';
import { API_KEY_LIMITS as CAPS, RATE_LIMITS } from '../../core/limits/api-keys.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';

const text = (max: number) => z.string().min(1).max(max);
const nameText = text(GATEWAY_LIMITS.nameCharsMax);
const count = (least: number, most: number) => z.int().min(least).max(most);
/** RFC 3339, UTC. */
const time = z.iso.datetime();

export const keyId = z.string().regex(/^k_[0-9A-Za-z]{16}$/);
/** A number in a query. */
const countText = (most: number, otherwise: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/)
    .default(String(otherwise))
    .transform(Number)
    .pipe(z.int().min(1).max(most));

const limits = z.strictObject({
  perMinute: count(1, CAPS.perMinuteMax).default(RATE_LIMITS.defaultPerMinute).describe('Sustained rate of requests.'),
  burst: count(1, CAPS.burstMax).default(RATE_LIMITS.defaultBurst).describe('Requests that may come at once.'),
  daily: count(0, CAPS.itemsMax).nullable().default(null).describe('Rows of a day (UTC).'),
  lifetime: count(0, CAPS.itemsMax).nullable().default(null).describe('Rows of all time.'),
  concurrency: count(1, CAPS.concurrencyMax).default(RATE_LIMITS.defaultConcurrency).describe('Requests at work.'),
  bodyBytesMax: count(1, GATEWAY_LIMITS.bodyBytesCeiling).nullable().default(null),
  batchMax: count(1, CAPS.batchMax).nullable().default(null).describe('Rows of one request.'),
});

const output = z.strictObject({
  topK: count(1, 1_000_000).nullable().default(null),
  decimals: count(0, 15).nullable().default(null),
  isLabelOnly: z.boolean().default(false),
  hidden: z.array(nameText).max(CAPS.hiddenMax).default([]),
});

export const keyTerms = z
  .strictObject({
    name: text(CAPS.nameCharsMax),
    tenant: text(CAPS.tenantCharsMax),
    scopes: z.array(text(GATEWAY_LIMITS.nameCharsMax + 8)).max(CAPS.scopesMax),
    limits: limits.prefault({}),
    networks: z.array(text(64)).max(CAPS.cidrsMax).default([]).describe('ADDRESS/BITS; empty: all addresses.'),
    output: output.prefault({}),
    notBefore: time.nullable().default(null),
    expires: time.nullable().default(null),
  })
  .meta({ id: 'KeyTerms' });

export const keyView = z
  .strictObject({
    id: keyId,
    ...{ name: z.string(), tenant: z.string(), scopes: z.array(z.string()), limits, networks: z.array(z.string()), output },
    ...{ notBefore: time.nullable(), expires: time.nullable(), created: time, revoked: time.nullable() },
    standing: z.enum(['active', 'rotating', 'pending', 'expired', 'revoked']),
    secrets: z.array(
      z.strictObject({ last4: z.string(), created: time, ends: time.nullable(), lastUsed: time.nullable() }),
    ),
  })
  .meta({ id: 'Key' }); // biome-ignore format: members in groups

export const issuedKey = z
  .strictObject({
    key: keyView,
    apiKey: z.string().describe('The key itself: shown here, once, and kept nowhere.'),
    tagKey: z.string().describe('base64url: by which the caller checks the integrity tags of his answers.'),
  })
  .meta({ id: 'IssuedKey' });

export const keyPage = z
  .strictObject({ keys: z.array(keyView), next: keyId.nullable().describe('Pass it as "after" for the next page.') })
  .meta({ id: 'KeyPage' });

export const keyQuery = z.strictObject({
  after: keyId.optional(),
  count: countText(ADMIN_LIMITS.keysPerPage, 100),
});

export const rotation = z
  .strictObject({
    overlapSec: count(0, CAPS.overlapSecMax).describe('How long the older secret is valid; 0 ends it now.'),
  })
  .meta({ id: 'Rotation' });

const tensor = z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(z.int().nullable()) });

export const modelView = z
  .strictObject({
    ...{ name: z.string(), version: z.string(), isReady: z.boolean() },
    load: z.int().min(0).describe('Requests that wait or run.'),
    isBatched: z.boolean().describe('Whether requests share runs.'),
    ...{ inputs: z.array(tensor), outputs: z.array(tensor) },
  })
  .meta({ id: 'Model' });

export const modelList = z.strictObject({ models: z.array(modelView) }).meta({ id: 'ModelList' });
const allowSignatureChange = z.boolean().default(false).describe('Whether a version may take or give other tensors.');
export const reloadTerms = z
  .strictObject({ version: nameText.optional(), allowSignatureChange })
  .meta({ id: 'Reload' });
export const configTerms = z.strictObject({ allowSignatureChange }).meta({ id: 'ConfigReload' });
export const configChange = z
  .strictObject({ changed: z.array(z.string()).describe('Members that are others than before.') })
  .meta({ id: 'ConfigChange' });

export const useView = z
  .strictObject({
    subject: z.string().describe('key:ID, tenant:NAME or model:NAME.'),
    kind: z.enum(['daily', 'lifetime']),
    limit: z.int().min(0),
    used: z.int().min(0).describe('With what processes hold in advance.'),
  })
  .meta({ id: 'Use' });

export const useList = z.strictObject({ uses: z.array(useView) }).meta({ id: 'UseList' });
export const useQuery = z.strictObject({ key: keyId.optional() });

const hash = z.string().regex(/^[0-9a-f]{64}$/);

export const logQuery = z.strictObject({
  principal: text(200).optional(),
  tenant: nameText.optional(),
  model: nameText.optional(),
  status: z.string().regex(/^[1-5][0-9]{2}$/).transform(Number).pipe(z.int()).optional(),
  code: text(64).optional(),
  requestId: text(36).optional(),
  inputHash: hash.optional().describe('Of the body or of the tensors.'),
  since: time.optional(),
  until: time.optional().describe('Not including.'),
  order: z.enum(['newest', 'oldest']).default('newest'),
  cursor: text(200).regex(/^[A-Za-z0-9_-]+$/).optional().describe('"next" of the page before, with the same query.'),
  count: countText(ADMIN_LIMITS.rowsPerPage, 100),
}); // biome-ignore format: a parameter a line

const logRow = z
  .strictObject({
    ...{ time, requestId: z.string(), principal: z.string(), tenant: z.string(), model: z.string() },
    ...{ version: z.string(), protocol: z.string(), status: z.int(), code: z.string().nullable(), items: z.int() },
    ...{ inputBytes: z.int(), answerBytes: z.int(), durationUs: z.int(), inputHash: hash },
    ...{ tensorHash: hash.nullable(), isInputKeyed: z.boolean(), answerHash: hash.nullable() },
    ...{ stream: z.string(), index: z.int() },
  })
  .meta({ id: 'LogRow' });

export const logPage = z
  .strictObject({ requests: z.array(logRow), next: z.string().nullable() })
  .meta({ id: 'LogPage' });

export const health = z.strictObject({ status: z.enum(['live', 'ready', 'not ready']) }).meta({ id: 'Health' });
export const draining = z.strictObject({ isDraining: z.literal(true) }).meta({ id: 'Draining' });
export const shownConfig = z.record(z.string(), z.unknown()).meta({ id: 'Config' });

export const errorBody = z
  .strictObject({
    error: z.strictObject({
      code: z.string(),
      message: z.string(),
      fields: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .meta({ id: 'Error' });

export type KeyTerms = z.output<typeof keyTerms>;
export type KeyView = z.output<typeof keyView>;
export type ModelView = z.output<typeof modelView>;
export type UseView = z.output<typeof useView>;
export type LogQueryView = z.output<typeof logQuery>;
export type LogPageView = z.output<typeof logPage>;
