import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { GatewayError, RuntimeError } from '../../core/errors.ts';
import { ADMIN_LIMITS } from '../../core/limits/admin.ts';
import { LIMITS, makeKey, makeRequest, WHOLE_OUTPUT } from '../../../test/fakes/api-keys.ts';
import { ADMIN_SCOPES, createIdentifier, createKeyHasher, KeyIndex } from '../identity/index.ts';
import { createAddressLimiter, MemoryRates } from '../limits/index.ts';
import { createJournal } from '../logs/index.ts';
import { createMeter, MetricsRegistry } from '../metrics/index.ts';
import type { GatewayRequest, Principal } from '../ports.ts';
import {
  createAdminHandler,
  listRoutes,
  type AdminDesk,
  type KeyView,
  toOpenApi,
  toOpenApiText,
  toShownConfig,
} from './index.ts';

const CANARY = 'canary-5ecret';
const ID = 'k_0123456789abcdef';
const hasher = createKeyHasher(null);

function makeView(changes: Partial<KeyView> = {}): KeyView {
  const created = '2027-01-15T08:00:00.000Z';
  return {
    ...{ id: ID, name: 'a customer', tenant: 'acme', scopes: ['infer:digits'], networks: [] },
    ...{ limits: LIMITS, output: WHOLE_OUTPUT },
    ...{ notBefore: null, expires: null, created, revoked: null, standing: 'active' },
    secrets: [{ last4: 'abcd', created, ends: null, lastUsed: null }],
    ...changes,
  };
}

const ROW = {
  ...{ time: '2027-01-15T08:00:00.000Z', requestId: '0192f0c1-2345-7abc-8def-0123456789ab', principal: `key:${ID}` },
  ...{ tenant: 'acme', model: 'digits', version: '1', protocol: 'oip', status: 200, code: null, items: 1 },
  ...{ inputBytes: 10, answerBytes: 10, durationUs: 500, inputHash: 'ab'.repeat(32), tensorHash: null },
  ...{ isInputKeyed: false, answerHash: null, stream: 's', index: 0 },
};

/** A desk that remembers what was asked of it. */
function createDesk() {
  const calls: unknown[][] = [];
  const state = { isReady: true, keys: [makeView()], reloading: null as Error | null };
  const note = <T>(result: T, ...call: unknown[]): T => {
    calls.push(call);
    return result;
  };
  const desk: AdminDesk = {
    isReady: () => state.isReady,
    readMetrics: () => {
      const registry = new MetricsRegistry(0);
      const counts = { durationUs: 1, items: 1, inputBytes: 1, answerBytes: 1, route: '', requestId: 'r' };
      createMeter(registry).onAnswer({ ...counts, protocol: 'oip', model: 'digits', principalId: ID, status: 200, code: null });
      return Promise.resolve(registry.read());
    },
    keys: {
      list: ({ after, count }) => note(Promise.resolve(state.keys.filter(({ id }) => id > after).slice(0, count)), 'list', after, count),
      find: (id) => {
        const found = state.keys.find((key) => key.id === id);
        return found === undefined ? Promise.reject(new GatewayError('APIKEY_UNKNOWN')) : Promise.resolve(found);
      },
      create: (terms, { id }) => note(Promise.resolve({ key: makeView(), apiKey: 'mwk_live_x', tagKey: 't' }), 'create', terms, id),
      rotate: (id, overlapSec, actor) => note(Promise.resolve({ key: makeView(), apiKey: 'mwk_live_x', tagKey: 't' }), 'rotate', id, overlapSec, actor.id),
      revoke: (id, actor) => note(Promise.resolve(makeView({ standing: 'revoked' })), 'revoke', id, actor.id),
    },
    models: () => [
      { name: 'digits', version: '1', isReady: true, load: 0, isBatched: true, inputs: [{ name: 'x', dtype: 'f32', shape: [null, 4] }], outputs: [] },
      { name: 'digits', version: '2', isReady: true, load: 0, isBatched: true, inputs: [], outputs: [] },
    ],
    reloadModel: (name, version) => note(state.reloading === null ? Promise.resolve() : Promise.reject(state.reloading), 'reload', name, version),
    reloadConfig: ({ isSignatureFree }) => note(state.reloading === null ? Promise.resolve(['models']) : Promise.reject(state.reloading), 'reload-config', isSignatureFree),
    readUses: (key) => note(Promise.resolve([{ subject: `key:${ID}`, kind: 'daily' as const, limit: 100, used: 3 }]), 'uses', key),
    readLog: (query) => note(Promise.resolve({ requests: [ROW], next: null }), 'log', query),
    config: () => ({ listen: { port: 8443 } }),
    drain: () => {
      note(undefined, 'drain');
    },
  }; // biome-ignore format: one answer a line
  return { desk, calls, state };
}

