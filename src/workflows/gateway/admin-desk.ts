/** What the admin API works with, put together: keys with their ledger, models, budgets, the log, the configuration. */
import type { Database } from '../../core/database.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  type Actor,
  type AdminDesk,
  type BudgetLimits,
  findCursor,
  type KeyOffice,
  type KeyTerms,
  type KeyView,
  type LogPageView,
  type LogQueryView,
  type LogTables,
  type OpenedModel,
  readLogPage,
  toDay,
  toCursorText,
  toShownConfig,
  type UseView,
} from '../../gateway/index.ts';
import type { ApiKeyRecord, ApiKeyStore, BudgetPeriod, BudgetStore, Metrics } from '../../gateway/ports.ts';
import {
  type ApiKeyDesk,
  createApiKey,
  findApiKey,
  type IssuedApiKey,
  revokeApiKey,
  rotateApiKey,
  toStanding,
} from './api-keys.ts';
import { toRequestLine } from './log.ts';

type ConfiguredBudgets = Readonly<Record<'tenants' | 'models', ReadonlyMap<string, BudgetLimits>>>;

/** As much of a version as is shown. */
export type SeenModel = Pick<OpenedModel, 'name' | 'version' | 'isReady' | 'isBatched' | 'load' | 'signature'>;

export interface AdminDeskOptions {
  readonly keys: ApiKeyDesk;
  readonly models: { list(): readonly SeenModel[] };
  readonly reloadModel: AdminDesk['reloadModel'];
  readonly reloadConfig: AdminDesk['reloadConfig'];
  readonly budgets: Pick<BudgetStore, 'readUsed'>;
  /** Budgets of the configuration in force. */
  readonly budgetLimits: () => ConfiguredBudgets;
  readonly log: Database<LogTables>;
  readonly config: () => unknown;
  readonly readMetrics: () => Promise<Metrics>;
  readonly isReady: () => boolean;
  readonly drain: () => void;
}

export function createAdminDesk(options: AdminDeskOptions): AdminDesk {
  const { keys, models, log, config, readMetrics, reloadModel, reloadConfig, isReady, drain } = options;
  return {
    ...{ isReady, readMetrics, reloadModel, reloadConfig, drain },
    keys: toKeyOffice(keys),
    models: () =>
      models
        .list()
        .map(({ name, version, isReady: isModelReady, load, isBatched, signature: { inputs, outputs } }) => ({
          ...{ name, version, isReady: isModelReady, load, isBatched },
          ...{ inputs: inputs.map(toShownTensor), outputs: outputs.map(toShownTensor) },
        })),
    readUses: (keyId) => readUses(options, keyId),
    readLog: (query) => readLog(log, query),
    config: () => toShownConfig(config()),
  };
}

function toShownTensor({ name, dtype, shape }: { name: string; dtype: string; shape: readonly (number | null)[] }) {
  return { name, dtype, shape: [...shape] };
}

/** Who asked stands in the ledger in the place of the owner. */
function toKeyOffice(desk: ApiKeyDesk): KeyOffice {
  const { store, clock, recorder } = desk;
  const as = (actor: Actor): ApiKeyDesk => ({
    ...desk,
    recorder: { record: (entries) => recorder.record(entries), actor: actor.id },
  });
  const toView = (record: ApiKeyRecord): KeyView => toKeyView(record, clock.nowMs());
  return {
    list: async ({ after, count }) => (await store.list({ afterId: after, count })).map(toView),
    find: async (id) => toView(await findApiKey(store, id)),
    create: async (terms, actor) => {
      const issued = await issue((deliver) => createApiKey(as(actor), toTerms(terms), deliver));
      return { key: toView(issued.record), apiKey: issued.apiKey, tagKey: issued.tagKey };
    },
    rotate: async (id, overlapSec, actor) => {
      const issued = await issue((deliver) => rotateApiKey(as(actor), { id, overlapSec }, deliver));
      return { key: toView(issued.record), apiKey: issued.apiKey, tagKey: issued.tagKey };
    },
    revoke: async (id, actor) => toView((await revokeApiKey(as(actor), id)).record),
  };
}

