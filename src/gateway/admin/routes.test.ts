/** The routes of the control plane: who may ask each, and that answers are as the document says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { BODIES, createDesk, hasher, ID, open } from '../../../test/fakes/admin-desk.ts';
import { makeKey, makeRequest } from '../../../test/fakes/api-keys.ts';
import { ADMIN_SCOPES } from '../identity/index.ts';
import { createAddressLimiter, MemoryRates } from '../limits/index.ts';
import { createJournal } from '../logs/index.ts';
import type { Principal } from '../ports.ts';
import { createAdminHandler, listRoutes, toOpenApi, toOpenApiText } from './index.ts';

const ROUTES = listRoutes({ document: toOpenApiText, isMetricsOpen: false });

const toLine = ({ method, path }: (typeof ROUTES)[number]): string =>
  `${method} ${path.replace('{id}', ID).replace('{name}', 'digits')}`;

test('whom a platform lets through without a name is nobody here, whatever he may ask of models', async () => {
  const { desk, calls } = createDesk();
  const platform = { id: 'platform:vertex', kind: 'platform', scopes: ['infer:*'] } as unknown as Principal;
  const nowUs = () => 0;
  const handle = createAdminHandler({
    ...{ desk, rates: new MemoryRates({ nowUs }), makeRequestId: () => 'r' },
    identifier: { identify: () => ({ isKnown: true, principal: platform }) },
    addresses: createAddressLimiter({ policy: { perMinute: 1, burst: 1 }, nowUs }),
    journal: createJournal({ clock: { nowMs: () => 0 }, write: () => true }),
  });
  const ask = async (): Promise<number> =>
    (await handle({ ...makeRequest({}), method: 'GET', path: '/v1/models' })).status;
  expect([await ask(), await ask(), calls.length]).toEqual([401, 429, 0]);
});

describe('every route', () => {
  test('there are all of them, and only two are open', () => {
    expect(ROUTES).toHaveLength(16);
    expect(ROUTES.filter(({ scopes }) => scopes === null).map(toLine)).toEqual(['GET /healthz', 'GET /readyz']);
    for (const { scopes } of ROUTES) if (scopes !== null) expect(scopes.length).toBeGreaterThan(0);
  });

  test.each(
    ROUTES.map((route) => [toLine(route), route] as const),
  )('%s: refused without a credential, with a wrong one, with no scope and with each wrong scope; answered with each right one', async (line, {
    id,
    scopes,
    answer,
  }) => {
    const { ask, addKey, calls } = open();
    const body = BODIES[id];
    if (scopes === null) {
      expect(await ask(line)).toMatchObject({ status: 200 });
      return;
    }
    expect(await ask(line, { body })).toMatchObject({ status: 401, code: 'GATEWAY_CREDENTIAL_MISSING' });
    const wrong = makeKey(hasher).text;
    expect(await ask(line, { key: wrong, body })).toMatchObject({ status: 401, code: 'GATEWAY_CREDENTIAL_INVALID' });
    for (const scope of ADMIN_SCOPES) {
      if (scopes.includes(scope)) continue;
      const refused = await ask(line, { key: addKey([scope, 'infer:*', 'meta:*']), body });
      expect(refused).toMatchObject({ status: 403, code: 'ADMIN_SCOPE_MISSING' });
    }
    expect(await ask(line, { key: addKey([]), body })).toMatchObject({ status: 403, code: 'ADMIN_SCOPE_MISSING' });
    expect(calls).toEqual([]);
    for (const scope of scopes) {
      expect((await ask(line, { key: addKey([scope]), body })).status).toBe(answer.status);
    }
  });

  test('that is none, or asked by another method, is not told to who is unknown', async () => {
    const { ask, addKey } = open();
    for (const line of [
      'GET /v1/secret',
      'PUT /v1/keys',
      'GET /v1/keys/',
      'GET /V1/keys',
      'GET //v1/keys',
      'GET /v1/keys/a%2Fb',
    ]) {
      expect(await ask(line)).toMatchObject({ status: 401, code: 'GATEWAY_CREDENTIAL_MISSING' });
    }
    const key = addKey(ADMIN_SCOPES);
    expect(await ask('GET /v1/secret', { key })).toMatchObject({ status: 404, code: 'GATEWAY_ROUTE_UNKNOWN' });
    expect(await ask('PUT /v1/keys', { key })).toMatchObject({ status: 405, code: 'GATEWAY_METHOD_NOT_ALLOWED' });
    expect(await ask('GET /v1/keys/../config', { key })).toMatchObject({ status: 404 });
  });
});

describe('answers', () => {
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } });
  const document = toOpenApi() as {
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
    >;
    components: object;
  };
  /** Resolves references within the document. */
  const toValidator = (schema: object) => ajv.compile({ ...schema, components: document.components });

  test.each(
    ROUTES.map((route) => [toLine(route), route] as const),
  )('of %s are as the document says', async (line, route) => {
    const { ask, addKey } = open();
    const { status, json, headers } = await ask(line, { key: addKey(ADMIN_SCOPES), body: BODIES[route.id] });
    const { responses } = document.paths[route.path][route.method.toLowerCase()];
    const { content } = responses[status];
    const type = headers['content-type'].split(';')[0];
    expect(Object.keys(content)).toEqual([type]);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    if (route.answer.schema === null) return;
    const validate = toValidator(content['application/json'].schema);
    expect([validate(json), validate.errors]).toEqual([true, null]);
    const refused = await ask(line.replace(/^\w+/, 'PATCH'));
    expect(toValidator(responses.default.content['application/json'].schema)(refused.json)).toBe(true);
  });

  test('the document is the one that is stored, and the one that is served', async () => {
    const { ask, addKey } = open();
    const stored = readFileSync(join(import.meta.dirname, '../../../docs/openapi/admin.json'), 'utf8');
    expect(toOpenApiText()).toBe(stored);
    expect((await ask('GET /openapi.json', { key: addKey(['audit:read']) })).text).toBe(stored);
  });

  test('of readiness are 503 when no requests may be sent', async () => {
    const { ask, state } = open();
    state.isReady = false;
    expect(await ask('GET /readyz')).toMatchObject({ status: 503, json: { status: 'not ready' } });
    expect(await ask('GET /healthz')).toMatchObject({ status: 200, json: { status: 'live' } });
  });

  test('of metrics are text for Prometheus', async () => {
    const { ask, addKey } = open();
    const { headers, text } = await ask('GET /metrics', { key: addKey(['metrics:read']) });
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('modelward_requests_total{protocol="oip",model="digits",status="200",code=""} 1\n');
  });
});