function open() {
  const { desk, calls, state } = createDesk();
  const index = new KeyIndex(hasher);
  index.trustUntil(Infinity);
  let [nowUs, journal] = [0, ''];
  const handle = createAdminHandler({
    desk,
    identifier: createIdentifier({ keys: index, tokens: null, certificates: null, clock: { nowMs: () => 1000 } }),
    addresses: createAddressLimiter({ policy: { perMinute: 60, burst: 500 }, nowUs: () => nowUs }),
    rates: new MemoryRates({ nowUs: () => nowUs }),
    makeRequestId: () => '0192f0c1-2345-7abc-8def-0123456789ab',
    journal: createJournal({
      clock: { nowMs: () => 0 },
      write: (line) => {
        journal += line;
        return true;
      },
    }),
  });
  const addKey = (scopes: readonly string[]): string => {
    const { text, record } = makeKey(hasher, { scopes });
    index.put(record);
    return text;
  };
  const ask = async (line: string, options: { key?: string; body?: unknown; headers?: Record<string, string>; raw?: string } = {}) => {
    const [method, target] = line.split(' ');
    const [path, query = ''] = target.split('?');
    const json = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const request: GatewayRequest = {
      ...makeRequest({
        ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      }),
      ...{ method, path, query, body: Buffer.from(json ?? '') },
    };
    const answer = await handle(request);
    const text = Buffer.from(answer.body as Uint8Array).toString();
    const isJson = answer.headers.some(([name, value]) => name === 'content-type' && value === 'application/json');
    const parsed = (isJson ? JSON.parse(text) : {}) as Record<string, unknown> & { error?: { code: string; fields?: object } };
    return { status: answer.status, headers: Object.fromEntries(answer.headers), text, json: parsed, code: parsed.error?.code };
  }; // biome-ignore format: options of a request
  return { ask, addKey, calls, state, toJournal: () => journal, wait: (ms: number) => (nowUs += ms * 1000) };
}

/** A body that each route with one takes. */
const BODIES: Readonly<Record<string, unknown>> = {
  createKey: { name: 'a customer', tenant: 'acme', scopes: ['infer:digits'] },
  rotateKey: { overlapSec: 3600 },
  reloadModel: {},
  reloadConfig: {},
};

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
    for (const line of ['GET /v1/secret', 'PUT /v1/keys', 'GET /v1/keys/', 'GET /V1/keys', 'GET //v1/keys', 'GET /v1/keys/a%2Fb']) {
      expect(await ask(line)).toMatchObject({ status: 401, code: 'GATEWAY_CREDENTIAL_MISSING' });
    }
    const key = addKey(ADMIN_SCOPES);
    expect(await ask('GET /v1/secret', { key })).toMatchObject({ status: 404, code: 'GATEWAY_ROUTE_UNKNOWN' });
    expect(await ask('PUT /v1/keys', { key })).toMatchObject({ status: 405, code: 'GATEWAY_METHOD_NOT_ALLOWED' });
    expect(await ask('GET /v1/keys/../config', { key })).toMatchObject({ status: 404 });
  }); // biome-ignore format: lines of requests
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

  test.each(ROUTES.map((route) => [toLine(route), route] as const))('of %s are as the document says', async (line, route) => {
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
  }); // biome-ignore format: one test

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