/** Its text is delivered by the answer, once the change holds. */
async function issue(work: (deliver: (issued: IssuedApiKey) => void) => Promise<unknown>): Promise<IssuedApiKey> {
  const delivered: IssuedApiKey[] = [];
  await work((issued) => {
    delivered.push(issued);
  });
  return delivered[0];
}

function toTerms({ notBefore, expires, ...terms }: KeyTerms) {
  return { ...terms, notBeforeMs: toMsOrNull(notBefore), expiresMs: toMsOrNull(expires) };
}

function toMsOrNull(time: string | null): number | null {
  return time === null ? null : Date.parse(time);
}

function toIso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function toIsoOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : toIso(timeMs);
}

function toKeyView(record: ApiKeyRecord, nowMs: number): KeyView {
  const { id, name, tenant, scopes, limits, networks, output, secrets } = record;
  return {
    ...{ id, name, tenant, scopes: [...scopes], limits: { ...limits }, networks: [...networks] },
    output: { ...output, hidden: [...output.hidden] },
    ...{ notBefore: toIsoOrNull(record.notBeforeMs), expires: toIsoOrNull(record.expiresMs) },
    ...{ created: toIso(record.createdMs), revoked: toIsoOrNull(record.revokedMs) },
    standing: toStanding(record, nowMs),
    secrets: secrets.map(({ last4, createdMs, endsMs, usedMs }) => ({
      ...{ last4, created: toIso(createdMs), ends: toIsoOrNull(endsMs), lastUsed: toIsoOrNull(usedMs) },
    })),
  };
}

async function readUses({ keys, budgets, budgetLimits }: AdminDeskOptions, keyId: string | null): Promise<UseView[]> {
  const limited = budgetLimits();
  const asked = keyId === null ? listOfConfig(limited) : await listOfKey(keys.store, keyId, limited);
  const day = toDay(keys.clock.nowMs());
  const limits = asked.flatMap(([subject, { daily, lifetime }]) => [
    ...(daily === null ? [] : [{ subject, kind: 'daily' as const, limit: daily, day }]),
    ...(lifetime === null ? [] : [{ subject, kind: 'lifetime' as const, limit: lifetime, day: ALL_TIME }]),
  ]);
  const periods: BudgetPeriod[] = limits.map(({ subject, day: of }) => ({ subject, day: of }));
  const used = periods.length === 0 ? [] : await budgets.readUsed(periods);
  return limits.map(({ subject, kind, limit }, at) => ({ subject, kind, limit, used: used[at] }));
}

const ALL_TIME = -1;

type Asked = readonly (readonly [subject: string, limits: BudgetLimits])[];

function listOfConfig({ tenants, models }: ConfiguredBudgets): Asked {
  return [
    ...Array.from(tenants, ([name, limits]) => [`tenant:${name}`, limits] as const),
    ...Array.from(models, ([name, limits]) => [`model:${name}`, limits] as const),
  ];
}

async function listOfKey(store: ApiKeyStore, keyId: string, { tenants }: ConfiguredBudgets): Promise<Asked> {
  const { id, tenant, limits } = await findApiKey(store, keyId);
  const ofTenant = tenants.get(tenant);
  return [[`key:${id}`, limits], ...(ofTenant === undefined ? [] : [[`tenant:${tenant}`, ofTenant] as const])];
}

async function readLog(database: Database<LogTables>, query: LogQueryView): Promise<LogPageView> {
  const { order, count, cursor, since, until, ...rest } = query;
  const after = cursor === undefined ? null : findCursor(cursor);
  if (cursor !== undefined && after === null) {
    throw new GatewayError('ADMIN_QUERY_MALFORMED', { fields: { at: ['cursor'] } });
  }
  const times = {
    ...(since !== undefined && { sinceMs: Date.parse(since) }),
    ...(until !== undefined && { untilMs: Date.parse(until) }),
  };
  const { rows, next } = await readLogPage(database, { ...rest, ...times }, { order, after, count });
  return { requests: rows.map(toRequestLine), next: next === null ? null : toCursorText(next) };
}
