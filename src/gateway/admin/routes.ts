/** Every route of the admin API, by a closed table: what it takes, gives, and which scope it needs. */
import type { z } from 'zod';
import { GatewayError, ModelwardError } from '../../core/errors.ts';
import { ADMIN_SCOPES, type AdminScope } from '../identity/index.ts';
import { PROMETHEUS_TYPE, toPrometheusText } from '../metrics/index.ts';
import type { HeaderList, Principal } from '../ports.ts';
import type { AdminDesk, ReloadTerms } from './ports.ts';
import * as shapes from './schemas.ts';

/** What a route answers. */
export interface RouteAnswer {
  readonly status: number;
  /** JSON unless it is text. */
  readonly body: unknown;
  readonly type?: string;
  readonly headers?: HeaderList;
  /** Of the line that tells of what was done. */
  readonly keyId?: string;
}

export interface Asked {
  readonly desk: AdminDesk;
  readonly principal: Principal;
  /** Values of the names in braces. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
}

interface RouteTerms {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Names in braces stand for one segment. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer: { readonly status: number; readonly schema: z.ZodType | null; readonly type?: string };
}

/** Open to anybody, as load balancers and platforms ask. */
export interface OpenRoute extends RouteTerms {
  readonly scopes: null;
  readonly run: (desk: AdminDesk) => RouteAnswer | Promise<RouteAnswer>;
}

export interface GuardedRoute extends RouteTerms {
  /** One of them is needed. */
  readonly scopes: readonly AdminScope[];
  readonly run: (asked: Asked) => RouteAnswer | Promise<RouteAnswer>;
}

export type Route = OpenRoute | GuardedRoute;

/** A route whose parts have the types of its schemas. */
function route<Query extends z.ZodType, Body extends z.ZodType>(
  terms: Omit<GuardedRoute, 'run' | 'query' | 'body'> & {
    readonly query?: Query;
    readonly body?: Body;
    readonly run: (
      asked: Omit<Asked, 'query' | 'body'> & { readonly query: z.output<Query>; readonly body: z.output<Body> },
    ) => RouteAnswer | Promise<RouteAnswer>;
  },
): GuardedRoute {
  // The handler passes what the schemas of this very route gave.
  return terms as unknown as GuardedRoute;
}

const ok = (body: unknown): RouteAnswer => ({ status: 200, body });

const OPEN_ROUTES: readonly OpenRoute[] = [
  {
    ...{ method: 'GET', path: '/healthz', id: 'isLive', summary: 'Whether the process runs.', scopes: null },
    answer: { status: 200, schema: shapes.health },
    run: () => ok({ status: 'live' }),
  },
  {
    ...{ method: 'GET', path: '/readyz', id: 'isReady', scopes: null },
    summary: 'Whether requests may be sent: 200, or 503 while models load or the process drains.',
    answer: { status: 200, schema: shapes.health },
    run: (desk) => (desk.isReady() ? ok({ status: 'ready' }) : { status: 503, body: { status: 'not ready' } }),
  },
];

const KEY_ROUTES: readonly GuardedRoute[] = [
  route({
    ...{
      method: 'GET',
      path: '/v1/keys',
      id: 'listKeys',
      summary: 'API keys, without secrets.',
      scopes: ['keys:read'],
    },
    ...{ query: shapes.keyQuery, answer: { status: 200, schema: shapes.keyPage } },
    run: async ({ desk, query: { after = '', count } }) => {
      const found = await desk.keys.list({ after, count: count + 1 });
      const keys = found.slice(0, count);
      return ok({ keys, next: found.length > count ? keys[keys.length - 1].id : null });
    },
  }),
  route({
    ...{ method: 'POST', path: '/v1/keys', id: 'createKey', summary: 'A new API key.', scopes: ['keys:write'] },
    ...{ body: shapes.keyTerms, answer: { status: 201, schema: shapes.issuedKey } },
    run: async ({ desk, principal, body }) => {
      assertHolds(principal, body.scopes);
      const issued = await desk.keys.create(body, principal);
      const headers = [['location', `/v1/keys/${issued.key.id}`]] as const;
      return { status: 201, body: issued, headers, keyId: issued.key.id };
    },
  }),
  route({
    ...{ method: 'GET', path: '/v1/keys/{id}', id: 'getKey', summary: 'One API key.', scopes: ['keys:read'] },
    answer: { status: 200, schema: shapes.keyView },
    run: async ({ desk, params }) => ok(await desk.keys.find(toKeyId(params))),
  }),
  route({
    ...{ method: 'POST', path: '/v1/keys/{id}/rotate', id: 'rotateKey', scopes: ['keys:write'] },
    summary: 'A second secret; the first one ends after the overlap.',
    ...{ body: shapes.rotation, answer: { status: 200, schema: shapes.issuedKey } },
    run: async ({ desk, principal, params, body: { overlapSec } }) => {
      const { id, scopes } = await desk.keys.find(toKeyId(params));
      // Its new secret is in the answer: who could rotate a stronger key would have its scopes.
      assertHolds(principal, scopes);
      return { ...ok(await desk.keys.rotate(id, overlapSec, principal)), keyId: id };
    },
  }),
  route({
    ...{ method: 'DELETE', path: '/v1/keys/{id}', id: 'revokeKey', scopes: ['keys:write'] },
    summary: 'Ends an API key for good, everywhere within a second.',
    answer: { status: 200, schema: shapes.keyView },
    run: async ({ desk, principal, params }) => {
      const { id, scopes } = await desk.keys.find(toKeyId(params));
      assertHolds(principal, scopes);
      return { ...ok(await desk.keys.revoke(id, principal)), keyId: id };
    },
  }),
];

/** An id that cannot be one is unknown, like others. @throws GatewayError APIKEY_UNKNOWN */
function toKeyId({ id }: Asked['params']): string {
  if (!shapes.keyId.safeParse(id).success) throw new GatewayError('APIKEY_UNKNOWN');
  return id;
}

/** Nobody makes, renews or ends a key that may do more on the control plane than he may. @throws GatewayError ADMIN_SCOPE_ABOVE */
function assertHolds(principal: Principal, scopes: readonly string[]): void {
  const above = ADMIN_SCOPES.find((scope) => scopes.includes(scope) && !principal.scopes.includes(scope));
  if (above !== undefined) throw new GatewayError('ADMIN_SCOPE_ABOVE', { fields: { scope: above } });
}

const METRICS: RouteTerms = {
  ...{ method: 'GET', path: '/metrics', id: 'getMetrics' },
  summary: 'Counts of all processes, in the text format of Prometheus.',
  answer: { status: 200, schema: null, type: PROMETHEUS_TYPE },
};

async function showMetrics(desk: AdminDesk): Promise<RouteAnswer> {
  return { status: 200, body: toPrometheusText(await desk.readMetrics()), type: PROMETHEUS_TYPE };
}

const GUARDED_METRICS: GuardedRoute = {
  ...METRICS,
  scopes: ['metrics:read'],
  run: ({ desk }) => showMetrics(desk),
};
const OPEN_METRICS: OpenRoute = { ...METRICS, scopes: null, run: showMetrics };

const STATE_ROUTES: readonly GuardedRoute[] = [
  route({
    ...{ method: 'GET', path: '/v1/models', id: 'listModels', scopes: ['metrics:read', 'admin'] },
    summary: 'Models that are held here, and their state.',
    answer: { status: 200, schema: shapes.modelList },
    run: ({ desk }) => ok({ models: desk.models() }),
  }),
  route({
    ...{ method: 'POST', path: '/v1/models/{name}/reload', id: 'reloadModel', scopes: ['admin'] },
    summary: 'Loads the file of a model anew; requests go on, and a file that cannot be served changes nothing.',
    ...{ body: shapes.reloadTerms, answer: { status: 200, schema: shapes.modelView } },
    run: async ({ desk, params: { name }, body }) => {
      const find = (version: string | undefined) =>
        desk.models().findLast((model) => model.name === name && (version ?? model.version) === model.version);
      const known = find(body.version);
      if (known === undefined) throw new GatewayError('ADMIN_MODEL_UNKNOWN');
      await reload(() => desk.reloadModel(name, known.version, toTerms(body)));
      return ok(find(known.version));
    },
  }),
  route({
    ...{ method: 'GET', path: '/v1/limits', id: 'listUses', scopes: ['keys:read'] },
    summary: 'Budgets of tenants and models, or of one key and its tenant, and what is used of them.',
    ...{ query: shapes.useQuery, answer: { status: 200, schema: shapes.useList } },
    run: async ({ desk, query: { key } }) => ok({ uses: await desk.readUses(key ?? null) }),
  }),
  route({
    ...{ method: 'GET', path: '/v1/log', id: 'queryLog', scopes: ['audit:read'] },
    summary: 'Rows of the log of requests, a page at a time.',
    ...{ query: shapes.logQuery, answer: { status: 200, schema: shapes.logPage } },
    run: async ({ desk, query }) => ok(await desk.readLog(query)),
  }),
  route({
    ...{ method: 'GET', path: '/v1/config', id: 'getConfig', scopes: ['admin'] },
    summary: 'The configuration in force; secrets, paths and addresses read "(set)".',
    answer: { status: 200, schema: shapes.shownConfig },
    run: ({ desk }) => ok(desk.config()),
  }),
  route({
    ...{ method: 'POST', path: '/v1/config/reload', id: 'reloadConfig', scopes: ['admin'] },
    summary: 'Takes up the configuration file as it is now: all of it, or nothing.',
    ...{ body: shapes.configTerms, answer: { status: 200, schema: shapes.configChange } },
    run: async ({ desk, body }) => ok({ changed: await reload(() => desk.reloadConfig(toTerms(body))) }),
  }),
  route({
    ...{ method: 'POST', path: '/v1/drain', id: 'drain', scopes: ['admin'] },
    summary: 'Takes no more requests, lets those under way end, and ends the process.',
    answer: { status: 202, schema: shapes.draining },
    run: ({ desk }) => {
      desk.drain();
      return { status: 202, body: { isDraining: true } };
    },
  }),
];

function toTerms({ allowSignatureChange }: { readonly allowSignatureChange: boolean }): ReloadTerms {
  return { isSignatureFree: allowSignatureChange };
}

async function reload<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // Those of the control plane say by themselves what is to be done.
    if (!(cause instanceof ModelwardError) || cause.code.startsWith('ADMIN_')) throw cause;
    throw new GatewayError('ADMIN_RELOAD_FAILED', { cause, fields: { reason: cause.code } });
  }
}

/** Told to whoever has any of the scopes. */
const describe = (document: () => string): GuardedRoute => ({
  ...{ method: 'GET', path: '/openapi.json', id: 'getOpenApi', summary: 'This document.', scopes: ADMIN_SCOPES },
  answer: { status: 200, schema: null, type: 'application/json' },
  run: () => ({ status: 200, body: document(), type: 'application/json' }),
});

export interface RouteOptions {
  /** Text of the OpenAPI document, made when it is asked for. */
  readonly document: () => string;
  /** Whether numbers are told to anybody who reaches the listener. */
  readonly isMetricsOpen: boolean;
}

export function listRoutes({ document, isMetricsOpen }: RouteOptions): readonly Route[] {
  const metrics = isMetricsOpen ? OPEN_METRICS : GUARDED_METRICS;
  return [...OPEN_ROUTES, metrics, ...KEY_ROUTES, ...STATE_ROUTES, describe(document)];
}