describe('API keys', () => {
  test('are made with defaults, and the secret is in the answer', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(['keys:write']);
    const made = await ask('POST /v1/keys', { key, body: { ...(BODIES.createKey as object), limits: { daily: 5 } } });
    expect(made).toMatchObject({
      status: 201,
      headers: { location: `/v1/keys/${ID}` },
      json: { apiKey: 'mwk_live_x' },
    });
    expect(calls[0][1]).toMatchObject({ limits: { perMinute: 120, burst: 20, daily: 5 }, networks: [], expires: null });
    expect(calls[0][2]).toMatch(/^key:k_/);
  });

  test('no caller makes, renews or ends a key that may do more on the control plane than he may', async () => {
    const { ask, addKey, calls, state } = open();
    const key = addKey(['keys:read', 'keys:write']);
    const above = (scope: string) => ({
      status: 403,
      code: 'ADMIN_SCOPE_ABOVE',
      json: { error: { fields: { scope } } },
    });
    for (const scope of ['admin', 'audit:read', 'metrics:read']) {
      const body = { ...(BODIES.createKey as object), scopes: ['infer:digits', scope] };
      expect(await ask('POST /v1/keys', { key, body })).toMatchObject(above(scope));
    }
    state.keys = [makeView({ scopes: ['admin'] })];
    expect(await ask(`POST /v1/keys/${ID}/rotate`, { key, body: BODIES.rotateKey })).toMatchObject(above('admin'));
    expect(await ask(`DELETE /v1/keys/${ID}`, { key })).toMatchObject(above('admin'));
    expect(calls).toEqual([]);
    const body = { ...(BODIES.createKey as object), scopes: ['keys:write', 'meta:*'] };
    expect((await ask('POST /v1/keys', { key, body })).status).toBe(201);
  });

  test('are listed a page at a time', async () => {
    const { ask, addKey, state } = open();
    state.keys = ['a', 'b', 'c'].map((letter) => makeView({ id: `k_${letter.repeat(16)}` }));
    const key = addKey(['keys:read']);
    const first = await ask('GET /v1/keys?count=2', { key });
    expect(first.json).toMatchObject({ keys: [{ id: 'k_aaaaaaaaaaaaaaaa' }, { id: 'k_bbbbbbbbbbbbbbbb' }] });
    expect(first.json.next).toBe('k_bbbbbbbbbbbbbbbb');
    const second = await ask(`GET /v1/keys?count=2&after=${first.json.next as string}`, { key });
    expect(second.json).toMatchObject({ keys: [{ id: 'k_cccccccccccccccc' }], next: null });
  });

  test('of an id that there is not, or that is none', async () => {
    const { ask, addKey } = open();
    const key = addKey(['keys:read', 'keys:write']);
    for (const id of ['k_zzzzzzzzzzzzzzzz', 'x', 'constructor', '__proto__'.slice(2)]) {
      expect(await ask(`GET /v1/keys/${id}`, { key })).toMatchObject({ status: 404, code: 'APIKEY_UNKNOWN' });
      expect(await ask(`DELETE /v1/keys/${id}`, { key })).toMatchObject({ status: 404, code: 'APIKEY_UNKNOWN' });
    }
  });
});

