/** The admin API over HTTP: who asks, whether he may, what he asks for; then the route. Nothing is allowed by default. */
import { ERRORS, type ErrorCode, type ErrorFields, GatewayError, ModelwardError } from '../../core/errors.ts';
import { utf8 } from '../../core/bytes.ts';
import { ADMIN_LIMITS } from '../../core/limits/admin.ts';
import { isFailure } from '../identity/index.ts';
import type { AddressLimiter } from '../limits/index.ts';
import type { Journal } from '../logs/index.ts';
import type { GatewayAnswer, GatewayHandler, GatewayRequest, HeaderList, Identifier, Principal } from '../ports.ts';
import type { RateStore } from '../ports.ts';
import { toOpenApiText } from './openapi.ts';
import type { AdminDesk } from './ports.ts';
import { assertSameSite, readBody, readQuery } from './read.ts';
import { type GuardedRoute, listRoutes, type OpenRoute, type Route, type RouteAnswer } from './routes.ts';

export interface AdminParts {
  readonly desk: AdminDesk;
  /** The same as of the data plane. */
  readonly identifier: Identifier;
  readonly addresses: AddressLimiter;
  readonly rates: RateStore;
  /** UUID version 7. */
  readonly makeRequestId: () => string;
  readonly journal: Journal;
  /** Whether numbers are told without a credential: where the listener is reached from this machine alone. */
  readonly isMetricsOpen?: boolean;
}

type Params = Readonly<Record<string, string>>;

interface Open {
  readonly route: OpenRoute;
  readonly params: Params;
}

interface Guarded {
  readonly route: GuardedRoute;
  readonly params: Params;
}

function isOpen(found: Open | Guarded | 'method' | null): found is Open {
  return found !== null && found !== 'method' && found.route.scopes === null;
}

/** One request on its way. */
interface Work {
  readonly request: GatewayRequest;
  readonly requestId: string;
  principal: Principal | null;
  route: Route | null;
}

const POLICY = { perMinute: ADMIN_LIMITS.perMinute, burst: ADMIN_LIMITS.burst };

/** Whatever a caller sends, and whatever fails, is an answer; nothing is thrown. */
export function createAdminHandler(parts: AdminParts): GatewayHandler {
  let document: string | null = null;
  const { isMetricsOpen = false } = parts;
  const routes = listRoutes({ document: () => (document ??= toOpenApiText()), isMetricsOpen });
  let atWork = 0;
  return async (request) => {
    const work: Work = { request, requestId: parts.makeRequestId(), principal: null, route: null };
    try {
      const found = find(routes, request);
      if (isOpen(found)) return toAnswer(work, await found.route.run(parts.desk));
      const guarded = await admit(parts, work, found);
      if (atWork >= ADMIN_LIMITS.requestsMax) throw new GatewayError('GATEWAY_OVERLOADED');
      atWork += 1;
      try {
        return await run(parts, work, guarded);
      } finally {
        atWork -= 1;
      }
    } catch (error) {
      return fail(parts, work, error);
    }
  };
}

/** null: no such path; 'method': the path is there, and asked otherwise. */
function find(routes: readonly Route[], { method, path }: GatewayRequest): Open | Guarded | 'method' | null {
  let isOtherMethod = false;
  for (const route of routes) {
    const params = match(route.path, path);
    if (params === null) continue;
    if (route.method === method) return route.scopes === null ? { route, params } : { route, params };
    isOtherMethod = true;
  }
  return isOtherMethod ? 'method' : null;
}

/** Values of names in braces; null when the path is another. Nothing is decoded: no name here needs it. */
function match(template: string, path: string): Params | null {
  const [wanted, given] = [template.split('/'), path.split('/')];
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (let at = 0; at < wanted.length; at += 1) {
    if (!wanted[at].startsWith('{')) {
      if (wanted[at] !== given[at]) return null;
    } else if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(given[at])) params[wanted[at].slice(1, -1)] = given[at];
    else return null;
  }
  return params;
}