describe('models', () => {
  test('are loaded anew by version, or the newest', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(['admin']);
    expect((await ask('POST /v1/models/digits/reload', { key, body: {} })).json).toMatchObject({ version: '2' });
    await ask('POST /v1/models/digits/reload', { key, body: { version: '1' } });
    expect(calls).toEqual([
      ['reload', 'digits', '2'],
      ['reload', 'digits', '1'],
    ]);
    const unknown = { status: 404, code: 'ADMIN_MODEL_UNKNOWN' };
    expect(await ask('POST /v1/models/digits/reload', { key, body: { version: '3' } })).toMatchObject(unknown);
    expect(await ask('POST /v1/models/other/reload', { key, body: {} })).toMatchObject(unknown);
  });

  test('a file that cannot be served is a refusal with its code, and nothing of its path', async () => {
    const { ask, addKey, state } = open();
    state.reloading = new RuntimeError('RUNTIME_LOAD_FAILED', { message: CANARY, fields: { path: CANARY } });
    const refused = await ask('POST /v1/models/digits/reload', { key: addKey(['admin']), body: {} });
    expect(refused).toMatchObject({ status: 409, code: 'ADMIN_RELOAD_FAILED' });
    expect(refused.json.error?.fields).toEqual({ reason: 'RUNTIME_LOAD_FAILED' });
    expect(refused.text).not.toContain(CANARY);
  });
});

describe('what a caller sends', () => {
  const createKey = BODIES.createKey as object;

  test.each([
    ['no JSON', '{"name":', 'ADMIN_BODY_MALFORMED', ['(all)']],
    ['no UTF-8', '{"name":"\udc00"}'.slice(0, 5), 'ADMIN_BODY_MALFORMED', ['(all)']],
    ['another type', '[]', 'ADMIN_BODY_MALFORMED', ['(all)']],
    ['members that are not known', JSON.stringify({ ...createKey, isAdmin: true }), 'ADMIN_BODY_MALFORMED', ['isAdmin']],
    ['a name that is text', JSON.stringify({ ...createKey, '<b>x</b>': 1 }), 'ADMIN_BODY_MALFORMED', ['(other)']],
    ['numbers out of bounds', JSON.stringify({ ...createKey, limits: { perMinute: 0, burst: 1e9 } }), 'ADMIN_BODY_MALFORMED', ['limits.perMinute', 'limits.burst']],
    ['times without zone', JSON.stringify({ ...createKey, expires: '2027-01-01' }), 'ADMIN_BODY_MALFORMED', ['expires']],
    ['a depth without end', `${'['.repeat(16_000)}${']'.repeat(16_000)}`, 'ADMIN_BODY_MALFORMED', ['(all)']],
  ] as const)('%s is refused, with its places', async (_, raw, code, at) => {
    const { ask, addKey, calls } = open();
    const refused = await ask('POST /v1/keys', { key: addKey(['keys:write']), raw });
    expect(refused).toMatchObject({ status: 400, code, json: { error: { fields: { at } } } });
    expect(calls).toEqual([]);
  }); // biome-ignore format: a case a line

  test('more than the cap, as a form, or where nothing is taken', async () => {
    const { ask, addKey } = open();
    const key = addKey(ADMIN_SCOPES);
    const large = { raw: ' '.repeat(ADMIN_LIMITS.bodyBytesMax + 1) };
    expect(await ask('POST /v1/keys', { key, ...large })).toMatchObject({
      status: 413,
      code: 'GATEWAY_BODY_TOO_LARGE',
    });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonx',
    ]) {
      const headers = { 'content-type': type };
      const refused = await ask('POST /v1/keys', { key, body: createKey, headers });
      expect(refused).toMatchObject({ status: 415, code: 'GATEWAY_CONTENT_TYPE' });
    }
    expect(await ask('POST /v1/drain', { key, body: {} })).toMatchObject({ status: 400, code: 'ADMIN_BODY_MALFORMED' });
  });

  test.each([
    'count=0',
    'count=1e9',
    'count=99999',
    'count=2&count=3',
    'more=1',
    `after=${CANARY}`,
    `after=${'y'.repeat(3000)}`,
  ])('a query %.20s is refused, and not said back', async (query) => {
    const { ask, addKey } = open();
    const refused = await ask(`GET /v1/keys?${query}`, { key: addKey(['keys:read']) });
    expect(refused).toMatchObject({ status: 400, code: 'ADMIN_QUERY_MALFORMED' });
    expect(refused.text).not.toContain(CANARY);
  });

  test('from a page of another origin is refused, whatever it carries', async () => {
    const { ask, addKey, calls } = open();
    const key = addKey(ADMIN_SCOPES);
    const foreign: readonly Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) {
      expect(await ask('POST /v1/drain', { key, headers })).toMatchObject({ status: 403, code: 'ADMIN_CROSS_SITE' });
    }
    expect(calls).toEqual([]);
    expect((await ask('POST /v1/drain', { key, headers: { cookie: 'a=b' } })).status).toBe(202);
    expect((await ask('POST /v1/drain', { headers: { cookie: `authorization=${key}` } })).status).toBe(401);
  });

  test('too often: one address without a credential, one caller with it', async () => {
    const { ask, addKey, wait } = open();
    const key = addKey(['metrics:read']);
    const statuses = [];
    for (let at = 0; at <= ADMIN_LIMITS.burst; at += 1) statuses.push((await ask('GET /v1/models', { key })).status);
    expect([statuses.filter((status) => status === 200).length, statuses.at(-1)]).toEqual([ADMIN_LIMITS.burst, 429]);
    wait(1000);
    expect((await ask('GET /v1/models', { key })).status).toBe(200);
    let last = await ask('GET /v1/models');
    for (let at = 0; at < 520 && last.status === 401; at += 1) last = await ask('GET /v1/models');
    expect(last).toMatchObject({ status: 429, code: 'GATEWAY_RATE_LIMITED' });
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
  });
});

test('no more requests are at work than may be; a failure of ours is told to the journal alone', async () => {
  const { ask, addKey, state, toJournal } = open();
  const key = addKey(['admin', 'metrics:read']);
  state.reloading = Object.assign(new Error(CANARY), { path: `/secret/${CANARY}` });
  const failed = await ask('POST /v1/models/digits/reload', { key, body: {} });
  expect(failed).toMatchObject({ status: 500, code: 'GATEWAY_INTERNAL' });
  expect(failed.text + toJournal()).not.toContain(CANARY);
  expect(JSON.parse(toJournal())).toMatchObject({
    event: 'fault',
    route: 'POST /v1/models/{name}/reload',
    kind: 'Error',
  });
  const all = await Promise.all(
    Array.from({ length: ADMIN_LIMITS.requestsMax + 1 }, () => ask('GET /metrics', { key })),
  );
  expect(all.map(({ status }) => status).sort()).toEqual([
    ...Array(ADMIN_LIMITS.requestsMax).fill(200),
    503,
  ] as number[]);
});

test('what was done, and what was refused, is a line of the journal, without the key that was made', async () => {
  const { ask, addKey, toJournal } = open();
  const key = addKey(['keys:write']);
  await ask('POST /v1/keys', { key, body: BODIES.createKey });
  await ask('GET /v1/config', { key });
  await ask('GET /v1/config');
  const lines = toJournal().split('\n').slice(0, -1).map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { event: 'admin-done', route: 'POST /v1/keys', keyId: ID, status: 201 },
    { event: 'admin-refused', route: 'GET /v1/config', code: 'ADMIN_SCOPE_MISSING' },
    { event: 'admin-refused', code: 'GATEWAY_CREDENTIAL_MISSING', status: 401 },
  ]);
  expect(toJournal()).not.toMatch(/mwk_|withheld/);
}); // biome-ignore format: a request a line

test('a configuration is shown without texts that are no names', () => {
  const config = {
    listen: { host: '127.0.0.1', port: 8443, tls: { cert: `/etc/${CANARY}`, key: CANARY } },
    models: [{ name: 'digits', file: `/models/${CANARY}`, key: `vault://${CANARY}`, instances: 2, queue: null }],
    store: { url: `redis://:${CANARY}@host` },
    protocols: ['oip'],
  };
  expect(toShownConfig(config)).toEqual({
    listen: { host: '127.0.0.1', port: 8443, tls: { cert: '(set)', key: '(set)' } },
    models: [{ name: 'digits', file: '(set)', key: '(set)', instances: 2, queue: null }],
    store: { url: '(set)' },
    protocols: ['oip'],
  });
});