/** Who asks is known before he learns which paths there are. @throws GatewayError */
async function admit(parts: AdminParts, work: Work, found: Guarded | 'method' | null): Promise<Guarded> {
  const { request } = work;
  const { addresses, identifier, rates } = parts;
  const { isAdmitted, retryAfterMs } = addresses.look(request.peer.address);
  if (!isAdmitted) throw new GatewayError('GATEWAY_RATE_LIMITED', { fields: { retryAfterMs } });
  const result = await identifier.identify(request);
  // Whom a platform lets through to its models has said nothing of himself.
  if (!result.isKnown || result.principal.kind === 'platform') {
    const code = result.isKnown ? 'GATEWAY_CREDENTIAL_MISSING' : result.code;
    if (isFailure(code)) addresses.blame(request.peer.address);
    throw new GatewayError(code);
  }
  const { principal } = result;
  work.principal = principal;
  const take = await rates.take(`admin:${principal.id}`, POLICY);
  if (!take.isAdmitted) throw new GatewayError('GATEWAY_RATE_LIMITED', { fields: { retryAfterMs: take.retryAfterMs } });
  if (found === null) throw new GatewayError('GATEWAY_ROUTE_UNKNOWN');
  if (found === 'method') throw new GatewayError('GATEWAY_METHOD_NOT_ALLOWED');
  const { route } = found;
  work.route = route;
  if (!route.scopes.some((scope) => principal.scopes.includes(scope))) {
    throw new GatewayError('ADMIN_SCOPE_MISSING', { fields: { scope: route.scopes[0] } });
  }
  return found;
}

async function run({ desk, journal }: AdminParts, work: Work, { route, params }: Guarded): Promise<GatewayAnswer> {
  const { request, requestId } = work;
  const principal = work.principal!;
  assertSameSite(request);
  const query = readQuery(request, route);
  const body = readBody(request, route);
  const answer = await route.run({ desk, principal, params, query, body });
  if (route.method !== 'GET') {
    const told = { requestId, principal: principal.id, route: toName(route), status: answer.status };
    journal.tell('admin-done', { ...told, ...(answer.keyId !== undefined && { keyId: answer.keyId }) });
  }
  return toAnswer(work, answer);
}

function toName({ method, path }: Route): string {
  return `${method} ${path}`;
}

/** Nothing of it is kept, framed, guessed at or run by a browser. */
function toHeaders(type: string, requestId: string): HeaderList {
  return [
    ['content-type', type],
    ['cache-control', 'no-store'],
    ['x-content-type-options', 'nosniff'],
    ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
    ['x-request-id', requestId],
  ];
}

function toAnswer({ requestId }: Work, { status, body, type, headers = [] }: RouteAnswer): GatewayAnswer {
  const text = type === undefined ? JSON.stringify(body) : String(body);
  return { status, headers: [...toHeaders(type ?? 'application/json', requestId), ...headers], body: utf8(text) };
}

/** Fields of errors that are told; all others stay here. */
const TOLD = ['at', 'most', 'max', 'least', 'count', 'key', 'scope', 'reason', 'retryAfterMs'] as const;

function fail({ journal }: AdminParts, work: Work, error: unknown): GatewayAnswer {
  const isCoded = error instanceof ModelwardError;
  const code: ErrorCode = isCoded ? error.code : 'GATEWAY_INTERNAL';
  const { http, message } = ERRORS[code];
  const fields = isCoded ? toTold(error.fields) : {};
  const { requestId, principal, route } = work;
  const told = {
    requestId,
    ...(principal !== null && { principal: principal.id }),
    ...(route !== null && { route: toName(route) }),
  };
  if (http >= 500) journal.fault(error, told);
  else journal.tell('admin-refused', { ...told, code, status: http });
  const body = { error: { code, message, ...(Object.keys(fields).length > 0 && { fields }) } };
  const headers: [string, string][] = [];
  if (http === 401) headers.push(['www-authenticate', 'Bearer']);
  if (typeof fields.retryAfterMs === 'number') {
    headers.push(['retry-after', String(Math.max(1, Math.ceil(fields.retryAfterMs / 1000)))]);
  }
  return toAnswer(work, { status: http, body, headers });
}

function toTold(fields: ErrorFields): Record<string, unknown> {
  return Object.fromEntries(TOLD.flatMap((name) => (name in fields ? [[name, fields[name]]] : [])));
}
